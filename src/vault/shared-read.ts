import type { VaultClock } from "./waiting.ts";

export interface SharedReadOptions {
  /** MUST NOT reject. */
  readonly read: () => Promise<void>;
  /** Between the starts of two reads. */
  readonly everyMs: number;
  readonly clock: VaultClock;
  readonly closing: AbortSignal;
}

/**
 * One read at a time for any number of callers, and none sooner than `everyMs` after the one before. Whoever
 * asks while a read is under way waits for the next one, since what is under way may have seen the old state.
 */
export class SharedRead {
  readonly #options: SharedReadOptions;
  #next: Promise<void> | undefined;
  #running: Promise<void> = Promise.resolve();
  #startedAt = Number.NEGATIVE_INFINITY;

  constructor(options: SharedReadOptions) {
    this.#options = options;
  }

  /** Resolves after a read that began after this call; rejects with the signal's reason at the close. */
  run(): Promise<void> {
    this.#next ??= this.#start();
    return this.#next;
  }

  async #start(): Promise<void> {
    const { clock, everyMs, closing, read } = this.#options;
    await this.#running;
    closing.throwIfAborted();
    const early = this.#startedAt + everyMs - clock.now();
    if (early > 0) await clock.sleep(early, closing);
    this.#next = undefined;
    this.#startedAt = clock.now();
    this.#running = read();
    await this.#running;
  }
}
