import { expect, test } from "vitest";
import { tryWrite } from "../../src/postgres/write-trial.ts";
import { useStores } from "../support/stores.ts";

const { sql, db } = await useStores();

test("a trial to write leaves nothing behind", async () => {
  await tryWrite(db);
  for (const table of [
    "signature",
    "challenge",
    "event",
    "idempotency_key",
    "customer_guard",
    "phone_guard",
  ]) {
    expect(await sql`select from ${sql(table)}`).toEqual([]);
  }
});

test("a trial fails while a table is locked, and the next one does not", async () => {
  await sql.begin(async (tx) => {
    await tx`lock table event in access exclusive mode`;
    await expect(tryWrite(db)).rejects.toMatchObject({ code: "55P03" });
  });
  await tryWrite(db);
});
