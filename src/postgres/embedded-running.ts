import { readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { role } from "./embedded-cluster.ts";
import { liveOwner } from "./embedded-owner.ts";
import { readPostmasterFile } from "./embedded-postmaster.ts";

/** The address of the embedded server that a running service holds in DATA_DIR; undefined where none does. */
export function runningEmbeddedPostgres(dataDir: string): string | undefined {
  let home: string;
  try {
    home = realpathSync(join(dataDir, "postgres"));
  } catch {
    return undefined;
  }
  if (liveOwner(home) === undefined) return undefined;
  // The fourth line of postmaster.pid is the port (PostgreSQL documentation, "Server Setup").
  const port = readPostmasterFile(join(home, "data"))[3];
  const password = readFileSync(join(home, "password"), "utf8");
  return `postgres://${role}:${password}@127.0.0.1:${port}/postgres`;
}
