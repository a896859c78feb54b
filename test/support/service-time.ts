import { setImmediate as turn } from "node:timers/promises";
import { ManualClock } from "../fakes/manual-clock.ts";

/** Turns of the event loop in which nothing may begin before everything counts as waiting. */
const quietTurns = 3;

/**
 * One time for replicas and database, which stands still until a test moves it. It moves only while no
 * statement is under way, so that what happens at one instant has all happened before the next.
 */
export class ServiceTime extends ManualClock {
  readonly #epoch = Date.parse("2026-11-22T12:00:00.000Z") - this.now();
  readonly #alarms = new Set<{ readonly at: number }>();
  #statements = 0;
  #finished = Promise.withResolvers<void>();

  /** The time of day that the database is told. */
  date(): Date {
    return new Date(this.#epoch + this.now());
  }

  override async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const alarm = { at: this.now() + ms };
    if (ms > 0) this.#alarms.add(alarm);
    try {
      await super.sleep(ms, signal);
    } finally {
      this.#alarms.delete(alarm);
    }
  }

  /** Counts a statement as under way until it has ended. */
  async track<T>(statement: Promise<T>): Promise<T> {
    this.#statements += 1;
    try {
      return await statement;
    } finally {
      this.#statements -= 1;
      this.#finished.resolve();
      this.#finished = Promise.withResolvers();
    }
  }

  /** Resolves once everything waits: for time to pass, for a caller, or for a test. */
  async idle(): Promise<void> {
    for (let quiet = 0; quiet < quietTurns; quiet += 1) {
      while (this.#statements > 0) {
        quiet = 0;
        await this.#finished.promise;
      }
      await turn();
    }
  }

  /** Lets `ms` pass, and all happen that happens on the way. */
  async pass(ms: number): Promise<void> {
    const target = this.now() + ms;
    await this.idle();
    for (let at = this.#next(); at <= target; at = this.#next()) {
      await this.advance(at - this.now());
      await this.idle();
    }
    await this.advance(target - this.now());
  }

  /** Lets time pass for as long as the promise needs. @throws Error where it waits for no time to pass */
  async drive<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const end = () => {
      settled = true;
    };
    promise.then(end, end);
    for (await this.idle(); !settled; await this.idle()) {
      const at = this.#next();
      if (at === Number.POSITIVE_INFINITY) throw new Error("the promise waits for something other than time");
      await this.advance(at - this.now());
    }
    return promise;
  }

  #next(): number {
    return Math.min(Number.POSITIVE_INFINITY, ...[...this.#alarms].map((alarm) => alarm.at));
  }
}
