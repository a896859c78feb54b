import { randomBytes } from "node:crypto";
import { compactVerify, createLocalJWKSet } from "jose";
import { describe, expect, test } from "vitest";
import { packFault } from "../../src/domain/evidence-check.ts";
import { evidenceText } from "../../src/domain/evidence-text.ts";
import type { KeySource, Keys } from "../../src/domain/keys.ts";
import { MessageTexts } from "../../src/domain/message-texts.ts";
import { jwks } from "../../src/domain/receipt.ts";
import { PostgresEvidenceStore } from "../../src/postgres/evidence-store.ts";
import { keptParameters } from "../../src/twilio/kept-parameters.ts";
import { ExportEvidence } from "../../src/usecases/export-evidence.ts";
import { SealSignatures } from "../../src/usecases/seal-signatures.ts";
import { aReceipt, failureOf } from "../support/domain.ts";
import type { Replica } from "../support/replica.ts";
import { aStartCommand, codeIn, useService, wrongCode } from "../support/service.ts";

const service = await useService();
const { time, keys, sql } = service;
const evidence = new PostgresEvidenceStore(service.database);
const sealing = new SealSignatures({ evidence, keys });
const texts = new MessageTexts();
const exporting = new ExportEvidence({ evidence, keys, sealing, texts, proves: () => true });
const never = new AbortController().signal;

async function started(replica: Replica, over: Parameters<typeof aStartCommand>[0] = {}) {
  const command = aStartCommand(over);
  const { signature } = await time.drive(replica.startSignature.execute(command, 20_000));
  const [message] = service.messages(command);
  const { providerChallengeId: sid = "" } = message ?? {};
  return { id: signature.id, challengeId: signature.challenge.id, command, code: codeIn(message), sid };
}

const complete = (replica: Replica, signatureId: string, code: string) =>
  replica.completeSignature.execute({ caller: "payments", signatureId, code, transaction: undefined });

async function sealAll(): Promise<number> {
  let sealed = 0;
  for (let batch = await sealing.once(never); batch > 0; batch = await sealing.once(never)) sealed += batch;
  return sealed;
}

const sealsOf = (id: string) => sql<{ length: number }[]>`
  select length from seal where signature_id = ${id} order by length`;

/** The keys that another replica has, after an operator added a primary. */
function rotated(): KeySource {
  const before = keys.current();
  const receipt = { primary: "k2", keys: new Map([...before.receipt.keys, ["k2", randomBytes(32)]]) };
  const after: Keys = { ...before, receipt };
  return { current: () => after, refresh: async () => after };
}

