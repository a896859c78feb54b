import type { Timers } from "../../src/sandbox/timers.ts";

/** Time that stands still until it is moved: a clock in milliseconds and the timers that go by it. */
export class ManualTimers implements Timers {
  #now: number;
  readonly #due = new Set<{ at: number; run: () => void }>();

  constructor(now = Date.UTC(2026, 10, 22, 12, 0, 0)) {
    this.#now = now;
  }

  /** For a `clock` option. */
  readonly now = (): number => this.#now;

  get pending(): number {
    return this.#due.size;
  }

  set(run: () => void, ms: number): () => void {
    const timer = { at: this.#now + ms, run };
    this.#due.add(timer);
    return () => this.#due.delete(timer);
  }

  /** Moves time on and runs what falls due on the way, in order, timers set meanwhile included. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      this.#due.delete(next);
      this.#now = next.at;
      next.run();
    }
    this.#now = end;
  }

  #next(end: number) {
    const due = [...this.#due].filter(({ at }) => at <= end);
    return due.sort((one, other) => one.at - other.at)[0];
  }
}
