import { beforeEach, describe, expect, test } from "vitest";
import type { Observation } from "../../src/domain/observation.ts";
import { publicKeysOf } from "../../src/domain/receipt.ts";
import { PostgresEvidenceStore } from "../../src/postgres/evidence-store.ts";
import { AuditCheckpoints } from "../../src/usecases/audit-checkpoints.ts";
import { AuditSignatures } from "../../src/usecases/audit-signatures.ts";
import { SealSignatures } from "../../src/usecases/seal-signatures.ts";
import { aReceipt } from "../support/domain.ts";
import { receiptRing } from "../support/evidence-pack.ts";
import { aNewSignature, aRequestKey, aSid, noLimits, useStores } from "../support/stores.ts";

const { signatures, deliveries, closings, sql, db, pass, now } = await useStores();
const evidence = new PostgresEvidenceStore(db);
const ring = { primary: "k1", keys: new Map([["k1", new Uint8Array(32)]]) };
const keyRings = { codePepper: ring, phoneSeal: ring, pseudonym: ring, evidence: ring, receipt: receiptRing };
const keys = { current: () => keyRings, refresh: async () => keyRings };
let sealing = new SealSignatures({ evidence, keys });
const publicKeys = publicKeysOf(receiptRing);
const audit = (retentionDays = 400, expected?: string) =>
  new AuditCheckpoints({ evidence, publicKeys, retentionDays }).execute(expected);
const auditSignatures = () => new AuditSignatures({ evidence, publicKeys }).execute();
const never = new AbortController().signal;
const dayMs = 86_400_000;

async function started() {
  const signature = aNewSignature();
  await signatures.start(aRequestKey(), signature, noLimits);
  const sid = aSid();
  const result = { providerChallengeId: sid, providerProof: `proof of ${sid}`, sentAt: now() };
  await deliveries.accepted(signature.challenge.id, result, "answer");
  return { id: signature.id, challengeId: signature.challenge.id, sid };
}

async function aborted() {
  const one = await started();
  await closings.abort("payments", one.id, undefined, "");
  return one;
}

/** Changes rows behind the service's back, as somebody with every right on the database could. */
async function tampered(statement: (tx: typeof sql) => Promise<unknown>): Promise<void> {
  await sql.begin(async (tx) => {
    await tx`set local session_replication_role = replica`;
    await statement(tx as unknown as typeof sql);
  });
}

async function emptied() {
  // A process remembers the checkpoints that it made.
  sealing = new SealSignatures({ evidence, keys });
  await tampered(async (tx) => {
    for (const table of ["checkpoint", "checkpoint_made", "seal", "receipt", "provider_receipt"]) {
      await tx`delete from ${tx(table)}`;
    }
    for (const table of ["event", "challenge", "signature"]) await tx`delete from ${tx(table)}`;
  });
}

