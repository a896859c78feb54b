import type { Clock } from "../domain/clock.ts";
import { CallRefused } from "./call-refused.ts";

/** Sends go first; asks are look-ups, redaction and feedback. */
export type Priority = "send" | "ask";

export interface BulkheadLimits {
  readonly clock: Clock;
  readonly provider: string;
  /** Calls at once, of both priorities. */
  readonly maxInFlight: number;
}

/**
 * Bounds the calls that are in flight. A place that becomes free goes to the send that waited longest, and
 * to an ask only when no send waits.
 *
 * Not cockatiel's bulkhead: its one queue knows no priority, and it neither bounds the wait nor leaves the
 * queue when the signal fires.
 */
export class Bulkhead {
  readonly #limits: BulkheadLimits;
  readonly #waiting: Readonly<Record<Priority, Set<() => void>>> = { send: new Set(), ask: new Set() };
  #inFlight = 0;

  constructor(limits: BulkheadLimits) {
    this.#limits = limits;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get waiting(): number {
    return this.#waiting.send.size + this.#waiting.ask.size;
  }

  /**
   * Runs the task once there is a place for it.
   * @throws CallRefused where there was none for `waitMs` milliseconds
   */
  async run<T>(priority: Priority, waitMs: number, task: () => Promise<T>, signal: AbortSignal): Promise<T> {
    if (this.#inFlight < this.#limits.maxInFlight) this.#inFlight += 1;
    else await this.#place(priority, waitMs, signal);
    try {
      return await task();
    } finally {
      this.#release();
    }
  }

  async #place(priority: Priority, waitMs: number, signal: AbortSignal): Promise<void> {
    const queue = this.#waiting[priority];
    const place = Promise.withResolvers<void>();
    const over = new AbortController();
    queue.add(place.resolve);
    const patience = this.#limits.clock.sleep(waitMs, AbortSignal.any([signal, over.signal])).then(() => {
      throw new CallRefused(this.#limits.provider, "bulkhead");
    });
    try {
      await Promise.race([place.promise, patience]);
    } catch (error) {
      // Gone from the queue already: the place came in the same turn, and the next one gets it.
      if (!queue.delete(place.resolve)) this.#release();
      throw error;
    } finally {
      over.abort();
    }
  }

  #release(): void {
    for (const queue of [this.#waiting.send, this.#waiting.ask]) {
      for (const admit of queue) {
        queue.delete(admit);
        admit();
        return;
      }
    }
    this.#inFlight -= 1;
  }
}
