import { beforeEach, describe, expect, test } from "vitest";
import { publicKeysOf } from "../../src/domain/receipt.ts";
import { isCheckpointBy } from "../../src/domain/seal-statement.ts";
import { PostgresEvidenceStore } from "../../src/postgres/evidence-store.ts";
import { AuditCheckpoints } from "../../src/usecases/audit-checkpoints.ts";
import { RemoveClosedSignatures } from "../../src/usecases/remove-closed-signatures.ts";
import { SealSignatures } from "../../src/usecases/seal-signatures.ts";
import { ManualClock } from "../fakes/manual-clock.ts";
import { receiptRing } from "../support/evidence-pack.ts";
import { aNewSignature, aRequestKey, aSid, noLimits, noLockout, useStores } from "../support/stores.ts";

const { signatures, deliveries, closings, sql, db, pass, now } = await useStores();
const evidence = new PostgresEvidenceStore(db);
const ring = { primary: "k1", keys: new Map([["k1", new Uint8Array(32)]]) };
const keyRings = { codePepper: ring, phoneSeal: ring, pseudonym: ring, evidence: ring, receipt: receiptRing };
const keys = { current: () => keyRings, refresh: async () => keyRings };
let sealing = new SealSignatures({ evidence, keys });
const publicKeys = publicKeysOf(receiptRing);
const audit = (retentionDays = 400) =>
  new AuditCheckpoints({ evidence, publicKeys, retentionDays }).execute();
const never = new AbortController().signal;
const dayMs = 86_400_000;

async function started() {
  const signature = aNewSignature();
  await signatures.start(aRequestKey(), signature, noLimits);
  const challengeId = signature.challenge.id;
  const sid = aSid();
  const result = { providerChallengeId: sid, providerProof: `proof of ${sid}`, sentAt: now() };
  await deliveries.accepted(challengeId, result, "answer");
  const consent = {
    ...{ challengeId, channel: "sms" as const, textDigest: "0c".repeat(32), receiptKeyId: "r1" },
  };
  return { id: signature.id, challengeId, sid, consent };
}

async function aborted() {
  const one = await started();
  await closings.abort("payments", one.id, undefined, "");
  return one;
}

/** Removes rows behind the service's back, as an operator with every right could. */
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
    const hanging = ["checkpoint", "checkpoint_made", "seal", "receipt", "provider_receipt", "event"];
    for (const table of [...hanging, "challenge", "signature"]) {
      await tx`delete from ${tx(table)}`;
    }
  });
}

describe("the timeline", () => {
  test("refuses update, delete and truncate to the superuser who owns it", async () => {
    const { id } = await aborted();
    const [role] = await sql`select rolsuper from pg_roles where rolname = current_user`;
    expect(role?.["rolsuper"]).toBe(true);
    const refused = { code: "SR002", message: "the timeline is append-only" };
    await expect(sql`update event set details = '{}' where signature_id = ${id}`).rejects.toMatchObject(
      refused,
    );
    await expect(sql`delete from event where signature_id = ${id}`).rejects.toMatchObject(refused);
    await expect(sql`truncate event cascade`).rejects.toMatchObject(refused);
    await expect(sql`delete from signature where id = ${id}`).rejects.toThrow();
    expect(await sql`select from event where signature_id = ${id}`).toHaveLength(4);
  });
});