describe("the receipt", () => {
  test("comes with the completion, verifies offline, and is read again byte for byte", async () => {
    const replica = service.replica();
    const { id, code, sid } = await started(replica, { firstFactor: "pin" });
    const { receipt, signature } = await complete(replica, id, code);
    const { payload } = await compactVerify(receipt, createLocalJWKSet(jwks(keys.current().receipt)));
    expect(JSON.parse(Buffer.from(payload).toString())).toMatchObject({
      ...{ iss: "signature.bank", sub: id, aud: "payments", channel: "sms", first_factor: "pin" },
      iat: Math.floor(time.date().getTime() / 1000),
      transaction_digest: signature.transactionDigest,
      message_sids: [sid],
      chain_length: 4,
    });
    expect((await replica.history(id)).receipt).toBe(receipt);
    expect((await service.replica().history(id)).receipt).toBe(receipt);
  });

  test("is empty until there is a completion", async () => {
    const replica = service.replica();
    const { id, code } = await started(replica);
    expect((await replica.history(id)).receipt).toBe("");
    await failureOf(complete(replica, id, wrongCode(code)));
    expect((await replica.history(id)).receipt).toBe("");
  });

  test("is kept after the answer, in one statement with those that came meanwhile", async () => {
    const replica = service.replica();
    const all = await Promise.all(Array.from({ length: 8 }, () => started(replica)));
    const completed = await Promise.all(all.map(({ id, code }) => complete(replica, id, code)));
    await replica.keepReceipts.stored();
    const kept =
      await sql`select jws from receipt where signature_id = any (${all.map(({ id }) => id)}::uuid[])`;
    expect(kept.map(({ jws }) => jws).sort()).toEqual(completed.map(({ receipt }) => receipt).sort());
    expect(replica.calls("keepReceipts")).toBeLessThan(8);
  });

  test("is answered though it could not be kept, and the sweep keeps the same one", async () => {
    const replica = service.replica();
    const { id, code } = await started(replica);
    replica.loseDatabase("keepReceipts", 1);
    const { receipt } = await complete(replica, id, code);
    expect(receipt).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/);
    await replica.keepReceipts.stored();
    expect(replica.saw("upkeep_failed")).toMatchObject([{ step: "keep_receipts" }]);
    expect(await sql`select from receipt where signature_id = ${id}`).toHaveLength(0);
    await new SealSignatures({ evidence, keys: rotated() }).once(never);
    const [kept] = await sql`select jws from receipt where signature_id = ${id}`;
    expect(kept?.["jws"]).toBe(receipt);
  });

  test("of a process that died right after the completion is the same for whoever asks first", async () => {
    const replica = service.replica();
    const { id, code, challengeId, sid } = await started(replica);
    replica.stallAfter("complete");
    void complete(replica, id, code);
    await time.idle();
    replica.kill();
    const other = service.replica();
    // What comes later changes nothing about it.
    await sql`update challenge set calls = 2 where id = ${challengeId}`;
    await other.recordReceipt.execute(aReceipt(challengeId, sid));
    // A call whose answer was lost: it may have made a message of its own.
    await sql`update challenge set calls = 2 where id = ${challengeId}`;
    await other.recordReceipt.execute(aReceipt(challengeId, `SM${"d".repeat(32)}`));
    const { receipt, timeline } = await other.history(id);
    expect(timeline.map(({ type }) => type).slice(4)).toEqual([
      ...["CHALLENGE_DELIVERED", "DUPLICATE_SENT", "PROVIDER_REPORTED"],
    ]);
    const { payload } = await compactVerify(receipt, createLocalJWKSet(jwks(keys.current().receipt)));
    expect(JSON.parse(Buffer.from(payload).toString())).toMatchObject({
      message_sids: [sid],
      chain_length: 4,
    });
    await sql`delete from receipt where signature_id = ${id}`;
    await sealAll();
    expect((await other.history(id)).receipt).toBe(receipt);
  });

  test("whose key is not known here is left to a replica that has it, and holds up no other signature", async () => {
    const replica = service.replica();
    const lost = await started(replica);
    const next = await started(replica);
    replica.loseDatabase("keepReceipts", 2);
    await complete(replica, lost.id, lost.code);
    await replica.keepReceipts.stored();
    await complete(replica, next.id, next.code);
    await replica.keepReceipts.stored();
    const foreign = rotated().current();
    const receipt = { primary: "k2", keys: new Map([["k2", randomBytes(32)]]) };
    const other = {
      current: () => ({ ...foreign, receipt }),
      refresh: async () => ({ ...foreign, receipt }),
    };
    const aborted = await started(replica);
    await replica.abortSignature.execute({
      ...{ caller: "payments", signatureId: aborted.id, reason: undefined, note: "" },
    });
    await new SealSignatures({ evidence, keys: other }).once(never);
    expect([await sealsOf(lost.id), await sealsOf(aborted.id)].map((seals) => seals.length)).toEqual([0, 1]);
    await sealAll();
    expect(await sealsOf(lost.id)).toHaveLength(1);
  });
});

describe("the seals", () => {
  test("stand over every end, and once more over late facts", async () => {
    const replica = service.replica();
    const [completed, failed, aborted, expired] = [
      await started(replica),
      await started(replica),
      await started(replica),
      await started(replica, { ttlMs: 2000 }),
    ];
    await complete(replica, completed.id, completed.code);
    for (let attempt = 0; attempt < 3; attempt += 1) {
      await failureOf(complete(replica, failed.id, wrongCode(failed.code)));
    }
    await replica.abortSignature.execute({
      ...{ caller: "payments", signatureId: aborted.id, reason: "fraud_suspected", note: "" },
    });
    await time.pass(3000);
    await replica.sweep();
    await sealAll();
    for (const { id } of [completed, failed, aborted, expired]) {
      const { timeline } = await replica.history(id);
      expect(await sealsOf(id)).toEqual([{ length: timeline.length }]);
    }
    expect(await sealAll()).toBe(0);
    await replica.recordReceipt.execute(aReceipt(completed.challengeId, completed.sid));
    await sealAll();
    expect(await sealsOf(completed.id)).toEqual([{ length: 4 }, { length: 5 }]);
  });

  test("are made once, however many replicas are at it", async () => {
    const replica = service.replica();
    const ids = await Promise.all(
      Array.from({ length: 8 }, async () => {
        const { id } = await started(replica);
        await replica.abortSignature.execute({
          ...{ caller: "payments", signatureId: id, reason: undefined, note: "" },
        });
        return id;
      }),
    );
    const rounds = await Promise.all(Array.from({ length: 6 }, () => sealing.once(never)));
    expect(rounds.reduce((sum, sealed) => sum + sealed) + (await sealAll())).toBe(ids.length);
    for (const id of ids) expect(await sealsOf(id)).toHaveLength(1);
  });

  test("stay away from what is open", async () => {
    const { id } = await started(service.replica());
    await sealAll();
    expect(await sealsOf(id)).toEqual([]);
  });
});

