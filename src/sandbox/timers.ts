/** Cancels a timer; harmless once it ran. */
export type Cancel = () => void;

/** When things happen in the double. Tests pass their own and move time by hand. */
export type Timers = {
  /** Runs `run` once, `ms` milliseconds from now. */
  set(run: () => void, ms: number): Cancel;
};

export const realTimers: Timers = {
  set(run, ms) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

const nothing: Cancel = () => {};

/** Timers that can all be cancelled at once, so that closing the double leaves nothing behind. */
export class TimerGroup {
  readonly #timers: Timers;
  readonly #pending = new Set<Cancel>();
  #closed = false;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** Zero and less run at once; after `close` nothing runs any more. */
  after(ms: number, run: () => void): Cancel {
    if (this.#closed) return nothing;
    if (ms <= 0) {
      run();
      return nothing;
    }
    const stop = this.#timers.set(() => {
      this.#pending.delete(cancel);
      run();
    }, ms);
    const cancel = () => {
      this.#pending.delete(cancel);
      stop();
    };
    this.#pending.add(cancel);
    return cancel;
  }

  close(): void {
    this.#closed = true;
    for (const cancel of this.#pending) cancel();
    this.#pending.clear();
  }
}
