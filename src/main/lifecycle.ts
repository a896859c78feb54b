import postgres from "postgres";
import { ConfigError } from "../config/config-error.ts";
import { EmbeddedPostgresError } from "../postgres/embedded-error.ts";
import { DatabaseFault, databaseFault } from "../postgres/fault.ts";
import { InstallationError } from "../postgres/installation.ts";
import { MigrationError } from "../postgres/migration-files.ts";
import { VaultError } from "../vault/vault-error.ts";

/** Errors whose message is made for the operator; any other may quote values and is reduced to its code. */
const explained = [
  ConfigError,
  DatabaseFault,
  EmbeddedPostgresError,
  InstallationError,
  MigrationError,
  VaultError,
];

const inUse = { variable: "DATABASE_URL", address: undefined };

/** What to tell an operator whose process did not start. */
export function explanation(error: unknown): string {
  if (explained.some((kind) => error instanceof kind)) return (error as Error).message;
  const code = error instanceof Error && "code" in error ? String(error.code) : undefined;
  switch (code) {
    case "EADDRINUSE":
      return "an address is in use: stop the other process, or set GRPC_LISTEN, HTTP_LISTEN or OPS_LISTEN";
    case "EADDRNOTAVAIL":
      return "an address is not this machine's: see GRPC_LISTEN, HTTP_LISTEN and OPS_LISTEN";
    case undefined:
      return error instanceof Error
        ? `unexpected ${error.name} at the start: ${error.message}`
        : "unexpected error";
    default:
      return (
        (error instanceof postgres.PostgresError ? databaseFault(error, inUse)?.message : undefined) ??
        `unexpected ${(error as Error).name} at the start (${code}): see the log, and report it`
      );
  }
}

/** What has to be closed where the rest of a start fails. */
export interface Opening {
  close?: () => Promise<void>;
}

/** Milliseconds in which a second signal is the first one's copy: npm, timeout(1) and others pass on what the process group got. */
const copyMs = 1000;

/**
 * Runs until SIGTERM or SIGINT, then stops in order; a second signal, a second later or more, ends the process at once.
 * @param start builds everything and returns how to take it down; its signal fires when the start is called off
 */
export function runUntilStopped(
  start: (signal: AbortSignal, opening: Opening) => Promise<() => Promise<void>>,
): void {
  const called = new AbortController();
  let ending: number | undefined;
  const opening: Opening = {};
  const started = start(called.signal, opening).catch(async (error: unknown) => {
    // A start that failed half-way leaves no server behind.
    await opening.close?.();
    throw error;
  });
  const end = (): void => {
    if (ending !== undefined) {
      if (performance.now() - ending >= copyMs) process.exit(1);
      return;
    }
    ending = performance.now();
    called.abort();
    void started.then((stop) =>
      stop().then(
        () => process.exit(0),
        () => process.exit(1),
      ),
    );
  };
  // A listener keeps Node from opening its inspector, also where --disable-sigusr1 was not given.
  process.on("SIGUSR1", () => undefined);
  process.on("SIGTERM", end);
  process.on("SIGINT", end);
  started.catch((error: unknown) => {
    // A start that was called off did what it was told.
    if (ending !== undefined) process.exit(0);
    console.error(explanation(error));
    process.exit(1);
  });
}