describe("a dispute pack", () => {
  test("of a completed signature is whole, fits, and holds neither code, number nor customer id", async () => {
    const replica = service.replica();
    const { id, code, command, challengeId, sid } = await started(replica);
    await failureOf(complete(replica, id, wrongCode(code)));
    const { receipt } = await complete(replica, id, code);
    const parameters = keptParameters("1", { MessageSid: sid, To: command.phoneNumber.e164, Other: "x" });
    await replica.recordReceipt.execute(aReceipt(challengeId, sid, { parameters }));
    await replica.recordReceipt.execute(aReceipt(challengeId, sid, { parameters }));
    const pack = await exporting.execute(id);
    if (pack === undefined) throw new Error("there is no pack");
    expect(await packFault(pack, jwks(keys.current().receipt).keys)).toBeUndefined();
    expect(pack).toMatchObject({
      receipt,
      signature: { id, status: "completed", caller: "payments" },
      transaction: { payee: "Panadería Sol", amount: { units: "12" } },
      challenges: [{ id: challengeId, message_sid: sid, masked_destination: expect.stringContaining("***") }],
      seals: [{ length: 6 }],
      checkpoints: [],
    });
    expect(pack.challenges[0]?.text).toMatch(/^\*{6} firma el pago de 12,50 EUR a Panaderia Sol/);
    expect(pack.provider_receipts.map((kept) => kept.parameters)).toEqual([parameters]);
    const text = evidenceText(pack);
    for (const [document, wholeness] of [
      [JSON.stringify(pack), receipt],
      [text, "SIGNATURE_COMPLETED"],
    ] as const) {
      expect(document).toContain(wholeness);
      expect(document).toContain(sid);
      for (const secret of [command.phoneNumber.e164.slice(1), command.customerId]) {
        expect(document).not.toContain(secret);
        expect(document).not.toContain(Buffer.from(secret).toString("hex"));
      }
      // Six digits of their own; inside longer numbers and digests they say nothing.
      expect(document).not.toMatch(new RegExp(`(?<![0-9a-zA-Z_-])${code}(?![0-9a-zA-Z_-])`));
    }
  });

  test("of an open signature fits without a seal, and of an unknown one there is none", async () => {
    const { id } = await started(service.replica());
    const pack = await exporting.execute(id);
    expect(pack).toMatchObject({ signature: { status: "challenge_sent" }, seals: [], receipt: null });
    expect(pack && (await packFault(pack))).toBeUndefined();
    expect(await exporting.execute("0190b0c0-0000-7000-9000-000000000001")).toBeUndefined();
  });

  test("of an earlier day has its place in that day's checkpoint, under keys that have rotated since", async () => {
    const replica = service.replica();
    const { id, code, challengeId, sid } = await started(replica);
    await complete(replica, id, code);
    await sealAll();
    await time.pass(86_400_000);
    await replica.recordReceipt.execute(aReceipt(challengeId, sid));
    const later = rotated();
    const sealingLater = new SealSignatures({ evidence, keys: later });
    await new ExportEvidence({
      evidence,
      keys: later,
      sealing: sealingLater,
      texts,
      proves: () => true,
    }).execute(id);
    await time.pass(86_400_000 + 3_600_000);
    const pack = await new ExportEvidence({
      ...{ evidence, keys: later, sealing: sealingLater, texts, proves: () => true },
    }).execute(id);
    expect(pack?.seals.map((seal) => seal.key_id)).toEqual(["k1", "k2"]);
    expect(pack?.checkpoints).toHaveLength(2);
    expect(pack && (await packFault(pack, jwks(later.current().receipt).keys))).toBeUndefined();
  });
});
