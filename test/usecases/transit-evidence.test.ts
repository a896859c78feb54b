import { compactVerify, createLocalJWKSet } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { packFault } from "../../src/domain/evidence-check.ts";
import { MessageTexts } from "../../src/domain/message-texts.ts";
import { jwks, publicKeysOf } from "../../src/domain/receipt.ts";
import { PostgresEvidenceStore } from "../../src/postgres/evidence-store.ts";
import { AuditCheckpoints } from "../../src/usecases/audit-checkpoints.ts";
import { ExportEvidence } from "../../src/usecases/export-evidence.ts";
import { SealSignatures } from "../../src/usecases/seal-signatures.ts";
import type { Replica } from "../support/replica.ts";
import { aStartCommand, codeIn, useService } from "../support/service.ts";
import { TransitUnderTest } from "../support/transit.ts";

const service = await useService();
const { time, keys, sql } = service;
const evidence = new PostgresEvidenceStore(service.database);
const never = new AbortController().signal;
const signPath = "transit/sign/receipts";
const sealed = {
  kind: "answer" as const,
  answer: { status: 503, body: { errors: ["Vault is sealed"] } },
};

let under: TransitUnderTest;
beforeAll(async () => {
  under = await TransitUnderTest.start({ clock: () => time.date().getTime() });
});
afterAll(() => under[Symbol.asyncDispose]());

const replica = () => service.replica({ signer: under.signer });
const sealing = () => new SealSignatures({ evidence, keys, signer: under.signer });
const published = () => jwks(under.signer.verifying());

async function started(at: Replica) {
  const command = aStartCommand();
  const { signature } = await time.drive(at.startSignature.execute(command, 20_000));
  const [message] = service.messages(command);
  return { id: signature.id, code: codeIn(message) };
}

const complete = (at: Replica, { id, code }: { id: string; code: string }) =>
  at.completeSignature.execute({ caller: "payments", signatureId: id, code, transaction: undefined });

describe("With a key in Transit", () => {
  test("receipts verify by the published keys, also those of before a rotation", async () => {
    const at = replica();
    const [one, two] = [await started(at), await started(at)];
    const before = (await complete(at, one)).receipt;
    under.double.transit.rotate("receipts");
    await under.opened.secrets.refresh();
    const after = (await complete(at, two)).receipt;
    const kids = [];
    for (const jws of [before, after]) {
      const { protectedHeader } = await compactVerify(jws, createLocalJWKSet(published()));
      kids.push(protectedHeader.kid);
    }
    expect(kids).toEqual(["transit:receipts:v1", "transit:receipts:v2"]);
    await at.keepReceipts.stored();
    expect((await at.history(one.id)).receipt).toBe(before);
  });

  test("a completion while Vault is away is answered without its receipt, which the sweep makes later", async () => {
    const at = replica();
    const one = await started(at);
    under.double.plan(signPath, sealed, 2);
    const { signature, receipt } = await complete(at, one);
    expect([signature.status, receipt]).toEqual(["completed", ""]);
    expect(at.saw("upkeep_failed")).toMatchObject([{ step: "sign_receipt" }]);
    expect((await at.history(one.id)).receipt).toBe("");
    expect(await sql`select from receipt where signature_id = ${one.id}`).toHaveLength(0);
    await sealing().once(never);
    const [kept] = await sql<{ jws: string }[]>`select jws from receipt where signature_id = ${one.id}`;
    expect((await at.history(one.id)).receipt).toBe(kept?.jws);
    await compactVerify(kept?.jws ?? "", createLocalJWKSet(published()));
  });

  test("a sweep while Vault is away makes nothing, holds no transaction, and the next one makes all", async () => {
    const at = replica();
    const all = [await started(at), await started(at), await started(at)];
    for (const one of all) await complete(at, one);
    await at.keepReceipts.stored();
    under.double.plan(signPath, { kind: "hang" });
    const calls = under.double.requestsTo(signPath).length;
    const sweep = sealing().once(never);
    const failed = sweep.then(
      () => false,
      () => true,
    );
    await under.double.received(signPath, calls + 1);
    const open = await sql`
      select from pg_stat_activity where datname = current_database() and state like 'idle in transaction%'`;
    expect(open).toHaveLength(0);
    await under.clock.advance(1000);
    expect(await failed).toBe(true);
    await sealing().once(never);
    const ids = all.map(({ id }) => id);
    const seals = await sql<{ key_id: string }[]>`
      select key_id from seal where signature_id = any (${ids}::uuid[])`;
    expect(seals.map(({ key_id }) => key_id)).toEqual(Array(3).fill(under.signer.currentKeyId()));
    // All of them in one call, as the failed one had been.
    expect(under.double.requestsTo(signPath).length - calls).toBe(2);
  });

  test("replicas that seal at once seal each chain once", async () => {
    const at = replica();
    const all = [await started(at), await started(at)];
    for (const one of all) await complete(at, one);
    await at.keepReceipts.stored();
    const counts = await Promise.all([1, 2, 3].map(() => sealing().once(never)));
    const ids = all.map(({ id }) => id);
    expect(await sql`select from seal where signature_id = any (${ids}::uuid[])`).toHaveLength(2);
    expect(counts.reduce((sum, count) => sum + count)).toBe(2);
  });

  test("packs and checkpoints fit, by the published keys alone", async () => {
    const at = replica();
    const one = await started(at);
    await complete(at, one);
    await at.keepReceipts.stored();
    const sealer = sealing();
    await sealer.once(never);
    await time.pass(48 * 3600_000);
    while (await sealer.once(never));
    const proves = () => true;
    const deps = { evidence, keys, signer: under.signer, sealing: sealer, texts: new MessageTexts(), proves };
    const pack = await new ExportEvidence(deps).execute(one.id);
    expect(pack && (await packFault(pack, published().keys))).toBeUndefined();
    expect(pack?.checkpoints.map((checkpoint) => checkpoint.key_id)).toEqual(["transit:receipts:v2"]);
    expect(pack?.keys.map(({ kid }) => kid)).toEqual(
      expect.arrayContaining(["transit:receipts:v1", "transit:receipts:v2"]),
    );
    const publicKeys = publicKeysOf(under.signer.verifying());
    const audit = await new AuditCheckpoints({ evidence, publicKeys, retentionDays: 400 }).execute();
    expect(audit.faults).toEqual([]);
  });
});
