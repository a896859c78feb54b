import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { drizzle } from "drizzle-orm/postgres-js";
import { migrate as drizzleMigrate } from "drizzle-orm/postgres-js/migrator";
import postgres from "postgres";
import { describe, expect, it, onTestFinished } from "vitest";
import { migrate, migrateDown, migrationStatus, requireMigrated } from "../../src/postgres/migrate.ts";
import { createDatabase } from "../support/database.ts";
import { addOwner, createAccount, dropOwner, migrationFolder } from "../support/migration-folder.ts";

async function emptyDatabase() {
  const database = await createDatabase({ empty: true });
  onTestFinished(() => database[Symbol.asyncDispose]());
  return database;
}

const columnsOf = async (sql: postgres.Sql) =>
  (await sql`select column_name from information_schema.columns where table_name = 'account' order by 1`).map(
    (row) => row["column_name"],
  );

describe("migrate", () => {
  it("applies what is pending in order, and nothing the second time", async () => {
    const { sql } = await emptyDatabase();
    expect(await migrate(sql, { folder: migrationFolder(createAccount) })).toEqual({
      applied: ["0000_account"],
      ahead: [],
    });
    const folder = migrationFolder(createAccount, addOwner, dropOwner);
    expect((await migrate(sql, { folder })).applied).toEqual(["0001_owner", "0002_no_owner"]);
    expect((await migrate(sql, { folder })).applied).toEqual([]);
    expect(await columnsOf(sql)).toEqual(["id"]);
  });

  it("has nothing to do without a journal", async () => {
    const { sql } = await emptyDatabase();
    const folder = mkdtempSync(join(tmpdir(), "migrations-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    expect(await migrate(sql, { folder })).toEqual({ applied: [], ahead: [] });
  });

  it("agrees with drizzle's own migrator, whoever goes first", async () => {
    const { sql } = await emptyDatabase();
    const db = drizzle(sql);
    await drizzleMigrate(db, { migrationsFolder: migrationFolder(createAccount) });
    const both = migrationFolder(createAccount, addOwner);
    expect((await migrate(sql, { folder: both })).applied).toEqual(["0001_owner"]);
    const all = migrationFolder(createAccount, addOwner, dropOwner);
    await drizzleMigrate(db, { migrationsFolder: all });
    expect((await migrationStatus(sql, { folder: all })).pending).toEqual([]);
    expect((await migrateDown(sql, { folder: all, steps: 3 })).reverted).toHaveLength(3);
  });

  it("applies each migration once when 20 starts do it together", async () => {
    const { url, sql } = await emptyDatabase();
    const folder = migrationFolder(createAccount, addOwner, dropOwner);
    const clients = Array.from({ length: 20 }, () => postgres(url, { max: 1, onnotice: () => {} }));
    onTestFinished(async () => void (await Promise.all(clients.map((client) => client.end()))));
    const results = await Promise.all(clients.map((client) => migrate(client, { folder })));
    expect(results.flatMap(({ applied }) => applied).sort()).toEqual([
      "0000_account",
      "0001_owner",
      "0002_no_owner",
    ]);
    expect(await sql`select tag from drizzle.__drizzle_migrations order by id`).toEqual([
      { tag: "0000_account" },
      { tag: "0001_owner" },
      { tag: "0002_no_owner" },
    ]);
  });

  it("leaves nothing of a migration that fails, and keeps those before it", async () => {
    const { sql } = await emptyDatabase();
    const broken = {
      tag: "0001_broken",
      up: "create table half (id int);\n--> statement-breakpoint\nselect from nowhere;",
    };
    await expect(migrate(sql, { folder: migrationFolder(createAccount, broken) })).rejects.toThrow(
      'migration 0001_broken failed at statement 2 (relation "nowhere" does not exist, 42P01)',
    );
    expect((await migrate(sql, { folder: migrationFolder(createAccount, addOwner) })).applied).toEqual([
      "0001_owner",
    ]);
    expect(await sql`select to_regclass('half') as half`).toEqual([{ half: null }]);
  });

  it.each([
    ["a data exception", "select 'customer-4711'::int;"],
    [
      "a violated constraint",
      "create table t (v text unique); insert into t values ('customer-4711'), ('customer-4711');",
    ],
  ])("quotes no value when a migration fails by %s", async (_, up) => {
    const { sql } = await emptyDatabase();
    const error: unknown = await migrate(sql, { folder: migrationFolder({ tag: "0000_data", up }) }).catch(
      (e) => e,
    );
    expect(error).toMatchObject({
      name: "MigrationError",
      message: expect.stringMatching(/0000_data.*(22P02|23505)/),
    });
    expect(
      `${Object.values(error as object)} ${(error as Error).stack} ${(error as Error).cause}`,
    ).not.toContain("4711");
  });

  it("refuses when an applied migration's file has changed", async () => {
    const { sql } = await emptyDatabase();
    const folder = migrationFolder(createAccount, addOwner);
    await migrate(sql, { folder });
    appendFileSync(join(folder, "0000_account.sql"), "\n-- harmless");
    const refusal = "migration 0000_account was changed after it was applied";
    await expect(migrate(sql, { folder })).rejects.toThrow(refusal);
    await expect(migrateDown(sql, { folder })).rejects.toThrow(refusal);
    await expect(requireMigrated(sql, { folder })).rejects.toThrow(refusal);
  });

  it("lets older code run on a database that newer code has only expanded, and says so", async () => {
    const { sql } = await emptyDatabase();
    await migrate(sql, { folder: migrationFolder(createAccount, addOwner) });
    const older = { folder: migrationFolder(createAccount) };
    expect(await migrate(sql, older)).toEqual({ applied: [], ahead: ["0001_owner"] });
    expect(await requireMigrated(sql, older)).toEqual({ ahead: ["0001_owner"] });
  });

  it("refuses a database that newer code has contracted, and names the migration", async () => {
    const { sql } = await emptyDatabase();
    await migrate(sql, { folder: migrationFolder(createAccount, addOwner, dropOwner) });
    const older = { folder: migrationFolder(createAccount) };
    const refusal = "the database is ahead of this code by 0002_no_owner,";
    await expect(migrate(sql, older)).rejects.toThrow(refusal);
    await expect(requireMigrated(sql, older)).rejects.toThrow(refusal);
    await expect(migrateDown(sql, older)).rejects.toThrow("only a release that has migration 0001_owner");
  });

  it("takes a migration without a mark for one that contracts", async () => {
    const { sql } = await emptyDatabase();
    await migrate(sql, { folder: migrationFolder(createAccount, { tag: "0001_plain", up: "select 1;" }) });
    await expect(migrate(sql, { folder: migrationFolder(createAccount) })).rejects.toThrow(
      "ahead of this code by 0001_plain",
    );
  });

  it("refuses a migration that was slipped in before an applied one", async () => {
    const { sql } = await emptyDatabase();
    await migrate(sql, { folder: migrationFolder(createAccount, { ...dropOwner, up: "select 1;" }) });
    await expect(
      migrate(sql, { folder: migrationFolder(createAccount, addOwner, { ...dropOwner, up: "select 1;" }) }),
    ).rejects.toThrow("migration 0001_owner is not applied, but the later migration 0002_no_owner is");
  });
});

describe("requireMigrated", () => {
  it("names what is pending and changes nothing", async () => {
    const { sql } = await emptyDatabase();
    const folder = migrationFolder(createAccount, addOwner);
    await expect(requireMigrated(sql, { folder })).rejects.toThrow("0000_account, 0001_owner pending");
    expect(await sql`select to_regclass('drizzle.__drizzle_migrations') as made`).toEqual([{ made: null }]);
    await migrate(sql, { folder });
    expect(await requireMigrated(sql, { folder })).toEqual({ ahead: [] });
  });
});

describe("migrateDown", () => {
  it("takes back the newest migrations, which can then be applied again", async () => {
    const { sql } = await emptyDatabase();
    const folder = migrationFolder(createAccount, addOwner, dropOwner);
    await migrate(sql, { folder });
    expect(await migrateDown(sql, { folder })).toEqual({ reverted: ["0002_no_owner"] });
    expect(await columnsOf(sql)).toEqual(["id", "owner"]);
    expect(await migrateDown(sql, { folder, to: "0000_account" })).toEqual({ reverted: ["0001_owner"] });
    expect(await columnsOf(sql)).toEqual(["id"]);
    expect(await migrateDown(sql, { folder, steps: 9 })).toEqual({ reverted: ["0000_account"] });
    expect(await columnsOf(sql)).toEqual([]);
    expect((await migrate(sql, { folder })).applied).toHaveLength(3);
  });

  it("refuses before anything happens when a way back is missing or the target is not applied", async () => {
    const { sql } = await emptyDatabase();
    const folder = migrationFolder(createAccount, { tag: "0001_one_way", up: "select 1;" }, dropOwnerNothing);
    await migrate(sql, { folder });
    await expect(migrateDown(sql, { folder, steps: 2 })).rejects.toThrow(
      "0001_one_way has no 0001_one_way.down.sql",
    );
    await expect(migrateDown(sql, { folder, to: "0009_other" })).rejects.toThrow(
      "migration 0009_other is not applied",
    );
    expect((await migrationStatus(sql, { folder })).applied).toHaveLength(3);
  });

  it("keeps the migration when its way back fails", async () => {
    const { sql } = await emptyDatabase();
    const folder = migrationFolder({ ...createAccount, down: "drop table account; drop table nowhere;" });
    await migrate(sql, { folder });
    await expect(migrateDown(sql, { folder })).rejects.toThrow(
      "the way back from migration 0000_account failed",
    );
    expect(await columnsOf(sql)).toEqual(["id"]);
    expect((await migrationStatus(sql, { folder })).pending).toEqual([]);
  });
});

const dropOwnerNothing = { ...dropOwner, up: "select 1;", down: "select 1;" };
