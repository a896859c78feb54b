import { parseTimeout } from "@connectrpc/connect/protocol-grpc";
import { Failure } from "../domain/failure.ts";

/** setTimeout takes 31 bits of milliseconds and fires at once on more; "no deadline" may come as 99999999H. */
const longestTimeoutMs = 24 * 3600 * 1000;
const longestTimeout = "24H";

/** Milliseconds that a caller waits. Undefined without the header, and where it cannot be read (`checkTimeout`). */
export function timeoutOf(value: string | string[] | undefined): number | undefined {
  const { timeoutMs } = parseTimeout(typeof value === "string" ? value : null, Number.MAX_SAFE_INTEGER);
  return timeoutMs === undefined ? undefined : Math.min(timeoutMs, longestTimeoutMs);
}

/** The same header as Connect can bear it. */
export function boundedTimeout(value: string): string {
  const { timeoutMs } = parseTimeout(value, Number.MAX_SAFE_INTEGER);
  return timeoutMs !== undefined && timeoutMs > longestTimeoutMs ? longestTimeout : value;
}

/** @throws Failure INVALID_REQUEST that names the header, where it is there and is no timeout */
export function checkTimeout(value: string | string[] | undefined): void {
  if (value === undefined || timeoutOf(value) !== undefined) return;
  const description = "must be 1 to 8 digits and a unit (H, M, S, m, u or n)";
  throw new Failure("INVALID_REQUEST", `the header grpc-timeout ${description}`, {
    violations: [{ field: "grpc-timeout", description }],
  });
}
