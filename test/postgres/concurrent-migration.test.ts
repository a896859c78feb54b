import { createHash } from "node:crypto";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres, { type Sql, type TransactionSql } from "postgres";
import { describe, expect, it, onTestFinished } from "vitest";
import { holdsNobodyUp } from "../../src/postgres/concurrent-migration.ts";
import { migrate, migrateDown, requireMigrated } from "../../src/postgres/migrate.ts";
import { readMigrations } from "../../src/postgres/migration-files.ts";
import { createDatabase } from "../support/database.ts";
import {
  addOwner,
  createAccount,
  type MadeUpMigration,
  migrationFolder,
} from "../support/migration-folder.ts";

const ownFolder = new URL("../../drizzle", import.meta.url).pathname;

async function newDatabase() {
  const database = await createDatabase({ empty: true });
  onTestFinished(() => database[Symbol.asyncDispose]());
  const connect = () => {
    const sql = postgres(database.url, { max: 1, onnotice: () => {}, connection: { lock_timeout: 2000 } });
    onTestFinished(() => sql.end({ timeout: 1 }));
    return sql;
  };
  const migrator = postgres(database.url, { max: 1, onnotice: () => {} });
  onTestFinished(() => migrator.end({ timeout: 1 }));
  return { ...database, connect, migrator };
}

const byOwner: MadeUpMigration = {
  tag: "0002_by_owner",
  up: "-- expand, concurrently\ncreate unique index concurrently account_by_owner on account (owner);\n--> statement-breakpoint\nalter table account add column if not exists note text;",
  down: "-- concurrently\ndrop index concurrently if exists account_by_owner;\n--> statement-breakpoint\nalter table account drop column if exists note;",
};

describe("a migration outside of transactions", () => {
  it("lets others write while it waits for those who began before it", async () => {
    const { sql, connect, migrator } = await newDatabase();
    await migrate(migrator, { folder: migrationFolder(createAccount, addOwner) });
    const [before, beside] = [connect(), connect()];
    await before`begin`;
    await before`insert into account values (1, 'before')`;
    const migrated = migrate(migrator, { folder: migrationFolder(createAccount, addOwner, byOwner) });
    const waiting = async () => {
      const [row] = await sql<{ n: number }[]>`
        select count(*)::int as n from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock' and query like '%index concurrently%'`;
      return row?.n;
    };
    await expect.poll(waiting, { interval: 10, timeout: 10_000 }).toBe(1);
    await beside`insert into account values (2, 'beside')`;
    await before`commit`;
    expect(await migrated).toEqual({ applied: ["0002_by_owner"], ahead: [] });
    expect(
      await sql`select indisvalid from pg_index where indexrelid = 'account_by_owner'::regclass`,
    ).toEqual([{ indisvalid: true }]);
  });

  it("goes on where it was cut off, and makes an index anew that was left half built", async () => {
    const { sql, migrator } = await newDatabase();
    const folder = migrationFolder(createAccount, addOwner, byOwner);
    await migrate(migrator, { folder: migrationFolder(createAccount, addOwner) });
    await sql`insert into account values (1, 'same'), (2, 'same')`;
    await expect(migrate(migrator, { folder })).rejects.toThrow(
      /0002_by_owner failed at statement 1 \(.*23505\); what came before it stays, and the next run goes on/,
    );
    const valid = () => sql`select indisvalid from pg_index where indexrelid = 'account_by_owner'::regclass`;
    expect(await valid()).toEqual([{ indisvalid: false }]);
    await sql`update account set owner = 'other' where id = 2`;
    expect((await migrate(migrator, { folder })).applied).toEqual(["0002_by_owner"]);
    expect(await valid()).toEqual([{ indisvalid: true }]);
    expect(await migrateDown(migrator, { folder })).toEqual({ reverted: ["0002_by_owner"] });
    expect(await sql`select to_regclass('account_by_owner') as index`).toEqual([{ index: null }]);
    expect((await migrate(migrator, { folder })).applied).toEqual(["0002_by_owner"]);
  });

  it("is applied once when 20 starts do it together, and none waits in another's way", async () => {
    const { url, sql } = await newDatabase();
    const folder = migrationFolder(createAccount, addOwner, byOwner);
    const clients = Array.from({ length: 20 }, () => postgres(url, { max: 1, onnotice: () => {} }));
    onTestFinished(async () => void (await Promise.all(clients.map((client) => client.end()))));
    const results = await Promise.all(clients.map((client) => migrate(client, { folder })));
    expect(results.flatMap(({ applied }) => applied).sort()).toEqual([
      "0000_account",
      "0001_owner",
      "0002_by_owner",
    ]);
    expect(await sql`select tag from drizzle.__drizzle_migrations order by id`).toHaveLength(3);
  });

  it("is known by the text that it had before, where it names its hash", async () => {
    const { migrator } = await newDatabase();
    const old = migrationFolder(createAccount, addOwner);
    await migrate(migrator, { folder: old });
    const hash = createHash("sha256").update(addOwner.up).digest("hex");
    const up = `-- expand, concurrently\n-- recorded as ${hash}: the same under one lock.\n${addOwner.up}`;
    const rewritten = migrationFolder(createAccount, { ...addOwner, up });
    expect(await requireMigrated(migrator, { folder: rewritten })).toEqual({ ahead: [] });
    await migrateDown(migrator, { folder: rewritten });
    await migrate(migrator, { folder: rewritten });
    expect(await requireMigrated(migrator, { folder: old })).toEqual({ ahead: [] });
  });
});

