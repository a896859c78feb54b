import type { Clock } from "../domain/clock.ts";
import type { Database } from "../postgres/database.ts";
import type { CheckDetail, CheckState } from "../telemetry/readiness.ts";

interface Deps {
  readonly database: Database;
  readonly clock: Clock;
  readonly readiness: { set(name: "database", state: CheckState, detail?: CheckDetail): void };
}

const everyMs = 500;
/** A connection that hangs is as good as none. */
const patienceMs = 1000;

/**
 * Asks the database twice a second whether it is there, and sets the check of that name, until the signal
 * fires. While it is away nobody waits for it. Silence counts where a second, new connection meets it too:
 * that is known within 2.5 s.
 */
export async function watchDatabase(
  { database, clock, readiness }: Deps,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    let answer = await database.answers(patienceMs);
    if (answer === "late" && !signal.aborted) answer = await database.answers(patienceMs);
    // The end of the watch may come meanwhile, and with it the end of the database's connections.
    if (signal.aborted) return;
    if (answer === "yes") database.find();
    else database.lose();
    if (answer === "yes") readiness.set("database", "ok");
    else readiness.set("database", "failed", "unreachable");
    await clock.sleep(everyMs, signal).catch(() => undefined);
  }
}
