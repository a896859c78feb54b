import { setTimeout as sleep } from "node:timers/promises";

/** What a run of calls took. Latencies are in milliseconds. */
export interface LoadResult {
  readonly calls: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
  /** Numbers of gRPC codes other than OK, and how often they came. */
  readonly errors: Readonly<Record<string, number>>;
  /** Calls that were in flight at most. */
  readonly inFlight: number;
}

/** Makes one call and gives its gRPC code; undefined where there is nothing left to call. */
export type OneCall = () => Promise<number> | undefined;

/** So many callers, each of which calls again as soon as it is answered. */
export async function closedLoop(callers: number, seconds: number, call: OneCall): Promise<LoadResult> {
  const run = new Run();
  const end = run.begun + seconds * 1000;
  const one = async () => {
    while (performance.now() < end) {
      const begun = performance.now();
      const answer = call();
      if (answer === undefined) return;
      run.ended(begun, await answer);
    }
  };
  await Promise.all(Array.from({ length: callers }, one));
  return run.result(callers);
}

/**
 * Calls that come by chance (exponential gaps, the same in every run), whether those before are answered
 * or not. Latency counts from the instant at which a call was due, so a slow server cannot hide its queue.
 */
export async function openLoop(perSecond: number, seconds: number, call: OneCall): Promise<LoadResult> {
  const run = new Run();
  const chance = seeded();
  const end = run.begun + seconds * 1000;
  const answers = new Set<Promise<void>>();
  let most = 0;
  let due = run.begun;
  for (;;) {
    due += (-Math.log(1 - chance()) / perSecond) * 1000;
    if (due >= end) break;
    // A timer is up to a millisecond late, which counts against the service. Not to wait by spinning is worth it: that
    // would take a third of the core that PostgreSQL needs.
    for (let left = due - performance.now(); left > 0; left = due - performance.now()) await sleep(left);
    const begun = due;
    const pending = call();
    if (pending === undefined) break;
    const answer = pending.then((code) => {
      run.ended(begun, code);
      answers.delete(answer);
    });
    answers.add(answer);
    most = Math.max(most, answers.size);
  }
  await Promise.all(answers);
  return run.result(most);
}

/** @param sorted from the least on */
export function percentile(sorted: Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}

class Run {
  readonly begun = performance.now();
  readonly #latencies: number[] = [];
  readonly #errors: Record<string, number> = {};

  ended(begun: number, code: number): void {
    this.#latencies.push(performance.now() - begun);
    if (code !== 0) this.#errors[code] = (this.#errors[code] ?? 0) + 1;
  }

  result(inFlight: number): LoadResult {
    const seconds = (performance.now() - this.begun) / 1000;
    const sorted = Float64Array.from(this.#latencies).sort();
    const at = (share: number) => percentile(sorted, share);
    return {
      calls: sorted.length,
      seconds,
      perSecond: sorted.length / seconds,
      ...{ p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) },
      errors: this.#errors,
      inFlight,
    };
  }
}

/** Mulberry32: every run gets the same gaps. */
function seeded(): () => number {
  let state = 20_261_122;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
