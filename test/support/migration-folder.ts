import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** SQL forward and back; no way back where `down` is missing. */
export type MadeUpMigration = { tag: string; up: string; down?: string };

/** Writes a folder as drizzle-kit lays it out; removed after the test. */
export function migrationFolder(...migrations: MadeUpMigration[]): string {
  const folder = mkdtempSync(join(tmpdir(), "migrations-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, "meta"));
  const entries = migrations.map(({ tag }, idx) => ({
    idx,
    version: "7",
    // By its number: the same migration has the same time in every folder.
    when: 1_767_225_600_000 + Number(tag.slice(0, 4)) * 86_400_000,
    tag,
    breakpoints: true,
  }));
  const journal = { version: "7", dialect: "postgresql", entries };
  writeFileSync(join(folder, "meta/_journal.json"), JSON.stringify(journal));
  for (const { tag, up, down } of migrations) {
    writeFileSync(join(folder, `${tag}.sql`), up);
    if (down !== undefined) writeFileSync(join(folder, `${tag}.down.sql`), down);
  }
  return folder;
}

export const createAccount: MadeUpMigration = {
  tag: "0000_account",
  up: "-- expand\ncreate table account (id int primary key);\n--> statement-breakpoint\ncreate index account_id on account (id);",
  down: "drop table account;",
};
export const addOwner: MadeUpMigration = {
  tag: "0001_owner",
  up: "-- expand\nalter table account add column owner text;",
  down: "alter table account drop column owner;",
};
export const dropOwner: MadeUpMigration = {
  tag: "0002_no_owner",
  up: "-- contract\nalter table account drop column owner;",
  down: "alter table account add column owner text;",
};
