import type { Clock } from "../domain/clock.ts";
import type { Database } from "../postgres/database.ts";

const everyMs = 500;
/** A connection that hangs is as good as none. */
const patienceMs = 750;

/**
 * Asks the database twice a second whether it is there, and tells; ends with the signal. While it is away
 * nobody waits for it. Silence counts once a second, new connection meets it too: within 2 s.
 */
export async function watchDatabase(
  database: Database,
  clock: Clock,
  tell: (there: boolean) => void,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    let answer = await database.answers(patienceMs);
    if (answer === "late" && !signal.aborted) answer = await database.answers(patienceMs);
    // The end of the watch may come meanwhile, and with it the end of the database's connections.
    if (signal.aborted) return;
    if (answer === "yes") database.find();
    else database.lose();
    tell(answer === "yes");
    await clock.sleep(everyMs, signal).catch(() => undefined);
  }
}
