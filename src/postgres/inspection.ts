import type { Sql } from "postgres";
import { DatabaseFault } from "./fault.ts";
import type { Pooling } from "./pooling.ts";
import { deviationQuery, type Settings } from "./session.ts";

/** Oldest release of PostgreSQL that tests run with. */
const oldestVersion = 15;

interface Inspected {
  readonly settings: Settings;
  readonly pooling: Pooling;
  /** The database as messages name it. */
  readonly where: string;
  /** How many to look at: a pooler may have some from before the role had its settings. */
  readonly sessions?: number;
}

interface Deviation {
  readonly name: string;
  readonly value: string;
  readonly found: string;
}

interface Standing {
  readonly version: string;
  readonly major: number;
  readonly encoding: string;
  readonly recovering: boolean;
  readonly read_only: string;
  readonly replication_role: string;
  readonly has_schema: boolean;
  readonly database: string;
  readonly role: string;
}

/**
 * Compares what statements rely on with what they meet: what the server is, and that the session's settings are in
 * force, which poolers may have dropped.
 * @throws DatabaseFault that names everything which does not fit, and the cures
 */
export async function inspect(
  sql: Sql,
  { settings, pooling, where, sessions = 1 }: Inspected,
): Promise<void> {
  const [standing] = await sql.unsafe<Standing[]>(`
    select current_setting('server_version') as version,
      current_setting('server_version_num')::int / 10000 as major,
      current_setting('server_encoding') as encoding, pg_is_in_recovery() as recovering,
      current_setting('transaction_read_only') as read_only,
      current_setting('session_replication_role') as replication_role,
      to_regnamespace('public') is not null as has_schema,
      quote_ident(current_database()) as database, quote_ident(current_user) as role`);
  if (standing === undefined) throw new DatabaseFault(`${where}: a pooler answers for it`);
  const deviations = await deviationsOf(sql, settings, sessions);
  const faults = [...serverFaults(standing), ...settingFaults(standing, deviations, pooling)];
  if (faults.length > 0) throw new DatabaseFault(`${where} cannot be used:\n  - ${faults.join("\n  - ")}`);
}

async function deviationsOf(sql: Sql, settings: Settings, sessions: number): Promise<Deviation[]> {
  if (Object.keys(settings).length === 0) return [];
  const query = deviationQuery(settings, sessions > 1 ? 0.05 : 0);
  const found = await Promise.all(Array.from({ length: sessions }, () => sql.unsafe<Deviation[]>(query)));
  return [...new Map(found.flat().map((one) => [one.name, one])).values()];
}

function serverFaults(standing: Standing): string[] {
  const { version, major, encoding, recovering, read_only, replication_role, has_schema, database, role } =
    standing;
  const faults: string[] = [];
  if (major < oldestVersion) faults.push(`it is PostgreSQL ${version}: take ${oldestVersion} or later`);
  if (encoding !== "UTF8") {
    faults.push(
      `its encoding is ${encoding}, which has no room for every text: create database … encoding 'UTF8' template template0`,
    );
  }
  if (recovering) {
    faults.push(
      "it is a stand-by, which cannot be written to: name the primary, or all servers in one address",
    );
  } else if (read_only === "on") {
    faults.push(
      `it is read-only (default_transaction_read_only): free its disk where that is why, then alter database ${database} reset default_transaction_read_only; alter role ${role} reset default_transaction_read_only`,
    );
  }
  if (replication_role !== "origin") {
    faults.push(
      `session_replication_role is ${replication_role}, which switches triggers off: alter role ${role} reset session_replication_role; alter database ${database} reset session_replication_role`,
    );
  }
  if (!has_schema) faults.push("it has no schema public, in which the tables are: create schema public");
  return faults;
}

function settingFaults(
  { database, role }: Standing,
  deviations: readonly Deviation[],
  pooling: Pooling,
): string[] {
  if (deviations.length === 0) return [];
  const found = deviations.map(({ name, found: value }) => `${name} is ${JSON.stringify(value)}`).join(", ");
  if (pooling !== "transaction") return [`settings that the service sends do not come into force: ${found}`];
  const statements = deviations.map(
    ({ name, value }) => `alter role ${role} in database ${database} set ${name} = '${value}';`,
  );
  return [
    [
      `a pooler before it gives each transaction another session, so settings must be the role's, and are not (${found}).`,
      "    Run, then RECONNECT in the pooler, or set pool_mode = session:",
      ...statements.map((statement) => `    ${statement}`),
    ].join("\n"),
  ];
}
