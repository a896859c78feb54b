/**
 * Migrations forward and back, on drizzle-kit's folder and in drizzle's own table, so that its tools agree about
 * what is applied; what drizzle lacks is here: a lock, the way back, and the comparison of what was applied with
 * what the files say now.
 *
 * The first line of a migration says `-- expand` when code from before it runs with it (a new table, a new
 * column with a default), or `-- contract`, which is also assumed without such a line. A database with
 * migrations that this code does not know is accepted only if all of them expand: then an older
 * release may start, as in a rolling deploy or after a roll-back.
 *
 * A migration is one transaction, unless its first line says `concurrently` (`-- expand, concurrently`; `-- concurrently`
 * in the way back): then each statement is committed by itself, as `create index concurrently` needs it, which lets
 * traffic go on. One that was cut off is run again from its beginning: each statement must stand that
 * (`add column if not exists`); an index that is there is left, one that was left half built is made anew.
 */
import postgres, { type Sql, type TransactionSql } from "postgres";
import { runAlone, underSessionLock } from "./concurrent-migration.ts";
import { type Migration, MigrationError, readMigrations } from "./migration-files.ts";
import type { Pooling } from "./pooling.ts";

/** What drizzle's table holds, and null for what is ours in rows that drizzle-kit wrote. */
type AppliedRow = {
  tag: string | null;
  hash: string;
  when: number;
  expands: boolean | null;
  appliedAt: Date | null;
};

export type MigrationStatus = {
  applied: { tag: string; appliedAt: Date | null }[];
  pending: string[];
  /** Applied by newer code; unknown here. */
  ahead: string[];
};

// Any number will do that nothing else in the database locks: "sigmig" in ASCII.
const lockKey = "126879297169767";
const ddlLockTimeout = "10s"; // a migration that waits for a table lock stops all traffic behind it

async function readApplied(sql: Sql | TransactionSql): Promise<AppliedRow[]> {
  const [table] = await sql`select to_regclass('drizzle.__drizzle_migrations') is not null as exists`;
  if (!table?.["exists"]) return [];
  const rows = await sql<{ row: Record<string, unknown> }[]>`
    select to_jsonb(m) as row from drizzle.__drizzle_migrations m order by created_at`;
  return rows.map(({ row }) => ({
    tag: typeof row["tag"] === "string" ? row["tag"] : null,
    hash: String(row["hash"]),
    when: Number(row["created_at"]),
    expands: typeof row["expands"] === "boolean" ? row["expands"] : null,
    appliedAt: typeof row["applied_at"] === "string" ? new Date(row["applied_at"]) : null,
  }));
}

const nameOf = (row: AppliedRow): string => row.tag ?? `of ${new Date(row.when).toISOString()}`;

/** Compares database and files; throws MigrationError when they contradict each other. */
function compare(migrations: readonly Migration[], rows: readonly AppliedRow[]) {
  const byWhen = new Map(rows.map((row) => [row.when, row]));
  const known = new Set(migrations.map((migration) => migration.when));
  const unknown = rows.filter((row) => !known.has(row.when));
  const applied = migrations.filter((migration) => byWhen.has(migration.when));
  const pending = migrations.filter((migration) => !byWhen.has(migration.when));
  for (const { tag, when, hash } of applied) {
    if (byWhen.get(when)?.hash !== hash) {
      throw new MigrationError(
        `migration ${tag} was changed after it was applied; restore its file and add a new one`,
      );
    }
  }
  const last = rows.at(-1);
  const late = pending.find((migration) => last && migration.when < last.when);
  if (last && late) {
    throw new MigrationError(
      `migration ${late.tag} is not applied, but the later migration ${nameOf(last)} is`,
    );
  }
  return { applied, pending, unknown, byWhen };
}

function requireCompatible(unknown: readonly AppliedRow[]): void {
  const contracting = unknown.filter((row) => row.expands !== true);
  if (contracting.length === 0) return;
  throw new MigrationError(
    `the database is ahead of this code by ${contracting.map(nameOf).join(", ")}, not marked as expanding; ` +
      "run the release that has it, or take it back with that release's migrate down",
  );
}

