import postgres from "postgres";
import type { Config } from "../config.ts";
import type { Keys } from "../domain/keys.ts";
import { Database } from "../postgres/database.ts";
import { startEmbeddedPostgres } from "../postgres/embedded.ts";
import { claimInstallation } from "../postgres/installation.ts";
import { migrate, requireMigrated } from "../postgres/migrate.ts";

/** Migrations are found from here whether the sources run as they are or bundled. */
export const migrationFolder = new URL("../../drizzle", import.meta.url).pathname;

export interface OpenDatabase {
  readonly database: Database;
  readonly embedded: boolean;
  close(): Promise<void>;
}

/** Where the database is: DATABASE_URL, or the embedded server, which is started. */
export async function locateDatabase(
  config: Pick<Config, "database" | "dataDir">,
  signal?: AbortSignal,
): Promise<{ url: string; migrationUrl: string; embedded: boolean; stop(): Promise<void> }> {
  const url = config.database.url?.reveal();
  if (url !== undefined) {
    const migrationUrl = config.database.migrationUrl?.reveal() ?? url;
    return { url, migrationUrl, embedded: false, stop: () => Promise.resolve() };
  }
  const server = await startEmbeddedPostgres({ dataDir: config.dataDir }, signal);
  return { url: server.url, migrationUrl: server.url, embedded: true, stop: () => server.stop() };
}

/** Opens the database, brings its schema up to date and checks that it is ours. */
export async function openDatabase(
  config: Pick<Config, "database" | "dataDir" | "sandbox">,
  keys: () => Keys,
  signal: AbortSignal,
): Promise<OpenDatabase> {
  const located = await locateDatabase(config, signal);
  try {
    await migrated(located.migrationUrl, config.database.migrate);
    const database = new Database({ url: located.url, connections: config.database.connections });
    try {
      await claimInstallation(database, config.sandbox ? "sandbox" : "live", keys());
    } catch (error) {
      await database.close();
      throw error;
    }
    return {
      database,
      embedded: located.embedded,
      async close() {
        await database.close();
        await located.stop();
      },
    };
  } catch (error) {
    await located.stop();
    throw error;
  }
}

async function migrated(url: string, mode: "auto" | "check"): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined, connect_timeout: 10 });
  try {
    if (mode === "auto") await migrate(sql, { folder: migrationFolder });
    else await requireMigrated(sql, { folder: migrationFolder });
  } finally {
    await sql.end({ timeout: 5 });
  }
}
