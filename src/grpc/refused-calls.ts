import { Failure, type Reason } from "../domain/failure.ts";
import type { Call } from "./call.ts";

/** Takes one call of the caller's rate. Rejects with Failure RATE_LIMITED where there is none left. */
export type CountRefused = (caller: string) => Promise<unknown>;

// Only a caller at fault is refused for these, as often as it likes: its customers bring about the others, each of
// which its own limit counts.
const counted: ReadonlySet<Reason> = new Set<Reason>([
  "INVALID_REQUEST",
  "SIGNATURE_NOT_FOUND",
  "IDEMPOTENCY_KEY_REUSED",
  "CHANNEL_UNAVAILABLE",
  "DESTINATION_NOT_ALLOWED",
]);

/** The error to answer with: the same one, or RATE_LIMITED where the caller's rate has no room for a refusal. */
export async function countedRefusal(call: Call, error: unknown, count: CountRefused): Promise<unknown> {
  if (call.caller === undefined || !(error instanceof Failure) || !counted.has(error.reason)) return error;
  try {
    await count(call.caller.name);
    return error;
  } catch (limit) {
    // Where it cannot be counted, the refusal says more than the reason for that.
    return limit instanceof Failure && limit.reason === "RATE_LIMITED" ? limit : error;
  }
}