type Statements = Pick<Migration, "statements"> & { what: string; remains: string };

async function run(
  { statements, what, remains }: Statements,
  execute: (statement: string) => Promise<unknown>,
): Promise<void> {
  for (const [index, statement] of statements.entries()) {
    try {
      await execute(statement);
    } catch (error) {
      // The way to the server, or a right that is missing: no fault of the migration.
      if (!(error instanceof postgres.PostgresError) || /^(08|25006|42501|57P)/.test(error.code)) throw error;
      // PostgreSQL's detail, and the message of a data exception (class 22), quote values: neither is passed on.
      const text = error.code.startsWith("22") ? "" : `${error.message}, `;
      throw new MigrationError(
        `${what} failed at statement ${index + 1} (${text}${error.code}); ${remains}${cures[error.code] ?? ""}`,
      );
    }
  }
}

const cures: Readonly<Record<string, string>> = {
  "55P03": "; run it again once what holds the table is done (pg_locks)",
  "53100": "; free or add disk, and run it again",
};

const inOne = (what: string, statements: readonly string[]): Statements => ({
  ...{ what, statements },
  remains: "nothing of it remains",
});

const oneByOne = (what: string, statements: readonly string[]): Statements => ({
  ...{ what, statements },
  remains: "what came before it stays, and the next run goes on",
});

/**
 * One transaction that holds the lock, so that of any number of processes one migrates at a time, and a lost
 * connection or a pooler cannot leave the lock behind.
 */
async function underLock<T>(sql: Sql, step: (tx: TransactionSql) => Promise<T>): Promise<T> {
  const result = await sql.begin(async (tx) => {
    await tx`select pg_advisory_xact_lock(${lockKey}::bigint)`;
    await tx`select set_config('lock_timeout', ${ddlLockTimeout}, true)`;
    return { value: await step(tx) };
  });
  return result.value as T;
}

async function createTable(tx: TransactionSql): Promise<void> {
  await tx.unsafe(`
    create schema if not exists drizzle;
    create table if not exists drizzle.__drizzle_migrations (
      id serial primary key, hash text not null, created_at bigint
    );
    alter table drizzle.__drizzle_migrations
      add column if not exists tag text,
      add column if not exists expands boolean,
      add column if not exists applied_at timestamptz default now()`);
}

/**
 * Applies what is pending, each migration in a transaction of its own; safe to be called by many processes at once.
 * `applied` is what this call did, `ahead` what newer code has applied. Throws MigrationError when a file differs from
 * what was applied, when the database is ahead by more than expanding migrations, or when a statement fails.
 */
export async function migrate(
  sql: Sql,
  { folder, pooling }: { folder: string; pooling?: Pooling },
): Promise<{ applied: string[]; ahead: string[] }> {
  const migrations = readMigrations(folder);
  const applied: string[] = [];
  for (;;) {
    const step = await underLock(sql, async (tx) => {
      const { pending, unknown } = compare(migrations, await readApplied(tx));
      requireCompatible(unknown);
      const [next] = pending;
      if (!next) return { done: true, ahead: unknown.map(nameOf) };
      requireSession(pooling);
      if (next.concurrent) return { done: false, apart: next };
      await run(inOne(`migration ${next.tag}`, next.statements), (statement) => tx.unsafe(statement));
      await record(tx, next);
      applied.push(next.tag);
      return { done: false };
    });
    if (step.done) return { applied, ahead: step.ahead ?? [] };
    if (step.apart && (await migrateApart(sql, step.apart))) applied.push(step.apart.tag);
  }
}

/** Whether it was this call that applied it. */
async function migrateApart(sql: Sql, migration: Migration): Promise<boolean> {
  let applied = false;
  await underSessionLock(sql, async () => {
    if ((await readApplied(sql)).some(({ when }) => when === migration.when)) return;
    await run(oneByOne(`migration ${migration.tag}`, migration.statements), (statement) =>
      runAlone(sql, statement, ddlLockTimeout),
    );
    await underLock(sql, (tx) => record(tx, migration));
    applied = true;
  });
  return applied;
}

