/** Stopping a PostgreSQL server, and finding the one that a killed process left behind. */
import { closeSync, constants, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { errorCode, unavailable } from "./embedded-error.ts";
import { processIdentity, runsWithArgument } from "./process-identity.ts";

const pollMs = 10;

// Fast shutdown ends the sessions and writes a checkpoint. What follows loses no committed row either, the
// next start replays the log.
const shutdown = [
  { signal: "SIGINT", waitMs: 15_000 },
  { signal: "SIGQUIT", waitMs: 5_000 },
  { signal: "SIGKILL", waitMs: 5_000 },
] as const;

/** Stops the server and returns once its process is gone. */
export async function stopPostmaster(pid: number, isGone: () => boolean): Promise<void> {
  for (const { signal, waitMs } of shutdown) {
    if (isGone()) return;
    try {
      process.kill(pid, signal);
    } catch (error) {
      if (errorCode(error) !== "ESRCH") throw error;
    }
    const deadline = performance.now() + waitMs;
    while (!isGone() && performance.now() < deadline) await sleep(pollMs);
  }
  if (!isGone()) throw unavailable(`the server with pid ${pid} does not stop`);
}

/** The lines of postmaster.pid: pid, data directory, start, port, socket, address, shared memory, status. */
export function readPostmasterFile(files: string): string[] {
  try {
    return readFileSync(join(files, "postmaster.pid"), "utf8").split("\n");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return [];
    throw error;
  }
}

/**
 * Stops the server that still runs on these files after its parent was killed. The caller owns the database,
 * so nobody needs that server any more.
 */
export async function stopOrphan(files: string, log: (line: string) => void): Promise<void> {
  const pid = Number(readPostmasterFile(files)[0]);
  if (!pid) return;
  const identity = processIdentity(pid);
  if (!identity) return; // killed too: PostgreSQL recovers by itself
  if (runsWithArgument(pid, files)) {
    log(`stopping the PostgreSQL server (pid ${pid}) that a killed process left behind`);
    await stopPostmaster(pid, () => processIdentity(pid) !== identity);
    return;
  }
  // The pid has gone to a stranger, which would keep PostgreSQL from starting. It takes its parent's pid for
  // a stale one and goes on to check the shared memory that the rest of the file names.
  const file = openSync(join(files, "postmaster.pid"), constants.O_RDWR | constants.O_NOFOLLOW);
  try {
    const [, ...rest] = readFileSync(file, "utf8").split("\n");
    writeSync(file, [String(process.pid).padStart(String(pid).length, " "), ...rest].join("\n"), 0);
  } finally {
    closeSync(file);
  }
}
