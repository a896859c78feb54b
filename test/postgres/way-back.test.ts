import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { migrate, migrateDown } from "../../src/postgres/migrate.ts";
import { createDatabase } from "../support/database.ts";

const folder = new URL("../../drizzle", import.meta.url).pathname;

test("each migration's way back ends where the migration began", async () => {
  const { sql, ...database } = await createDatabase({ empty: true });
  onTestFinished(() => database[Symbol.asyncDispose]());
  const journal = JSON.parse(readFileSync(join(folder, "meta/_journal.json"), "utf8"));
  const shorter = mkdtempSync(join(tmpdir(), "migrations-"));
  onTestFinished(() => rmSync(shorter, { recursive: true }));
  cpSync(folder, shorter, { recursive: true });
  const schema = () => sql`
    select format('%s.%s %s %s', attrelid::regclass, attname, format_type(atttypid, atttypmod), attnotnull) as what,
      attstattarget::text as how
    from pg_attribute join pg_class c on c.oid = attrelid and relkind = 'r'
    where relnamespace = 'public'::regnamespace and attnum > 0 and not attisdropped
    union all select format('%s %s %s', conrelid::regclass, contypid::regtype, conname),
      replace(pg_get_constraintdef(oid), ' NOT VALID', '') -- which rows were there is not the schema's
    from pg_constraint where connamespace = 'public'::regnamespace
    union all select indexname, indexdef from pg_indexes where schemaname = 'public'
    union all select tgname, pg_get_triggerdef(oid) from pg_trigger where not tgisinternal
    union all select oid::regprocedure::text, pg_get_functiondef(oid) from pg_proc
    where pronamespace = 'public'::regnamespace
    union all select typname, format_type(typbasetype, null) from pg_type
    where typnamespace = 'public'::regnamespace and typtype = 'd'
    order by 1, 2`;
  const before: unknown[] = [];
  for (const [n] of journal.entries.entries()) {
    before.push(await schema());
    const entries = journal.entries.slice(0, n + 1);
    writeFileSync(join(shorter, "meta/_journal.json"), JSON.stringify({ ...journal, entries }));
    expect((await migrate(sql, { folder: shorter })).applied).toHaveLength(1);
  }
  for (const was of before.toReversed()) {
    await migrateDown(sql, { folder });
    expect(await schema()).toEqual(was);
  }
});
