import type { Admission, CallerLimit } from "../domain/caller-limit.ts";
import { Failure } from "../domain/failure.ts";

/** Admissions that may come too late for one call: on a busy process the way to the statement can be long. */
const most = 5;

export type IsWanted = () => boolean;

export const alwaysWanted: IsWanted = () => true;

/**
 * Does a piece of new work under an admission of the caller. One that was no longer good when the statement
 * ran is replaced by another: the caller is not refused because this process was slow.
 * @param isWanted whether somebody still waits for the outcome; where nobody does, nothing is begun
 * @throws Failure RATE_LIMITED where the caller's limit has no room
 */
export async function admitted<T>(
  limit: CallerLimit,
  caller: string,
  isWanted: IsWanted,
  work: (admission: Admission) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    const admission = await limit.take(caller);
    if (!isWanted()) {
      admission.giveBack();
      throw new Failure("SERVICE_UNAVAILABLE", "the caller has gone", { retryAfterMs: 1000 });
    }
    try {
      return await work(admission);
    } catch (error) {
      if (attempt === most || !cameTooLate(error)) throw error;
      admission.cameTooLate?.();
    }
  }
}

function cameTooLate(error: unknown): boolean {
  return error instanceof Failure && error.reason === "RATE_LIMITED" && error.metadata["limit"] === "caller";
}
