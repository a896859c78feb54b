import { setTimeout as pause } from "node:timers/promises";
import type { Sql } from "postgres";

// "sigmig" in ASCII and one more: held by a session, for no transaction may be open while an index is built.
const lockKey = "126879297169768";
const retryMs = 200;

const newIndex =
  /^(?:\s|--[^\n]*\n)*create\s+(?:unique\s+)?index\s+concurrently\s+(?:if\s+not\s+exists\s+)?"?(\w+)"?/i;
/** An index that is made or dropped while others write. */
export const holdsNobodyUp =
  /^(?:\s|--[^\n]*\n)*(?:create\s+(?:unique\s+)?|drop\s+|re)index\s+concurrently\b/i;

/**
 * Holds the lock of migrations that run outside of transactions. Who waits asks again and again: the build of an index
 * waits for every statement that began before it, one that waits for this lock included.
 */
export async function underSessionLock(sql: Sql, work: () => Promise<void>): Promise<void> {
  for (;;) {
    const [row] = await sql<{ locked: boolean }[]>`select pg_try_advisory_lock(${lockKey}::bigint) as locked`;
    if (row?.locked === true) break;
    await pause(retryMs);
  }
  try {
    await work();
  } finally {
    await sql`select pg_advisory_unlock(${lockKey}::bigint)`.catch(() => undefined);
  }
}

/**
 * Runs a statement that is committed by itself: an index concurrently, which never stands in a transaction, or
 * another in one that waits for its table no longer than this.
 */
export async function runAlone(sql: Sql, statement: string, lockTimeout: string): Promise<void> {
  if (!holdsNobodyUp.test(statement)) {
    await sql.begin(async (tx) => {
      await tx`select set_config('lock_timeout', ${lockTimeout}, true)`;
      await tx.unsafe(statement);
    });
    return;
  }
  const name = newIndex.exec(statement)?.[1];
  if (name !== undefined) {
    const [found] = await sql<{ whole: boolean }[]>`
      select indisvalid as whole from pg_index where indexrelid = to_regclass(quote_ident(${name}))`;
    if (found?.whole === true) return;
    // What a build leaves that was cut off: it is kept up to date, and never read.
    if (found !== undefined) await sql.unsafe(`drop index concurrently "${name}"`);
  }
  await sql.unsafe(statement);
}
