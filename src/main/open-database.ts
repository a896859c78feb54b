import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import postgres from "postgres";
import type { Config } from "../config.ts";
import { Database } from "../postgres/database.ts";
import { startEmbeddedPostgres } from "../postgres/embedded.ts";
import { claimInstallation } from "../postgres/installation.ts";
import { migrate, requireMigrated } from "../postgres/migrate.ts";
import type { Secrets } from "./secrets.ts";

const besideBundle = fileURLToPath(new URL("./drizzle", import.meta.url));

/** Beside the bundle, all of whose modules are in one folder; else at the top of the sources. */
export const migrationFolder = existsSync(besideBundle)
  ? besideBundle
  : fileURLToPath(new URL("../../drizzle", import.meta.url));

export interface OpenDatabase {
  readonly database: Database;
  readonly secrets: Secrets;
  close(): Promise<void>;
}

export interface LocatedDatabase {
  readonly url: string;
  /** The same with the rights to change the schema. */
  readonly migrationUrl: string;
  /** Stops what was started for it. */
  stop(): Promise<void>;
}

/** Where the database is: DATABASE_URL, or the embedded server, which is started. */
export async function locateDatabase(
  config: Pick<Config, "database" | "dataDir">,
  signal?: AbortSignal,
): Promise<LocatedDatabase> {
  const url = config.database.url?.reveal();
  if (url !== undefined) {
    const migrationUrl = config.database.migrationUrl?.reveal() ?? url;
    return { url, migrationUrl, stop: () => Promise.resolve() };
  }
  const server = await startEmbeddedPostgres({ dataDir: config.dataDir }, signal);
  return { url: server.url, migrationUrl: server.url, stop: () => server.stop() };
}

/**
 * Opens the database, brings its schema up to date and checks that it is ours. Secrets are opened once it is
 * there: the embedded server decides who may enter DATA_DIR, where the generated keys are kept.
 */
export async function openDatabase(
  config: Pick<Config, "database" | "dataDir" | "sandbox">,
  openSecrets: () => Promise<Secrets>,
  signal: AbortSignal,
): Promise<OpenDatabase> {
  const located = await locateDatabase(config, signal);
  try {
    const secrets = await openSecrets();
    await migrated(located.migrationUrl, config.database.migrate);
    const database = new Database({ url: located.url, connections: config.database.connections });
    try {
      await claimInstallation(database, config.sandbox ? "sandbox" : "live", secrets.keys.current());
    } catch (error) {
      await database.close();
      throw error;
    }
    return {
      database,
      secrets,
      async close() {
        await secrets.close();
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
