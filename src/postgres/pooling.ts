import { randomUUID } from "node:crypto";
import type { Sql } from "postgres";
import { connect } from "./connect.ts";
import { DatabaseFault } from "./fault.ts";

/**
 * What stands between this process and the server: nothing that hands sessions out, a pooler that gives a connection
 * one session for as long as it lasts, or one that gives each transaction another.
 */
export type Pooling = "none" | "session" | "transaction";

/** Longer than a pooler takes to log in at the server, shorter than it lets a client wait for a session. */
const sessionSeconds = 5;

/**
 * Finds out how sessions are handed out, by what any pooler shows: a direct connection has the process that its
 * greeting named, and two connections that have the same process share it.
 * @param where the database as messages name it
 * @throws DatabaseFault where it is a pooler that the service cannot work with; else the error of the driver
 */
export async function detectPooling(url: string, where: string): Promise<Pooling> {
  const open = () => connect(url, { connections: 1, connectSeconds: 10, settings: undefined });
  const one = open();
  const other = open();
  try {
    const { pid, greeted } = await sessionOf(one);
    if (pid === greeted) return "none";
    if (!(await areShared(one, other, pid, where))) return "session";
    await requireTransactions(one, where);
    await requireTrackedStatements(one, where);
    return "transaction";
  } finally {
    await Promise.all([one.end({ timeout: 1 }), other.end({ timeout: 1 })]);
  }
}

async function sessionOf(sql: Sql): Promise<{ pid: number; greeted: number }> {
  const rows = await sql.unsafe<{ pid: number }[]>("select pg_backend_pid() as pid");
  return { pid: rows[0]?.pid ?? 0, greeted: rows.state.pid };
}

/** Asked in turns that meet a pooler which takes its servers in a circle as well as one which takes the last first. */
async function areShared(one: Sql, other: Sql, first: number, where: string): Promise<boolean> {
  const seen = { one: first, other: 0 };
  for (const who of ["other", "other", "one", "other", "one", "one"] as const) {
    const pid = await inTime(sessionOf(who === "one" ? one : other));
    if (pid === undefined) throw new DatabaseFault(`${where}: ${tooSmall}`);
    if (seen[who] !== 0 && seen[who] !== pid) return true;
    seen[who] = pid;
    if (seen.one === seen.other) return true;
  }
  return false;
}

const tooSmall =
  "a pooler stands before it, and had no second session: its pool (default_pool_size, max_db_connections) must have " +
  "DATABASE_CONNECTIONS and 2 more for each replica";

async function inTime(asked: Promise<{ pid: number }>): Promise<number | undefined> {
  const late = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => late.resolve(undefined), sessionSeconds * 1000);
  try {
    return await Promise.race([asked.then(({ pid }) => pid), late.promise]);
  } finally {
    asked.catch(() => undefined);
    clearTimeout(timer);
  }
}

async function requireTransactions(sql: Sql, where: string): Promise<void> {
  try {
    await sql.begin((tx) => tx.unsafe("select 1"));
  } catch (error) {
    throw new DatabaseFault(
      `${where}: the pooler before it takes no transactions: set pool_mode = session in it, or transaction`,
      { cause: error },
    );
  }
}

/** A pooler that carries prepared statements from session to session gives them names of its own. */
async function requireTrackedStatements(sql: Sql, where: string): Promise<void> {
  const marked = `select name, '${randomUUID()}' as mark from pg_prepared_statements where statement = $1`;
  const find = () => sql.unsafe<{ name: string }[]>(marked, [marked], { prepare: true });
  const rows = await find().catch(() => undefined);
  const name = (rows as { statement?: { name?: string } } | undefined)?.statement?.name;
  if (rows?.[0] !== undefined && rows[0].name !== name) return;
  throw new DatabaseFault(
    `${where}: the pooler before it gives each transaction another session, and does not track prepared statements: ` +
      "set pool_mode = session in it, or take PgBouncer 1.21 or later with max_prepared_statements = 200",
  );
}
