import { randomBytes } from "node:crypto";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { openPool } from "../../src/postgres/open.ts";
import { serviceSettings } from "../../src/postgres/session.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";

const open = (url: string) => openPool({ url, variable: "DATABASE_URL", connections: 2, allGrants: true });

describe("a session's settings", () => {
  let real: TestDatabase;
  let name: string;

  beforeAll(async () => {
    real = await createDatabase();
    name = new URL(real.url).pathname.slice(1);
  });

  afterAll(() => real[Symbol.asyncDispose]());

  async function set(setting: string, value: string | undefined): Promise<void> {
    const change = value === undefined ? `reset ${setting}` : `set ${setting} = ${value}`;
    await real.sql.unsafe(`alter database ${name} ${change}`);
  }

  /** Of each setting that is sent, a value that a database may have instead. */
  const others: Readonly<Record<string, string>> = {
    bytea_output: "'escape'",
    datestyle: "'German, DMY'",
    intervalstyle: "'sql_standard'",
    timezone: "'Asia/Kathmandu'",
    client_encoding: "'LATIN1'",
    extra_float_digits: "'-15'",
    standard_conforming_strings: "off",
    array_nulls: "off",
    transform_null_equals: "on",
    search_path: "'bank', 'pg_catalog'",
    default_transaction_isolation: "'serializable'",
    default_transaction_deferrable: "on",
    synchronous_commit: "off",
    check_function_bodies: "off",
    statement_timeout: "'3s'",
    lock_timeout: "'3s'",
    idle_in_transaction_session_timeout: "'3s'",
    idle_session_timeout: "'1h'",
    transaction_timeout: "'1h'",
    plan_cache_mode: "'force_custom_plan'",
    enable_seqscan: "on",
    enable_hashjoin: "on",
    enable_mergejoin: "on",
    enable_nestloop: "off",
    enable_indexscan: "off",
    jit: "on",
  };

  it("are all tried", () => {
    expect(Object.keys(others)).toEqual(Object.keys(serviceSettings));
  });

  it("do not come from the database", async () => {
    for (const [setting, value] of Object.entries(others)) await set(setting, value);
    try {
      const database = await open(real.url);
      const rows = await database.sql<{ name: string; value: string }[]>`
        select name, current_setting(name) as value from unnest(${Object.keys(others)}::text[]) as s (name)`;
      expect(Object.fromEntries(rows.map(({ name: one, value }) => [one, value]))).toEqual(serviceSettings);
      await database.close();
    } finally {
      for (const setting of Object.keys(others)) await set(setting, undefined);
    }
  });

  it("keep a safer commit than they ask for", async () => {
    await set("synchronous_commit", "remote_apply");
    const database = await open(real.url);
    expect(await database.sql`show synchronous_commit`).toEqual([{ synchronous_commit: "remote_apply" }]);
    await database.close();
    await set("synchronous_commit", undefined);
  });

  it.each([
    ["session_replication_role", "replica", /session_replication_role is replica, .*: alter role \w+ reset/],
    [
      "default_transaction_read_only",
      "on",
      /it is read-only .*alter database \w+ reset default_transaction_read_only/,
    ],
  ])("refuse a database that they cannot be sent to: %s = %s", async (setting, value, message) => {
    await set(setting, value);
    await expect(open(real.url)).rejects.toThrow(message);
    await set(setting, undefined);
  });
});

describe("a database that cannot be used", () => {
  it("is refused by its encoding, and by a missing schema, all at once", async () => {
    const name = `test_${randomBytes(8).toString("hex")}`;
    const admin = postgres(inject("database").url, { max: 1, onnotice: () => {} });
    await admin.unsafe(
      `create database ${name} template template0 encoding 'LATIN1' locale_provider libc lc_collate 'C' lc_ctype 'C'`,
    );
    const url = new URL(inject("database").url);
    url.pathname = `/${name}`;
    const sql = postgres(url.href, { max: 1, onnotice: () => {} });
    await sql`drop schema public`;
    await sql.end();
    await expect(open(url.href)).rejects.toThrow(
      /cannot be used:\n {2}- its encoding is LATIN1, .*create database .*\n {2}- it has no schema public.*: create schema public$/,
    );
    await admin.unsafe(`drop database ${name}`);
    await admin.end();
  });
});
