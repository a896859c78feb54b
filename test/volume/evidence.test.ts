import { afterAll, beforeAll, expect, test } from "vitest";
import { MerkleRoot, rootOfPath } from "../../src/domain/merkle-tree.ts";
import { type Seal, sealLeaf } from "../../src/domain/seal-statement.ts";
import { PostgresClosingStore } from "../../src/postgres/closing-store.ts";
import { Database } from "../../src/postgres/database.ts";
import { PostgresDeliveryStore } from "../../src/postgres/delivery-store.ts";
import { PostgresEvidenceStore } from "../../src/postgres/evidence-store.ts";
import { PostgresSignatureStore } from "../../src/postgres/signature-store.ts";
import { PostgresUpkeepStore } from "../../src/postgres/upkeep-store.ts";
import { SealSignatures } from "../../src/usecases/seal-signatures.ts";
import { useDatabase } from "../support/database.ts";
import { receiptRing } from "../support/evidence-pack.ts";
import { aNewSignature, aRequestKey, noLimits, noLockout } from "../support/stores.ts";
import { fill, progress, timed } from "./fill.ts";

// Every statement here has the service's statement_timeout: one that reads all of a table is ended by it.

const million = Number(process.env["VOLUME_MILLION"] ?? 1_000_000);
const [yesterday, before, backlog] = [3 * million, 2 * million, million];

const { url, sql } = await useDatabase();
const db = new Database({ url, connections: 4 });
afterAll(() => db.close());
const evidence = new PostgresEvidenceStore(db);
const ring = { primary: "k1", keys: new Map([["k1", new Uint8Array(32)]]) };
const rings = { codePepper: ring, phoneSeal: ring, pseudonym: ring, evidence: ring, receipt: receiptRing };
const keys = { current: () => rings, refresh: async () => rings };
const sealing = new SealSignatures({ evidence, keys });
const never = new AbortController().signal;

beforeAll(async () => {
  const { id } = aNewSignature();
  await new PostgresSignatureStore(db).start(aRequestKey(), aNewSignature({ id }), noLimits);
  const closings = new PostgresClosingStore(db, true);
  await closings.complete("payments", id, "match", noLockout);
  await closings.keepReceipts([{ signatureId: id, jws: "a.b.c" }]);
  await fill(sql, { sample: id, yesterday, before, backlog });
});

test("a sealing round gets on, whatever is not sealed yet, and every finished day gets its checkpoint", async () => {
  for (let day = 1; day <= 21; day += 1) {
    const sealed = await timed(`sealing round ${day}`, () => sealing.once(never));
    expect(sealed).toBeGreaterThanOrEqual(500);
    expect(await sql`select from checkpoint`).toHaveLength(day);
  }
  const [last] = await sql<{ seals: number }[]>`select seals from checkpoint order by day desc limit 1`;
  expect(last?.seals).toBe(yesterday);
});

test("the seals of the largest day are read, and a place among them is shown", async () => {
  const [checkpoint] = await sql<{ day: string; digest: Buffer; seals: number }[]>`
    select day::text, digest, seals from checkpoint order by day desc limit 1`;
  const root = new MerkleRoot();
  const wanted = Math.floor(yesterday / 3);
  await timed("the largest day read", () =>
    evidence.readSeals(checkpoint!.day, (seals: readonly Seal[]) => {
      for (const seal of seals) root.add(sealLeaf(seal), root.size === wanted);
    }),
  );
  expect(root.size).toBe(checkpoint!.seals);
  expect(root.hash()).toEqual(checkpoint!.digest);
  const [shown] = root.paths();
  expect(rootOfPath(shown!.leaf, shown!.index, root.size, shown!.path)).toEqual(checkpoint!.digest);
  progress(`memory: ${Math.round(process.memoryUsage().rss / 1e6)} MB`);
});

test("the audit finds the one seal of millions whose signature is not there", async () => {
  expect(await timed("orphaned seals, none", () => evidence.orphanedSeals(400, 20))).toEqual([]);
  const [removed] = await sql<{ signature_id: string }[]>`
    select signature_id from seal order by sealed_at desc, signature_id desc limit 1`;
  await sql.begin(async (tx) => {
    await tx`set local session_replication_role = replica`;
    await tx`delete from signature where id = ${removed!.signature_id}`;
  });
  const found = await timed("orphaned seals, one", () => evidence.orphanedSeals(400, 20));
  expect(found.map(({ signatureId }) => signatureId)).toEqual([removed!.signature_id]);
});

test("every step of the sweep and the retention stay short", async () => {
  const [upkeep, deliveries] = [new PostgresUpkeepStore(db), new PostgresDeliveryStore(db)];
  const steps = {
    take_over: () => deliveries.takeOver(50, 20_000),
    expire: () => upkeep.expire(50),
    erase_phone_numbers: () => upkeep.erasePhoneNumbers(50),
    purge_keys: () => upkeep.purgeKeys(500),
    purge_guards: () => upkeep.purgeGuards(500),
    confirm: () => upkeep.due("feedback", 50, 1000),
    redact: () => upkeep.due("redaction", 50, 1000),
    last_look_up: () => upkeep.dueLookUps(50, 1000),
    missing_receipts: () => evidence.missingReceipts(50, ["r1"]),
  };
  for (const [name, step] of Object.entries(steps)) await timed(name, step as () => Promise<unknown>);
  await sql`update operator_policy set retention_floor_days = 1`;
  // Signatures closed for more than so long are due: all that are sealed.
  for (let round = 0; round < 3; round += 1) {
    expect(await timed("remove_closed", () => evidence.removeClosed(1, 50))).toBe(50);
  }
});
