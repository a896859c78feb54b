import { randomUUID } from "node:crypto";
import type { TransactionSql } from "postgres";
import { expect, test } from "vitest";
import { actLogId } from "../../src/domain/operator-act.ts";
import { acts } from "../../src/main/admin/acts.ts";
import { ActLog } from "../../src/postgres/act-log.ts";
import { PostgresEvidenceStore } from "../../src/postgres/evidence-store.ts";
import { requireRetention } from "../../src/postgres/retention-floor.ts";
import { SealSignatures } from "../../src/usecases/seal-signatures.ts";
import { receiptRing } from "../support/evidence-pack.ts";
import { useStores } from "../support/stores.ts";

const { sql, db } = await useStores();
const log = new ActLog(db);
const evidence = new PostgresEvidenceStore(db);
const ring = { primary: "k1", keys: new Map([["k1", new Uint8Array(32)]]) };
const keyRings = { codePepper: ring, phoneSeal: ring, pseudonym: ring, evidence: ring, receipt: receiptRing };
const keys = { current: () => keyRings, refresh: async () => keyRings };
const sealing = new SealSignatures({ evidence, keys });

/** What `npm run admin -- acts` finds, after whatever was done by somebody whom no trigger holds. */
async function found(meddle?: (tx: TransactionSql) => Promise<unknown>): Promise<string[]> {
  if (meddle !== undefined) {
    await sql.begin(async (tx) => {
      await tx`set local session_replication_role = replica`;
      await meddle(tx);
    });
  }
  const said: string[] = [];
  const desk = { acts: log, print: (line: string) => said.push(line) };
  await acts.run({} as Parameters<typeof acts.run>[0], desk as unknown as Parameters<typeof acts.run>[1]);
  return said.filter((line) => line.startsWith("DOES NOT FIT"));
}

test("acts at the same time make one chain, which nobody rewrites", async () => {
  const record = () =>
    log.record(randomUUID(), "READ", { command: "show", number: 7, hash: "mine", login: "boss" });
  await Promise.all(Array.from({ length: 20 }, record));
  expect(await found()).toEqual([]);
  const [first] = await log.entries(0, 1);
  expect(JSON.parse(first?.details ?? "")).toMatchObject({
    verified: false,
    login: expect.not.stringMatching("boss"),
  });
  for (const statement of [
    "update operator_act set details = '{}'",
    "delete from operator_act",
    "truncate operator_act",
  ])
    await expect(sql.unsafe(statement)).rejects.toMatchObject({ code: "SR002" });
});

test("a retention below the floor is refused at the start, with the cure", async () => {
  await expect(requireRetention(sql, 400)).resolves.toBeUndefined();
  await expect(requireRetention(sql, 30.5)).rejects.toThrow(
    "SIGNATURE_RETENTION_DAYS is 30.5, and the database keeps closed signatures for 400 days at least: raise it, or lower " +
      "the floor with the rights of the tables' owner: npm run migrate -- policy --retention-floor 30",
  );
});

test("what is changed, put in or taken out shows, at the end of the log by its seal", async () => {
  for (let round = 0; round < 2; round += 1) await sealing.once(new AbortController().signal);
  expect(await sql`select length from seal where signature_id = ${actLogId}`).toEqual([{ length: 20 }]);
  expect(await evidence.orphanedSeals(400, 10)).toEqual([]);
  const kept = await sql`select * from operator_act where number > 18 order by number`;
  expect(await found((tx) => tx`delete from operator_act where number > 18`)).toEqual([
    "DOES NOT FIT: entry 20 was sealed and is missing",
  ]);
  await log.record(randomUUID(), "READ", { command: "show" });
  await log.record(randomUUID(), "READ", { command: "show" });
  expect(await found()).toEqual(["DOES NOT FIT: entry 20 is not the one that was sealed"]);
  const restored = await found(async (tx) => {
    await tx`delete from operator_act where number > 18`;
    await tx`insert into operator_act ${tx(kept as unknown as Record<string, unknown>[])}`;
  });
  expect(restored).toEqual([]);
  expect(
    await found((tx) => tx`update operator_act set details = '{"login":"boss"}' where number = 5`),
  ).toEqual([
    "DOES NOT FIT: entry 5 was changed: its hash is not that of its content and of the entry before it",
  ]);
});