describe("a checkpoint that is gone", () => {
  beforeEach(emptied);

  /** A signature, its seal and the day's checkpoint, as somebody with every right removes them. */
  async function removed(tables: readonly string[]) {
    const { id } = await aborted();
    await aborted();
    await sealing.once(never);
    pass(dayMs + 600_000);
    await sealing.once(never);
    const { latest } = await audit();
    await tampered(async (tx) => {
      for (const table of ["seal", "event", "challenge"]) {
        await tx`delete from ${tx(table)} where signature_id = ${id}`;
      }
      await tx`delete from signature where id = ${id}`;
      for (const table of tables) await tx`delete from ${tx(table)}`;
    });
    return latest ?? { day: "", hash: "" };
  }

  test("is never made again, alerts, and the next day's follows it all the same", async () => {
    const { day, hash } = await removed(["checkpoint"]);
    const seen: Observation[] = [];
    // As after a restart: what was made stands in the database, too.
    const restarted = new SealSignatures({
      evidence,
      keys,
      observer: { observe: (one) => void seen.push(one) },
    });
    for (let round = 0; round < 3; round += 1) await restarted.once(never);
    expect(await evidence.checkpoints()).toEqual([]);
    expect(seen).toEqual([{ type: "checkpoint_missing", day }]);
    const gone = `${day}: the checkpoint which was made is not in the database`;
    expect((await audit()).faults).toContain(gone);
    pass(dayMs);
    await restarted.once(never);
    const [next] = await evidence.checkpoints();
    expect(next?.previous.toString("hex")).toBe(hash);
    expect((await audit()).faults).toEqual(
      expect.arrayContaining([`${day}: the checkpoint is missing`, gone]),
    );
    expect((await audit(400, hash)).faults).toContain(
      "no checkpoint has the hash that was expected: the history up to it is gone or is another one",
    );
  });

  test("is known to the process that made it, though nothing in the database tells of it", async () => {
    const { day } = await removed(["checkpoint", "checkpoint_made"]);
    await sealing.once(never);
    expect(await evidence.checkpoints()).toEqual([]);
    const outside = async () => [{ day, hash: Buffer.alloc(32, 1) }];
    await new SealSignatures({ evidence, keys, outside }).once(never);
    expect(await evidence.checkpoints()).toEqual([]);
  });

  test("is told from one that is there by the hash that was kept", async () => {
    await aborted();
    await sealing.once(never);
    pass(dayMs + 600_000);
    await sealing.once(never);
    const { latest } = await audit();
    pass(dayMs);
    await sealing.once(never);
    expect((await audit(400, latest?.hash)).faults).toEqual([]);
    expect((await audit(400, "0a".repeat(32))).faults).toHaveLength(1);
  });
});

describe("an audit of the signatures", () => {
  beforeEach(emptied);

  async function settled() {
    const one = await started();
    await deliveries.settled(aReceipt(one.challengeId, one.sid));
    await closings.abort("payments", one.id, undefined, "");
    await sealing.once(never);
    return one;
  }

  test("fits, with every event hashed again", async () => {
    await settled();
    await started();
    expect(await auditSignatures()).toEqual({ faults: [], signatures: 2, events: 8, untold: 0 });
  });

  test.each([
    [
      "another caller",
      "update signature set caller = 'cards'",
      /caller of .* is cards, and its events say payments/,
    ],
    [
      "another status",
      "update signature set status = 'expired'",
      /status of .* is expired, and its events say aborted/,
    ],
    ["another first factor", "update signature set first_factor = 'none'", /first_factor of the signature/],
    [
      "another creation",
      "update signature set created_at = created_at - interval '1 day'",
      /created_at of the/,
    ],
    [
      "a reason",
      "update signature set abort_reason = 'operator'",
      /abort_reason of .* is operator, and .* say none/,
    ],
    [
      "another destination",
      "update challenge set masked_destination = '+34 *** *** 999'",
      /masked_destination of/,
    ],
    ["another provider", "update challenge set provider = 'another'", /provider of challenge/],
    [
      "another SID",
      "update challenge set provider_challenge_id = 'SM0'",
      /message_sid of challenge .* is SM0/,
    ],
    ["another sending", "update challenge set sent_at = sent_at - interval '1 s'", /sent_at of challenge/],
    ["no delivery", "update challenge set delivered_at = null", /delivered_at of challenge .* is none/],
    ["more calls", "update challenge set calls = 3", /calls of challenge .* is 3, and its events say 1/],
    ["no report", "delete from provider_receipt", /the report of .* is missing/],
    ["another report", "update provider_receipt set parameters = '{}'", /the report of .* is missing/],
    ["another event", "update event set details = '{}' where number = 3", /event 3 was changed/],
    ["no last event", "delete from event where number = 5", /5 events are on record, and 4 are there/],
    ["no seal", "delete from seal", /5 events are on record as sealed, and the last seal is over 0/],
    [
      "a shorter chain, made to fit",
      `with d as (delete from event where number = 5) update signature s set chain_length = 4, chain_head = e.hash
        from event e where e.signature_id = s.id and e.number = 4`,
      /its events end before the 5 that were sealed/,
    ],
  ])("names %s", async (_, statement, fault) => {
    const { id } = await settled();
    await tampered((tx) => tx.unsafe(statement));
    const { faults } = await auditSignatures();
    expect(faults[0]).toMatch(fault);
    expect(faults[0]).toMatch(`signature ${id}: `);
  });
});
