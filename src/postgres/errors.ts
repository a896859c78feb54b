import postgres from "postgres";
import { Failure } from "../domain/failure.ts";
import { DatabaseAway } from "./database.ts";

/**
 * What PostgreSQL and the driver say when it is they, and not the statement, that failed: connection
 * exceptions (class 08), out of resources (53), operator intervention (57), lock and statement timeouts,
 * serialisation failures. Repeating the call may help.
 */
const transient =
  /^(08...|53...|57...|55P03|40001|40P01|25006|CONNECT_TIMEOUT|CONNECTION_(CLOSED|ENDED|DESTROYED)|E[A-Z]+)$/;

/** True where the database could not be asked, as opposed to a statement that it refused. */
export function isUnavailable(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" && transient.test(code);
}

/** The Failure behind a statement that a limit ended (the function `refuse`); nothing of it was done. */
export function refusalOf(error: unknown): Failure | undefined {
  if (!(error instanceof postgres.PostgresError) || error.code !== "SR001") return undefined;
  return refusalBy(error.message, Number(error.detail));
}

/** @param limit as the statements name it; `blocked` and `blocked_until_freed`: the customer is, for wrong codes */
export function refusalBy(limit: string, retryAfterMs: number): Failure {
  if (limit === "blocked") {
    return new Failure("CUSTOMER_BLOCKED", "too many wrong codes in a row", { retryAfterMs });
  }
  if (limit === "blocked_until_freed") {
    const message = "too many wrong codes: blocked until the bank frees the customer";
    return new Failure("CUSTOMER_BLOCKED", message, { retryAfterMs, metadata: { until: "freed" } });
  }
  return new Failure("RATE_LIMITED", "too many requests", { retryAfterMs, metadata: { limit } });
}

/** Rejects once the deadline has passed; the work is left to itself. */
async function inTime<T>(work: Promise<T>, deadlineMs: number): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new DatabaseAway("the database did not answer in time")),
    deadlineMs,
  );
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * The same store, whose methods answer SERVICE_UNAVAILABLE while the database is away, or once a call has
 * taken too long. The cause, which names hosts and may quote rows, is for the log alone.
 * @param deadlineMs longer than PostgreSQL lets a statement of ours run: what takes longer hangs on a dead connection
 */
export function guarded<T extends object>(store: T, deadlineMs = 12_000): T {
  return new Proxy(store, {
    get(target, property) {
      const member: unknown = Reflect.get(target, property, target);
      if (typeof member !== "function") return member;
      return async (...args: unknown[]) => {
        try {
          return await inTime(member.apply(target, args) as Promise<unknown>, deadlineMs);
        } catch (cause) {
          const refusal = refusalOf(cause);
          if (refusal !== undefined) throw refusal;
          if (!isUnavailable(cause)) throw cause;
          throw new Failure("SERVICE_UNAVAILABLE", "the database is not available", {
            retryAfterMs: 1000,
            cause,
          });
        }
      };
    },
  });
}
