import { setImmediate as turn } from "node:timers/promises";
import type { Clock } from "../../src/domain/clock.ts";

interface Sleeper {
  readonly at: number;
  readonly wake: () => void;
}

/** A clock that stands still until a test moves it. Sleepers wake in the order of their times, each at its own. */
export class ManualClock implements Clock {
  // Those with the same time stay in the order in which they fell asleep.
  readonly #sleepers = new Set<Sleeper>();
  #now: number;

  /** It does not begin at 0, since a monotonic clock tells nothing but differences. */
  constructor(now = 1_000_000) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  /** How many are asleep. */
  get sleeping(): number {
    return this.#sleepers.size;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      if (ms <= 0) return resolve();
      const fired = () => {
        this.#sleepers.delete(sleeper);
        reject(signal?.reason);
      };
      const wake = () => {
        this.#sleepers.delete(sleeper);
        signal?.removeEventListener("abort", fired);
        resolve();
      };
      const sleeper = { at: this.#now + ms, wake };
      this.#sleepers.add(sleeper);
      signal?.addEventListener("abort", fired, { once: true });
    });
  }

  /** Lets everything run that waits for no time to pass. */
  async settle(): Promise<void> {
    await turn();
  }

  /** Moves the clock on, stopping at each sleeper on the way until what it wakes has run. */
  async advance(ms: number): Promise<void> {
    const target = this.#now + ms;
    await turn();
    for (let next = this.#next(); next !== undefined && next.at <= target; next = this.#next()) {
      this.#now = next.at;
      next.wake();
      await turn();
    }
    this.#now = target;
  }

  /** Moves the clock on for as long as the promise needs. @throws Error where nothing is asleep that it could wait for */
  async until<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const end = () => {
      settled = true;
    };
    promise.then(end, end);
    await turn();
    while (!settled) {
      const next = this.#next();
      if (next === undefined) throw new Error("the promise waits for something other than the clock");
      this.#now = next.at;
      next.wake();
      await turn();
    }
    return promise;
  }

  #next(): Sleeper | undefined {
    let first: Sleeper | undefined;
    for (const sleeper of this.#sleepers) if (first === undefined || sleeper.at < first.at) first = sleeper;
    return first;
  }
}
