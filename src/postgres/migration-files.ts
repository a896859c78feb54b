import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** One migration of drizzle-kit's folder: `<tag>.sql`, `<tag>.down.sql`, and its line in meta/_journal.json. */
export type Migration = {
  tag: string;
  /** The journal's time in ms, by which drizzle's table knows the migration. */
  when: number;
  /** SHA-256 of the text in hex, as drizzle records it; that of an earlier text which did the same, where one is named. */
  hash: string;
  /** Code from before an expanding migration runs with it; see migrate.ts. */
  expands: boolean;
  /** Each statement is committed by itself; see migrate.ts. */
  concurrent: boolean;
  statements: readonly string[];
  downConcurrent: boolean;
  /** Absent where the way back is missing. */
  downStatements: readonly string[] | undefined;
};

/** A migration that fails, is refused, or whose files are not as they must be. Names no values. */
export class MigrationError extends Error {
  override name = "MigrationError";
}

const split = (text: string): string[] => text.split("--> statement-breakpoint");

const concurrently = /^--[^\n]*\bconcurrently\b/;
// On the second line: databases and releases know the migration by it.
const earlier = /^--[^\n]*\n-- recorded as ([0-9a-f]{64})\b/;

function readMigration(folder: string, tag: string, when: number): Migration {
  const path = join(folder, `${tag}.sql`);
  if (!existsSync(path))
    throw new MigrationError(`migration ${tag} stands in the journal but ${path} is missing`);
  const text = readFileSync(path, "utf8");
  const downPath = join(folder, `${tag}.down.sql`);
  const down = existsSync(downPath) ? readFileSync(downPath, "utf8") : undefined;
  return {
    tag,
    when,
    hash: earlier.exec(text)?.[1] ?? createHash("sha256").update(text).digest("hex"),
    expands: /^--[ \t]*expand\b/.test(text),
    concurrent: concurrently.test(text),
    statements: split(text),
    downConcurrent: concurrently.test(down ?? ""),
    downStatements: down === undefined ? undefined : split(down),
  };
}

/** The migrations in the order of the journal; none when there is no journal. */
export function readMigrations(folder: string): Migration[] {
  const journal = join(folder, "meta", "_journal.json");
  if (!existsSync(journal)) return [];
  const { entries } = JSON.parse(readFileSync(journal, "utf8")) as {
    entries: { tag: string; when: number }[];
  };
  const migrations = entries.map(({ tag, when }) => readMigration(folder, tag, when));
  for (const [index, migration] of migrations.entries()) {
    const earlier = migrations[index - 1];
    // drizzle-kit takes what is not later than the last applied one for applied.
    if (earlier && earlier.when >= migration.when) {
      throw new MigrationError(`migration ${migration.tag} is not later than ${earlier.tag} in the journal`);
    }
  }
  return migrations;
}