async function record(tx: TransactionSql, { hash, when, tag, expands }: Migration): Promise<void> {
  await createTable(tx);
  await tx`insert into drizzle.__drizzle_migrations (hash, created_at, tag, expands)
    values (${hash}, ${when}, ${tag}, ${expands})`;
}

function requireSession(pooling: Pooling | undefined): void {
  if (pooling !== "transaction") return;
  throw new MigrationError(
    "migrations are pending, and the pooler before the database gives each transaction another session: set " +
      "DATABASE_MIGRATION_URL to the server itself, or to a pool with pool_mode = session",
  );
}

/**
 * Takes migrations back, newest first: `steps` of them (1 when nothing is said), or all after the one tagged
 * `to`. Throws MigrationError before anything happens when one has no way back or the database is ahead.
 */
export async function migrateDown(
  sql: Sql,
  { folder, steps, to, pooling }: { folder: string; steps?: number; to?: string; pooling?: Pooling },
): Promise<{ reverted: string[] }> {
  requireSession(pooling);
  const migrations = readMigrations(folder);
  const { applied, unknown } = compare(migrations, await readApplied(sql));
  if (unknown.length > 0) {
    throw new MigrationError(
      `only a release that has migration ${unknown.map(nameOf).join(", ")} can take it back`,
    );
  }
  const keep =
    to === undefined ? applied.length - (steps ?? 1) : applied.findIndex(({ tag }) => tag === to) + 1;
  if (to !== undefined && keep === 0) throw new MigrationError(`migration ${to} is not applied`);
  const plan = applied.slice(Math.max(0, keep)).reverse();
  const oneWay = plan.find(({ downStatements }) => !downStatements);
  if (oneWay) throw new MigrationError(`migration ${oneWay.tag} has no ${oneWay.tag}.down.sql`);
  for (const migration of plan) {
    if (migration.downConcurrent) await underSessionLock(sql, () => takeBack(sql, migration));
    else await takeBack(sql, migration);
  }
  return { reverted: plan.map(({ tag }) => tag) };
}

async function takeBack(
  sql: Sql,
  { tag, when, downStatements = [], downConcurrent }: Migration,
): Promise<void> {
  const what = `the way back from migration ${tag}`;
  const requireLast = async (tx: Sql | TransactionSql) => {
    if ((await readApplied(tx)).at(-1)?.when === when) return;
    throw new MigrationError(`migration ${tag} is no longer the last one; another process migrates too`);
  };
  if (downConcurrent) {
    await requireLast(sql);
    await run(oneByOne(what, downStatements), (statement) => runAlone(sql, statement, ddlLockTimeout));
  }
  await underLock(sql, async (tx) => {
    await requireLast(tx);
    if (!downConcurrent) await run(inOne(what, downStatements), (statement) => tx.unsafe(statement));
    await tx`delete from drizzle.__drizzle_migrations where created_at = ${when}`;
  });
}

/** What is applied, pending and unknown. Changes nothing; throws MigrationError as `migrate` does for changed files. */
export async function migrationStatus(sql: Sql, { folder }: { folder: string }): Promise<MigrationStatus> {
  const { applied, pending, unknown, byWhen } = compare(readMigrations(folder), await readApplied(sql));
  return {
    applied: applied.map(({ tag, when }) => ({ tag, appliedAt: byWhen.get(when)?.appliedAt ?? null })),
    pending: pending.map(({ tag }) => tag),
    ahead: unknown.map(nameOf),
  };
}

/**
 * For starts that must not migrate: throws MigrationError, naming them, when migrations are pending, and else when
 * `migrate` would. Reads only, so a role that may read drizzle.__drizzle_migrations is enough.
 */
export async function requireMigrated(
  sql: Sql,
  { folder }: { folder: string },
): Promise<{ ahead: string[] }> {
  const { pending, unknown } = compare(readMigrations(folder), await readApplied(sql));
  if (pending.length > 0) {
    const tags = pending.map(({ tag }) => tag).join(", ");
    throw new MigrationError(`the database is behind this code: ${tags} pending; run npm run migrate -- up`);
  }
  requireCompatible(unknown);
  return { ahead: unknown.map(nameOf) };
}
