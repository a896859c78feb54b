import type { Clock } from "../domain/clock.ts";

/** How long a call counts, and how long a duplicate does. */
const callsMs = 5 * 60_000;
const duplicatesMs = 10 * 60_000;
const mostCalls = 1_000;
/** Fewer say nothing of a hundredth. */
const fewestCalls = 100;
/** The percentile is worked out again this often at most. */
const everyMs = 1_000;

export interface SettlingPauseOptions {
  readonly clock: Pick<Clock, "now">;
  /** As configured: never less. */
  readonly leastMs: number;
  /** What lease and budget leave: never more. */
  readonly mostMs: number;
}

interface Sample {
  readonly at: number;
  readonly ms: number;
}

/**
 * How long an unknown outcome is left alone before it is looked up. A provider that is slow to answer is slow
 * to take what was abandoned, too, so the pause follows what the slowest hundredth of the calls took, and how
 * late messages came that were sent again although the look-up had shown nothing. Per process.
 */
export class SettlingPause {
  readonly #options: SettlingPauseOptions;
  #calls: Sample[] = [];
  #late: Sample[] = [];
  #measured = { at: Number.NEGATIVE_INFINITY, ms: 0 };

  constructor(options: SettlingPauseOptions) {
    this.#options = options;
  }

  /** A call ended, whatever its outcome; one that timed out took its timeout at least. */
  called(durationMs: number): void {
    this.#calls.push({ at: this.#options.clock.now(), ms: durationMs });
    if (this.#calls.length > 2 * mostCalls) this.#calls = this.#calls.slice(-mostCalls);
  }

  /** A message turned up that had been sent again, so long after its call was abandoned. */
  cameLate(ms: number): void {
    this.#late.push({ at: this.#options.clock.now(), ms });
    if (this.#late.length > mostCalls) this.#late = this.#late.slice(-mostCalls);
    this.#measured.at = Number.NEGATIVE_INFINITY;
  }

  /** @param lifeLeftMs of the code: a third of it at most is waited, where that is more than what is configured */
  currentMs(lifeLeftMs = Number.POSITIVE_INFINITY): number {
    const { leastMs, mostMs } = this.#options;
    const wanted = Math.min(Math.max(this.#measuredMs(), leastMs), Math.max(mostMs, leastMs));
    return Math.min(wanted, Math.max(lifeLeftMs / 3, leastMs));
  }

  #measuredMs(): number {
    const now = this.#options.clock.now();
    if (now - this.#measured.at < everyMs) return this.#measured.ms;
    this.#late = this.#late.filter(({ at }) => now - at < duplicatesMs);
    const calls = this.#calls.slice(-mostCalls).filter(({ at }) => now - at < callsMs);
    const slowest = calls.map(({ ms }) => ms).sort((left, right) => left - right);
    const slow = calls.length < fewestCalls ? 0 : (slowest[Math.ceil(calls.length * 0.99) - 1] ?? 0);
    const ms = this.#late.reduce((most, late) => Math.max(most, late.ms), slow);
    this.#measured = { at: now, ms };
    return ms;
  }
}
