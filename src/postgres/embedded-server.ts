/** Starting the server process on a free port of the loopback interface. */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { serverEnvironment } from "./embedded-binaries.ts";
import { unavailable } from "./embedded-error.ts";
import type { Home } from "./embedded-home.ts";
import { ServerLog } from "./embedded-log.ts";
import { readPostmasterFile, stopPostmaster } from "./embedded-postmaster.ts";

const readyMs = 60_000; // crash recovery replays at most max_wal_size
const pollMs = 10;
const retryMs = 5_000;

// For a small machine. Statements and their values never reach the log: below LOG nothing is written, and
// no failing statement with what remains.
const usualSettings = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  max_connections: "100",
  shared_buffers: "128MB",
  max_wal_size: "512MB",
  wal_level: "minimal",
  max_wal_senders: "0",
  io_method: "sync",
  jit: "off",
  fsync: "on",
  full_page_writes: "on",
  synchronous_commit: "on",
  logging_collector: "off",
  log_destination: "stderr",
  log_min_messages: "log",
  log_min_error_statement: "panic",
  log_error_verbosity: "terse",
  log_checkpoints: "off",
};

type StartOptions = {
  port: number | undefined;
  log: (line: string) => void;
  settings: Readonly<Record<string, string>>;
};

export type Server = { port: number; stop(): Promise<void> };

const hasExited = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

/** Resolves with a port that is free at this moment, `wanted` where it is; 0 means any. */
function findFreePort(wanted: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", (error) => (wanted === 0 ? reject(error) : resolve(findFreePort(0))));
    probe.listen({ port: wanted, host: "127.0.0.1", exclusive: true }, () => {
      const address = probe.address();
      const port = address && typeof address === "object" ? address.port : 0;
      probe.close(() => resolve(port));
    });
  });
}

function rememberedPort(directory: string): number {
  try {
    return Number(readFileSync(join(directory, "port"), "utf8")) || 0;
  } catch {
    return 0;
  }
}

function rememberPort(directory: string, port: number): void {
  const next = join(directory, "port.next");
  rmSync(next, { force: true });
  writeFileSync(next, String(port), { mode: 0o600, flag: "wx" });
  renameSync(next, join(directory, "port"));
}

/** Whether the server is ready; throws once it has exited. */
function isReady(child: ChildProcess, files: string): boolean {
  if (hasExited(child)) throw new Error("exited");
  const lines = readPostmasterFile(files);
  return Number(lines[0]) === child.pid && lines[7]?.trim() === "ready";
}

async function attempt(
  home: Home,
  binaries: string,
  settings: Readonly<Record<string, string | number>>,
  log: ServerLog,
  signal?: AbortSignal,
) {
  const files = join(home.directory, "data");
  const args = Object.entries({ ...usualSettings, ...settings }).flatMap(([name, value]) => [
    "-c",
    `${name}=${value}`,
  ]);
  log.beginAttempt();
  const child = spawn(join(binaries, "bin/postgres"), ["-D", files, ...args], {
    ...home.user,
    cwd: files,
    env: serverEnvironment,
    stdio: ["ignore", log.descriptor, log.descriptor],
    detached: true, // Ctrl-C in the terminal is for us; the server is stopped after its last session
  });
  let failure: Error | undefined;
  child.on("error", (error) => {
    failure = error;
  });
  const stop = async () => {
    if (child.pid !== undefined) await stopPostmaster(child.pid, () => hasExited(child));
  };
  try {
    const deadline = performance.now() + readyMs;
    while (!isReady(child, files)) {
      signal?.throwIfAborted();
      if (failure) throw failure;
      if (performance.now() > deadline) throw new Error(`not ready within ${readyMs / 1000} s`);
      await sleep(pollMs);
    }
    return { child, stop };
  } catch (error) {
    if (!failure) await stop();
    throw error;
  }
}

/**
 * Starts the server and returns once it takes connections. Without `port` it takes the last one, or a free
 * one when that is in use. Throws EmbeddedPostgresError with the end of the server's log.
 */
export async function startServer(
  home: Home,
  binaries: string,
  { port: wanted, log, settings }: StartOptions,
  signal?: AbortSignal,
): Promise<Server> {
  const serverLog = new ServerLog(join(home.directory, "server.log"));
  const deadline = performance.now() + retryMs;
  for (;;) {
    const port = wanted ?? (await findFreePort(rememberedPort(home.directory)));
    try {
      const { child, stop } = await attempt(home, binaries, { ...settings, port }, serverLog, signal);
      rememberPort(home.directory, port);
      let stopping: Promise<void> | undefined;
      child.once("exit", (code, killed) => {
        if (!stopping)
          log(`the embedded PostgreSQL server ended by itself (${killed ?? `exit code ${code}`})`);
      });
      return { port, stop: () => (stopping ??= stop().finally(() => serverLog.close())) };
    } catch (error) {
      const tail = serverLog.attemptTail();
      // Somebody was quicker to take the port, or sessions of a server that was killed are about to end.
      const passing = /could not create any TCP\/IP sockets/.test(tail)
        ? wanted === undefined
        : /pre-existing shared memory block/.test(tail);
      if (passing && !signal?.aborted && performance.now() < deadline) {
        await sleep(50);
        continue;
      }
      serverLog.close();
      signal?.throwIfAborted();
      const reason = tail || (error as Error).message;
      throw unavailable(`the server in ${home.directory} did not start on port ${port} (${reason})`);
    }
  }
}
