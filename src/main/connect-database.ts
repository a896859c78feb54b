import type { Config } from "../config.ts";
import { Database } from "../postgres/database.ts";
import { runningEmbeddedPostgres } from "../postgres/embedded-running.ts";
import { locateDatabase } from "./open-database.ts";

/** The database for a tool: the one of DATABASE_URL, a running service's, or the embedded one, started for it. */
export async function connectDatabase(config: Pick<Config, "database" | "dataDir">): Promise<Database> {
  const running = config.database.url === undefined ? runningEmbeddedPostgres(config.dataDir) : undefined;
  if (running !== undefined) return new Database({ url: running, connections: 2 });
  const located = await locateDatabase(config);
  return new Database({ url: located.url, connections: 2, onClose: () => located.stop() });
}
