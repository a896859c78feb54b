import type { Config } from "../config.ts";
import { Database } from "../postgres/database.ts";
import { runningEmbeddedPostgres } from "../postgres/embedded-running.ts";
import { type LocatedDatabase, locateDatabase } from "./open-database.ts";

/** Where a tool finds the database: at DATABASE_URL, in a running service, or the embedded one, started for it. */
export async function locateForTool(config: Pick<Config, "database" | "dataDir">): Promise<LocatedDatabase> {
  const running = config.database.url === undefined ? runningEmbeddedPostgres(config.dataDir) : undefined;
  if (running === undefined) return await locateDatabase(config);
  return { url: running, migrationUrl: running, stop: () => Promise.resolve() };
}

export async function connectDatabase(config: Pick<Config, "database" | "dataDir">): Promise<Database> {
  const { url, stop } = await locateForTool(config);
  return new Database({ url, connections: 2, onClose: stop });
}
