import { expect, it, onTestFinished } from "vitest";
import { createDatabase } from "../support/database.ts";

it("takes small samples of every column of the tables that grow with each signature", async () => {
  const { sql, ...database } = await createDatabase();
  onTestFinished(() => database[Symbol.asyncDispose]());
  const columns = await sql<{ name: string; target: number | null }[]>`
    select a.attrelid::regclass || '.' || a.attname as name, a.attstattarget as target
    from pg_attribute a
    join pg_class c on c.oid = a.attrelid and c.relkind = 'r'
    where a.attnum > 0 and not a.attisdropped and c.relname <> 'legal_hold' and (
      c.relname in ('signature', 'customer_guard', 'phone_guard', 'lockout')
      or c.oid in (select attrelid from pg_attribute where attname in ('signature_id', 'challenge_id')))`;
  expect(columns.length).toBeGreaterThan(50);
  expect(columns.filter(({ target }) => target !== 10)).toEqual([]);
});
