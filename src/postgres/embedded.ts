import { realpathSync } from "node:fs";
import { join } from "node:path";
import { findBinaries } from "./embedded-binaries.ts";
import { openCluster, role } from "./embedded-cluster.ts";
import { EmbeddedPostgresError, errorCode, unavailable } from "./embedded-error.ts";
import { openHome, systemDirectories, usableSystemDirectories } from "./embedded-home.ts";
import { claimOwnership } from "./embedded-owner.ts";
import { stopOrphan } from "./embedded-postmaster.ts";
import { startServer } from "./embedded-server.ts";

export type EmbeddedPostgresOptions = {
  /** Keeps the database; see embedded-home.ts for where exactly. One machine's processes only. */
  dataDir: string;
  /** Loopback port; the last one or a free one when absent. */
  port?: number;
  log?: (line: string) => void;
  /** A tree with bin, lib and share; the installed npm package when absent. */
  binaries?: string;
  /** Where root keeps what its server's unprivileged user cannot reach otherwise. */
  systemDirs?: readonly string[];
  /** Of the server, over the usual ones. */
  settings?: Readonly<Record<string, string>>;
};

/** `url` holds the password: never log it. */
export type EmbeddedPostgres = { url: string; port: number; stop(): Promise<void> };

function explain(error: unknown): unknown {
  if (error instanceof EmbeddedPostgresError || !errorCode(error)) return error;
  return unavailable((error as Error).message);
}

/**
 * Starts a real PostgreSQL on 127.0.0.1 for this process and returns once it takes connections. It outlives
 * this process if that is killed; the next start stops it and carries on with its data. The caller handles
 * signals and must call `stop`, which ends all sessions and returns when the server is gone.
 *
 * Throws EmbeddedPostgresError: `held` when a live process uses the same DATA_DIR (whose server is left
 * alone), `unavailable` with an explanation for the operator otherwise; or the signal's reason.
 */
export async function startEmbeddedPostgres(
  {
    dataDir,
    port,
    log = () => {},
    binaries: source,
    systemDirs = systemDirectories,
    settings = {},
  }: EmbeddedPostgresOptions,
  signal?: AbortSignal,
): Promise<EmbeddedPostgres> {
  signal?.throwIfAborted();
  let release = () => {};
  try {
    const home = openHome(dataDir, systemDirs);
    release = claimOwnership(home.directory);
    if (home.directory !== join(realpathSync(dataDir), "postgres")) {
      log(`the database is in ${home.directory}: uid ${home.user?.uid} cannot enter ${dataDir}`);
    }
    const copyTo = (refused: string[]) =>
      home.user ? usableSystemDirectories(systemDirs, home.user, refused) : [dataDir];
    const binaries = await findBinaries({ ...(source ? { source } : {}), user: home.user, copyTo }, signal);
    const password = await openCluster(home, binaries, signal);
    await stopOrphan(join(home.directory, "data"), log);
    const server = await startServer(home, binaries, { port, log, settings }, signal);
    return {
      url: `postgres://${role}:${password}@127.0.0.1:${server.port}/postgres`,
      port: server.port,
      stop: () => server.stop().finally(release),
    };
  } catch (error) {
    release();
    throw explain(error);
  }
}
