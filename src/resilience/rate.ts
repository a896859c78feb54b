import type { Clock } from "../domain/clock.ts";

/** Milliseconds that a call waits for its turn at most. */
export const maxRateWaitMs = 1000;

/** Spreads calls over time, over all replicas. */
export interface RateLimit {
  /** Waits for a turn, at most 1 s. False: there is none in that time. Rejects when the signal fires. */
  acquire(signal: AbortSignal): Promise<boolean>;
}

/** Where no limit is set. */
export class UnlimitedRate implements RateLimit {
  acquire(signal: AbortSignal): Promise<boolean> {
    return signal.aborted ? Promise.reject(signal.reason) : Promise.resolve(true);
  }
}

/** Instants reserved in a row: the first `delayMs` from now, the others `intervalMs` apart. */
export interface Reservation {
  /** How many were granted: from 1 to what was asked for. */
  readonly slots: number;
  readonly delayMs: number;
  readonly intervalMs: number;
}

export interface SharedSlots {
  /**
   * Reserves up to `slots` instants of the row that all replicas share; undefined where not even one lies
   * within the next second. Instants further away than that MUST NOT be granted: nobody would use them, and
   * they would be missing for others.
   */
  reserve(slots: number): Promise<Reservation | undefined>;
}

interface Waiter {
  readonly askedAt: number;
  /** The instant of its turn; undefined: refused. */
  readonly turn: PromiseWithResolvers<number | undefined>;
}

/**
 * Hands out turns that were reserved for all replicas. One reservation is under way at a time and covers
 * whoever waits then, so the busier the process the more turns a round trip brings.
 */
export class SharedRate implements RateLimit {
  readonly #deps: { readonly clock: Clock; readonly slots: SharedSlots };
  readonly #waiters = new Set<Waiter>();
  #spare = { at: 0, slots: 0, intervalMs: 0 };
  #reserving = false;

  constructor(deps: { readonly clock: Clock; readonly slots: SharedSlots }) {
    this.#deps = deps;
  }

  async acquire(signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted();
    const { clock } = this.#deps;
    const at = this.#takeSpare() ?? (await this.#wait(signal));
    if (at === undefined) return false;
    const waitMs = at - clock.now();
    if (waitMs > 0) await clock.sleep(waitMs, signal);
    return true;
  }

  async #wait(signal: AbortSignal): Promise<number | undefined> {
    const { clock } = this.#deps;
    const waiter: Waiter = { askedAt: clock.now(), turn: Promise.withResolvers() };
    this.#waiters.add(waiter);
    const over = new AbortController();
    const patience = clock.sleep(maxRateWaitMs, AbortSignal.any([signal, over.signal])).then(() => undefined);
    void this.#serve();
    try {
      return await Promise.race([waiter.turn.promise, patience]);
    } finally {
      over.abort();
      this.#waiters.delete(waiter);
    }
  }

  async #serve(): Promise<void> {
    if (this.#reserving) return;
    this.#reserving = true;
    while (this.#waiters.size > 0) {
      const asked = [...this.#waiters];
      try {
        const reservation = await this.#reserve(asked.length);
        if (reservation !== undefined) this.#handOut(reservation);
        for (const waiter of asked) this.#end(waiter, undefined);
      } catch (error) {
        for (const waiter of asked) if (this.#waiters.delete(waiter)) waiter.turn.reject(error);
      }
    }
    this.#reserving = false;
  }

  // The callers' signals do not end it, as it is made for several; time does.
  async #reserve(slots: number): Promise<Reservation | undefined> {
    const over = new AbortController();
    const patience = this.#deps.clock.sleep(maxRateWaitMs, over.signal).then(() => undefined);
    try {
      return await Promise.race([this.#deps.slots.reserve(slots), patience]);
    } finally {
      over.abort();
    }
  }

  #handOut({ slots, delayMs, intervalMs }: Reservation): void {
    let at = this.#deps.clock.now() + delayMs;
    let left = slots;
    for (const waiter of this.#waiters) {
      if (left === 0) break;
      // Too late for this one, not for those who came after it.
      const tooLate = at - waiter.askedAt > maxRateWaitMs;
      this.#end(waiter, tooLate ? undefined : at);
      if (tooLate) continue;
      at += intervalMs;
      left -= 1;
    }
    this.#spare = { at, slots: left, intervalMs };
  }

  #end(waiter: Waiter, turn: number | undefined): void {
    if (this.#waiters.delete(waiter)) waiter.turn.resolve(turn);
  }

  // A turn nobody came for (its call was cancelled) is good until the next one is due, then lost.
  #takeSpare(): number | undefined {
    const spare = this.#spare;
    while (spare.slots > 0) {
      const at = spare.at;
      spare.at += spare.intervalMs;
      spare.slots -= 1;
      if (spare.at > this.#deps.clock.now()) return at;
    }
    return undefined;
  }
}
