/**
 * Why the embedded PostgreSQL did not start. `held`: a live process owns the data directory; `unavailable`:
 * nothing that can be done here makes it run. The message is complete and meant for the operator.
 */
export class EmbeddedPostgresError extends Error {
  readonly reason: "held" | "unavailable";
  constructor(reason: "held" | "unavailable", message: string) {
    super(message);
    this.name = "EmbeddedPostgresError";
    this.reason = reason;
  }
}

/** What went wrong, what was tried, and the way out that always exists. */
export function unavailable(what: string, tried: readonly string[] = []): EmbeddedPostgresError {
  const attempts = tried.length > 0 ? `\nTried:\n${tried.map((line) => `  - ${line}`).join("\n")}` : "";
  const wayOut = "Set DATABASE_URL to a PostgreSQL server to do without the embedded one.";
  return new EmbeddedPostgresError(
    "unavailable",
    `The embedded PostgreSQL cannot start: ${what}.${attempts}\n${wayOut}`,
  );
}

/** The system's error code (ENOENT and the like), or an empty string. */
export function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}
