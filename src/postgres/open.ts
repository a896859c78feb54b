import type { Sql } from "postgres";
import { addressOf, connect } from "./connect.ts";
import { Database } from "./database.ts";
import { type Asked, DatabaseFault, databaseFault, placeOf } from "./fault.ts";
import { missingGrants, missingMigrationRights } from "./grants.ts";
import { inspect } from "./inspection.ts";
import { detectPooling, type Pooling } from "./pooling.ts";
import { migrationSettings, serviceSettings } from "./session.ts";

/** Where a database is, and the variable that says so. */
export interface Location {
  readonly url: string;
  readonly variable: string;
}

interface DatabaseUse extends Location {
  readonly connections: number;
  /** Refuses a role that lacks a right of the service's; tools find out when they need it. */
  readonly allGrants: boolean;
  readonly onClose?: () => Promise<void>;
}

/**
 * Opens the pool on a database that was inspected.
 * @throws DatabaseFault with the fault and its cure
 */
export async function openPool({ url, variable, allGrants, ...options }: DatabaseUse): Promise<Database> {
  const asked = askedAt({ url, variable });
  const where = placeOf(asked.variable, asked.address);
  return await explained(asked, async () => {
    const pooling = await detectPooling(url, where);
    const database = new Database({ url, pooling, ...options });
    try {
      const sessions = pooling === "transaction" ? options.connections : 1;
      await inspect(database.sql, { settings: serviceSettings, pooling, where, sessions });
      const missing = allGrants ? await missingGrants(database.sql) : [];
      if (missing.length > 0) throw lackingRights(where, missing);
      return database;
    } catch (error) {
      database.lose();
      throw error;
    }
  });
}

/** Does something with a pool that is open, whose errors are told as `openPool` tells them. */
export async function usePool<Result>(
  location: Location,
  database: Database,
  use: () => Promise<Result>,
): Promise<Result> {
  const asked = askedAt(location);
  return await explained(asked, use, () => missingGrants(database.sql));
}

/**
 * A session for migrations, or for comparing them; inspected, and with settings of its own.
 * @param toChange whether the role needs the rights to change the schema, or those of the service
 * @throws DatabaseFault with the fault and its cure; and what the work throws
 */
export async function withMigrationSession<Result>(
  location: Location,
  toChange: boolean,
  work: (sql: Sql, pooling: Pooling) => Promise<Result>,
): Promise<Result> {
  const asked = askedAt(location);
  const where = placeOf(asked.variable, asked.address);
  const { url } = location;
  return await explained(asked, async () => {
    const pooling = await detectPooling(url, where);
    const settings = pooling === "transaction" ? undefined : migrationSettings;
    const sql = connect(url, { connections: 1, connectSeconds: 10, settings });
    try {
      await inspect(sql, { settings: settings ?? {}, pooling, where });
      const missing = () => (toChange ? missingMigrationRights(sql) : missingGrants(sql));
      return await explained(asked, () => work(sql, pooling), missing);
    } finally {
      await sql.end({ timeout: 5 });
    }
  });
}

function askedAt({ url, variable }: Location): Asked {
  return { variable, address: addressOf(url) };
}

async function explained<Result>(
  asked: Asked,
  work: () => Promise<Result>,
  missing?: () => Promise<readonly string[]>,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    const refused = error instanceof Error && "code" in error && error.code === "42501";
    const statements = refused && missing !== undefined ? await missing().catch(() => []) : [];
    if (statements.length > 0) throw lackingRights(placeOf(asked.variable, asked.address), statements);
    throw databaseFault(error, asked) ?? error;
  }
}

function lackingRights(where: string, statements: readonly string[]): DatabaseFault {
  const lines = statements.map((statement) => `    ${statement};`).join("\n");
  return new DatabaseFault(
    `${where}: its role lacks rights. Run as the owner of the tables, or with .deploy/postgres/grants.sql:\n${lines}`,
  );
}