const journal: { entries: { tag: string }[] } = JSON.parse(
  readFileSync(join(ownFolder, "meta/_journal.json"), "utf8"),
);
const tags = journal.entries.map(({ tag }) => tag);

/** A database with the migrations before this one, and a folder with this one, too. */
async function upTo(tag: string) {
  const database = await newDatabase();
  const folder = mkdtempSync(join(tmpdir(), "migrations-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  cpSync(ownFolder, folder, { recursive: true });
  const cut = (count: number) =>
    writeFileSync(
      join(folder, "meta/_journal.json"),
      JSON.stringify({ ...journal, entries: journal.entries.slice(0, count) }),
    );
  cut(tags.indexOf(tag));
  await migrate(database.migrator, { folder });
  cut(tags.indexOf(tag) + 1);
  return { ...database, folder };
}

const fromNow = readMigrations(ownFolder).slice(tags.indexOf("0008_room"));
const tables = async (sql: Sql): Promise<string[]> =>
  (
    await sql<{ name: string }[]>`select relname as name from pg_stat_user_tables where schemaname = 'public'`
  ).map(({ name }) => name);

it.each([
  "0002_last_look_up",
  "0003_sealed_by_closure",
  ...fromNow.filter(({ concurrent }) => concurrent).map(({ tag }) => tag),
])("migration %s holds up nobody, whatever began before it", async (tag) => {
  const { sql, connect, migrator, folder } = await upTo(tag);
  const [before, beside] = [connect(), connect()];
  const all = await tables(sql);
  // A report, or a dump: it began before the migration, reads other tables, and takes its time.
  await before`begin isolation level repeatable read`;
  await before`select count(*) from caller_grants`;
  const migrated = migrate(migrator, { folder });
  const building = async () => {
    const [row] = await sql<{ n: number }[]>`
      select count(*)::int as n from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock' and query ilike '%index concurrently%'`;
    return row?.n;
  };
  await expect.poll(building, { interval: 10, timeout: 10_000 }).toBe(1);
  await beside.begin(async (tx) => {
    await tx.unsafe(`lock table ${all.join(", ")} in row exclusive mode`);
  });
  await before`commit`;
  expect((await migrated).applied).toEqual([tag]);
});

// Reading a table is what takes long under a lock: to build an index, check rows, or write them anew.
it.each(fromNow)(
  "no statement of migration $tag reads a table while it keeps others from it",
  async (own) => {
    const { sql, migrator } = await upTo(own.tag);
    const all = await tables(sql);
    const scans = (tx: Sql | TransactionSql) => tx<{ name: string; n: number }[]>`
    select relname as name, (coalesce(seq_scan, 0) + coalesce(idx_scan, 0))::int as n
    from pg_stat_xact_user_tables where schemaname = 'public'`;
    const read: string[] = [];
    for (const statement of own.statements) {
      // Rows that are written keep others from these rows alone.
      if (holdsNobodyUp.test(statement) || /^(--.*\s+)*update /.test(statement.trim())) {
        await migrator.unsafe(statement);
        continue;
      }
      await migrator.begin(async (tx) => {
        const earlier = new Map((await scans(tx)).map(({ name, n }) => [name, n]));
        await tx.unsafe(statement);
        for (const { name, n } of await scans(tx)) {
          if (n > (earlier.get(name) ?? 0) && all.includes(name)) read.push(`${name}: ${statement}`);
        }
      });
    }
    expect(read).toEqual([]);
  },
);

// Their first texts are those that databases out there were migrated with.
it.each([
  ["0002_last_look_up", "359974a0653c68edf6a63504b00e401112d442b9772ce7d262222921fba03449"],
  ["0003_sealed_by_closure", "8afc345854efb581853088f24d0ef693ba455e6771870a9e42c01d2721920fef"],
  ["0009_seal_by_day", "d9590a604f25f9f544f0281fa671c2e945a7968eb4b7784923901be41217d678"],
])("migration %s is recorded by its first text", (tag, hash) => {
  expect(readMigrations(ownFolder).find((migration) => migration.tag === tag)?.hash).toBe(hash);
});