describe("a completion", () => {
  test("tells the message that became known while its statement waited", async () => {
    const { id, challengeId, sid, consent } = await started();
    const second = aSid();
    const completing = await sql.begin(async (tx) => {
      await tx`select from signature where id = ${id} for update`;
      const completion = closings.complete("payments", id, "match", noLockout, consent);
      const waiting = () => sql`
        select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
      while ((await waiting()).length === 0);
      const details = JSON.stringify({ challenge_id: challengeId, provider_challenge_id: second });
      await tx`
        with h as (
          select id, chain_length, (event_chain(chain_head, chain_length, id, ${now()},
            array['DUPLICATE_SENT'], array[${details}::text]))[1] as hash from signature where id = ${id}
        ), i as (
          insert into event select id, chain_length + 1, ${now()}, 'DUPLICATE_SENT', ${details}, hash from h
        )
        update signature s set chain_length = h.chain_length + 1, chain_head = h.hash from h where s.id = h.id`;
      return { completion };
    });
    const completion = await completing.completion;
    const proof = completion?.outcome === "completed" ? completion.proof : undefined;
    expect(proof).toMatchObject({ messageSids: [sid, second], chainLength: 5 });
    const facts = await evidence.receiptFacts(id);
    expect(facts).toMatchObject({ ...proof, ...consent, completedAt: now(), caller: "payments" });
  });

  test("has one receipt, whoever keeps it and however often", async () => {
    const { id, consent } = await started();
    await closings.complete("payments", id, "match", noLockout, consent);
    const kept = await Promise.all(["a.b.c", "d.e.f"].map((jws) => evidence.keepReceipt(id, jws)));
    const [row] = await sql`select jws from receipt where signature_id = ${id}`;
    expect(await evidence.keepReceipt(id, "g.h.i")).toBe(row?.["jws"]);
    expect(kept).toContain(row?.["jws"]);
  });
});

describe("the checkpoint of a day", () => {
  beforeEach(emptied);

  test("is made ten minutes after the day, once, over all its seals, and follows the one before", async () => {
    await aborted();
    await sealing.once(never);
    const midnight = dayMs - (now().getTime() % dayMs);
    pass(midnight + 599_000);
    await sealing.once(never);
    expect(await evidence.checkpoints()).toEqual([]);
    pass(1000);
    await Promise.all(Array.from({ length: 5 }, () => sealing.once(never)));
    const [first, ...others] = await evidence.checkpoints();
    expect(others).toEqual([]);
    expect(first).toMatchObject({ seals: 1, keyId: "r1", previous: Buffer.alloc(32) });
    expect(first && isCheckpointBy(first, publicKeys.get("r1") ?? new Uint8Array())).toBe(true);
    pass(2 * dayMs);
    for (let round = 0; round < 4; round += 1) await sealing.once(never);
    // A day without a seal has one too: none can be left out.
    expect((await evidence.checkpoints()).map(({ seals }) => seals)).toEqual([1, 0, 0]);
    expect(await audit()).toMatchObject({ faults: [], checkpoints: 3, seals: 1 });
  });

  async function sealedDay() {
    const all = [await aborted(), await aborted(), await aborted()];
    await sealing.once(never);
    pass(dayMs + 600_000);
    await sealing.once(never);
    const [checkpoint] = await evidence.checkpoints();
    return { ids: all.map(({ id }) => id), day: checkpoint?.day ?? "" };
  }

  test("shows a signature that is missing with all that belonged to it", async () => {
    const { ids, day } = await sealedDay();
    await tampered(async (tx) => {
      for (const table of ["seal", "event", "challenge"]) {
        await tx`delete from ${tx(table)} where signature_id = ${ids[1] ?? ""}`;
      }
      await tx`delete from signature where id = ${ids[1] ?? ""}`;
    });
    expect((await audit()).faults).toEqual([`${day}: 1 seals are missing`]);
  });

  test("shows a seal that stands without its signature, as long as that is to be kept", async () => {
    const { ids } = await sealedDay();
    await tampered((tx) => tx`delete from signature where id = ${ids[1] ?? ""}`);
    expect((await audit()).faults).toEqual([`signature ${ids[1]} was sealed and is missing`]);
    expect((await audit(1)).faults).toEqual([]);
  });

  test("shows seals that were changed, and checkpoints that were changed or left out", async () => {
    const { ids, day } = await sealedDay();
    const changed = async (statement: (tx: typeof sql) => Promise<unknown>) => {
      const before = await sql`select * from seal`;
      const checkpoints =
        await sql`select day::text, seals, digest, previous, key_id, signature from checkpoint`;
      await tampered(statement);
      const { faults } = await audit();
      await tampered(async (tx) => {
        await tx`delete from seal`;
        await tx`delete from checkpoint`;
        await tx`insert into seal ${tx(before)}`;
        await tx`insert into checkpoint ${tx(checkpoints)}`;
      });
      return faults;
    };
    expect(
      await changed((tx) => tx`update seal set length = 9 where signature_id = ${ids[0] ?? ""}`),
    ).toEqual([
      `${day}: the seal over 9 events of signature ${ids[0]} was changed`,
      `${day}: seals were changed or exchanged`,
    ]);
    expect(await changed((tx) => tx`update checkpoint set seals = 2`)).toEqual([
      `${day}: the checkpoint is another one than that which was made`,
      `${day}: the checkpoint was changed`,
      `${day}: 1 seals were added`,
    ]);
    expect(await changed((tx) => tx`update checkpoint set key_id = 'r9'`)).toEqual([
      `${day}: the key r9 of the checkpoint is not known`,
    ]);
    pass(2 * dayMs);
    for (let round = 0; round < 3; round += 1) await sealing.once(never);
    const next = new Date(Date.parse(day) + 2 * dayMs).toISOString().slice(0, 10);
    const between = new Date(Date.parse(day) + dayMs).toISOString().slice(0, 10);
    expect(await changed((tx) => tx`delete from checkpoint where day = ${day}::date + 1`)).toEqual([
      `${between}: the checkpoint is missing`,
      `${between}: the checkpoint which was made is not in the database`,
      `${next}: the checkpoint of the day before is missing`,
    ]);
    expect((await audit()).faults).toEqual([]);
  });
});

describe("the retention", () => {
  beforeEach(emptied);
  const clock = new ManualClock();
  const removing = new RemoveClosedSignatures({ evidence, retentionDays: 30, clock });

  test("removes whole signatures that are closed for so long and sealed, and leaves their seals", async () => {
    await sql`update operator_policy set retention_floor_days = 1`;
    // The floor goes by the server's clock, which must not be behind the one of this test.
    pass(Date.parse("2026-01-01T12:00:00Z") - now().getTime());
    const old = await aborted();
    const report = {
      ...{ provider: "twilio", challengeId: old.challengeId, attempt: 1, providerChallengeId: old.sid },
      ...{ status: "delivered" as const, providerErrorCode: undefined, parameters: "{}", providerProof: "p" },
    };
    await deliveries.settled(report);
    await deliveries.settled({ ...report, challengeId: receiptlessChallenge });
    const completed = await started();
    await closings.complete("payments", completed.id, "match", noLockout, completed.consent);
    await sealing.once(never);
    const unsealed = await aborted();
    const open = await started();
    pass(30 * dayMs);
    const young = await aborted();
    expect(await removing.once()).toBe(0);
    pass(1);
    // Nothing was due: it looks again in ten minutes.
    expect(await removing.once()).toBe(0);
    await clock.advance(600_000);
    const twice = await Promise.all([removing.once(), removing.once()]);
    expect(twice.reduce((sum, removed) => sum + removed)).toBe(2);
    for (const { id } of [old, completed]) {
      for (const table of ["event", "challenge", "receipt"]) {
        expect(await sql`select from ${sql(table)} where signature_id = ${id}`).toEqual([]);
      }
      expect(await sql`select from seal where signature_id = ${id}`).toHaveLength(1);
    }
    expect(await sql`select from provider_receipt`).toEqual([]);
    const left = await sql<{ id: string }[]>`select id from signature order by created_at, id`;
    expect(left.map(({ id }) => id).sort()).toEqual([unsealed.id, open.id, young.id].sort());
    // Nobody swept in these days, so their checkpoints are still to be made.
    const { faults } = await audit(30);
    expect(faults.filter((fault) => !fault.endsWith("the checkpoint is missing"))).toEqual([]);
    await sealing.once(never);
    await clock.advance(600_000);
    expect(await removing.once()).toBe(1);
  });
});

/** Of no challenge: a report about it is kept nowhere. */
const receiptlessChallenge = "0190b0c0-0000-7000-9000-00000000dead";

test("a backlog is sealed with one search for missing receipts, which goes through all of it", async () => {
  await emptied();
  const ids = await Promise.all(Array.from({ length: 120 }, aborted));
  let searches = 0;
  const counted = new Proxy(evidence, {
    get(target, property) {
      if (property === "missingReceipts") searches += 1;
      const member: unknown = Reflect.get(target, property, target);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
  expect(await new SealSignatures({ evidence: counted, keys }).once(never)).toBe(ids.length);
  expect(searches).toBe(1);
});

test("a report of the provider is kept once, as it came", async () => {
  const { challengeId, sid } = await started();
  const report = {
    ...{
      provider: "twilio",
      challengeId,
      attempt: 1,
      providerChallengeId: sid,
      status: "delivered" as const,
    },
    ...{ providerErrorCode: undefined, parameters: '{"a":"1"}', providerProof: "p1" },
  };
  await deliveries.settled(report);
  await deliveries.settled(report);
  await deliveries.settled({ ...report, parameters: '{"a":"2"}', providerProof: "p2" });
  expect(
    await sql`select parameters, proof from provider_receipt where challenge_id = ${challengeId} order by number`,
  ).toEqual([
    { parameters: '{"a":"1"}', proof: "p1" },
    { parameters: '{"a":"2"}', proof: "p2" },
  ]);
});
