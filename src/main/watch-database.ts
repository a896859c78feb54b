import type { Clock } from "../domain/clock.ts";
import type { Database } from "../postgres/database.ts";

/** Asks the database every second whether it is there, and tells; ends with the signal. */
export async function watchDatabase(
  database: Database,
  clock: Clock,
  tell: (there: boolean) => void,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const answered = database.sql`select 1`.then(
      () => true,
      () => false,
    );
    // A connection that hangs is as good as none: whoever calls waits no longer than this either.
    const late = clock.sleep(2000, signal).then(
      () => false,
      () => true,
    );
    tell(await Promise.race([answered, late]));
    await clock.sleep(1000, signal).catch(() => undefined);
  }
}
