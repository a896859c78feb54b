import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Config } from "../config.ts";
import type { Database } from "../postgres/database.ts";
import { startEmbeddedPostgres } from "../postgres/embedded.ts";
import { claimInstallation } from "../postgres/installation.ts";
import { migrate, requireMigrated } from "../postgres/migrate.ts";
import { type Location, openPool, usePool, withMigrationSession } from "../postgres/open.ts";
import { requireRetention } from "../postgres/retention-floor.ts";
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

export interface LocatedDatabase extends Location {
  /** The same with the rights to change the schema. */
  readonly migration: Location;
  /** Stops what was started for it. */
  stop(): Promise<void>;
}

/** @param migrationUrl where migrations go by another address */
export function located(
  url: string,
  variable: string,
  stop: () => Promise<void>,
  migrationUrl?: string,
): LocatedDatabase {
  const here = { url, variable };
  const there = migrationUrl && { url: migrationUrl, variable: "DATABASE_MIGRATION_URL" };
  return { ...here, migration: there || here, stop };
}

/** Where the database is: DATABASE_URL, or the embedded server, which is started. */
export async function locateDatabase(
  config: Pick<Config, "database" | "dataDir">,
  signal?: AbortSignal,
): Promise<LocatedDatabase> {
  const url = config.database.url?.reveal();
  if (url !== undefined) {
    const migrationUrl = config.database.migrationUrl?.reveal();
    return located(url, "DATABASE_URL", () => Promise.resolve(), migrationUrl);
  }
  const server = await startEmbeddedPostgres({ dataDir: config.dataDir }, signal);
  return located(server.url, "DATA_DIR", () => server.stop());
}

/**
 * Opens the database, brings its schema up to date and checks that it is ours. Secrets are opened once it is
 * there: the embedded server decides who may enter DATA_DIR, where the generated keys are kept.
 */
export async function openDatabase(
  config: Pick<Config, "database" | "dataDir" | "sandbox" | "signature">,
  openSecrets: () => Promise<Secrets>,
  signal: AbortSignal,
): Promise<OpenDatabase> {
  const place = await locateDatabase(config, signal);
  try {
    const secrets = await openSecrets();
    await migrated(place.migration, config.database.migrate);
    const { connections } = config.database;
    const database = await openPool({ ...place, connections, allGrants: true });
    try {
      const kind = config.sandbox ? "sandbox" : "live";
      await usePool(place, database, async () => {
        await claimInstallation(database, kind, secrets.keys.current());
        await requireRetention(database.sql, config.signature.retentionDays);
      });
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
        await place.stop();
      },
    };
  } catch (error) {
    await place.stop();
    throw error;
  }
}

async function migrated(location: Location, mode: "auto" | "check"): Promise<void> {
  const folder = migrationFolder;
  await withMigrationSession(location, mode === "auto", async (sql, pooling) => {
    if (mode === "auto") await migrate(sql, { folder, pooling });
    else await requireMigrated(sql, { folder });
  });
}
