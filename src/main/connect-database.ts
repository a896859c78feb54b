import type { Config } from "../config.ts";
import type { Database } from "../postgres/database.ts";
import { runningEmbeddedPostgres } from "../postgres/embedded-running.ts";
import { openPool, usePool } from "../postgres/open.ts";
import { type LocatedDatabase, locateDatabase, located } from "./open-database.ts";

/** Where a tool finds the database: at DATABASE_URL, in a running service, or the embedded one, started for it. */
export async function locateForTool(config: Pick<Config, "database" | "dataDir">): Promise<LocatedDatabase> {
  const running = config.database.url === undefined ? runningEmbeddedPostgres(config.dataDir) : undefined;
  if (running === undefined) return await locateDatabase(config);
  return located(running, "DATA_DIR", () => Promise.resolve());
}

/** Opens the database for a tool, as long as it uses it. */
export async function withDatabase<Result>(
  config: Pick<Config, "database" | "dataDir">,
  use: (database: Database) => Promise<Result>,
): Promise<Result> {
  const place = await locateForTool(config);
  try {
    const database = await openPool({ ...place, connections: 2, allGrants: false });
    try {
      return await usePool(place, database, () => use(database));
    } finally {
      await database.close();
    }
  } finally {
    await place.stop();
  }
}
