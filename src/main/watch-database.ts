import type { Clock } from "../domain/clock.ts";
import type { Database } from "../postgres/database.ts";
import { isAnswer, tryWrite } from "../postgres/write-trial.ts";
import type { CheckDetail, CheckState } from "../telemetry/readiness.ts";
import { faultTexts, type RepeatedFaults } from "../telemetry/repeated-faults.ts";

interface Deps {
  readonly database: Database;
  readonly clock: Clock;
  readonly readiness: { set(name: "database", state: CheckState, detail?: CheckDetail): void };
  readonly faults: Pick<RepeatedFaults, "failed" | "recovered">;
}

const everyMs = 500;
/** A connection that hangs is as good as none. */
const patienceMs = 1000;
/** Between two trials to write while they go well, and after one that failed. */
const trialEveryMs = 5000;
const trialAgainMs = 500;
/** A commit that waits longer has something that it waits for in vain. */
const trialPatienceMs = 5000;
/** One call that fails may have met a lock of a second. */
const failedTrials = 2;

/**
 * Keeps the check `database`, until the signal fires. It is ok while the database is there and takes what a start
 * writes: it may be there and locked, full, or waiting for a stand-by that is gone, and then every start fails.
 */
export async function watchDatabase(deps: Deps, signal: AbortSignal): Promise<void> {
  const seen = { reachable: true, writable: true };
  const tell = (): void => {
    if (!seen.reachable) deps.readiness.set("database", "failed", "unreachable");
    else if (!seen.writable) deps.readiness.set("database", "failed", "unwritable");
    else deps.readiness.set("database", "ok");
  };
  await Promise.all([watchReach(deps, seen, tell, signal), watchWrites(deps, seen, tell, signal)]);
}

interface Seen {
  reachable: boolean;
  writable: boolean;
}

/**
 * Asks twice a second whether the database is there. While it is away nobody waits for it. Silence counts where a
 * second, new connection meets it too: that is known within 2.5 s.
 */
async function watchReach({ database, clock }: Deps, seen: Seen, tell: () => void, signal: AbortSignal) {
  while (!signal.aborted) {
    let answer = await database.answers(patienceMs);
    if (answer === "late" && !signal.aborted) answer = await database.answers(patienceMs);
    // The end of the watch may come meanwhile, and with it the end of the database's connections.
    if (signal.aborted) return;
    if (answer === "yes") database.find();
    else database.lose();
    seen.reachable = answer === "yes";
    tell();
    await clock.sleep(everyMs, signal).catch(() => undefined);
  }
}

/**
 * Tries to write. Two trials in a row that fail count, or one that hangs; the first that succeeds ends it. A trial
 * that hangs is waited for: each further one would hang, too, and hold a connection of the server's.
 */
async function watchWrites(deps: Deps, seen: Seen, tell: () => void, signal: AbortSignal): Promise<void> {
  const { database, clock, faults } = deps;
  let failed = 0;
  while (!signal.aborted) {
    if (seen.reachable) {
      const trial = tryWrite(database).then(
        () => "written" as const,
        (error: unknown) => ({ error }),
      );
      const hung = await inTime(trial, clock, signal);
      if (hung === "late" && !signal.aborted) {
        seen.writable = false;
        tell();
      }
      const end = await endOf(trial, signal);
      if (signal.aborted) return;
      // What failed because the database went away is the other watch's to tell.
      if (end === "written" || (seen.reachable && isAnswer(end?.error))) {
        failed = end === "written" ? 0 : failed + 1;
        seen.writable = failed < failedTrials && (seen.writable || end === "written");
        if (end === "written") faults.recovered(faultTexts.writes, "write");
        else faults.failed(faultTexts.writes, "write", end?.error);
        tell();
      }
    } else {
      failed = 0;
      seen.writable = true;
    }
    await clock.sleep(failed === 0 ? trialEveryMs : trialAgainMs, signal).catch(() => undefined);
  }
}

async function inTime(trial: Promise<unknown>, clock: Clock, signal: AbortSignal): Promise<"over" | "late"> {
  const waited = new AbortController();
  const late = clock.sleep(trialPatienceMs, AbortSignal.any([signal, waited.signal])).then(
    () => "late" as const,
    () => "over" as const,
  );
  try {
    return await Promise.race([trial.then(() => "over" as const), late]);
  } finally {
    waited.abort();
  }
}

/** Undefined where the signal fires before. */
async function endOf<T>(trial: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  const aborted = Promise.withResolvers<undefined>();
  const abort = () => aborted.resolve(undefined);
  signal.addEventListener("abort", abort);
  if (signal.aborted) abort();
  try {
    return await Promise.race([trial, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
