import { randomBytes } from "node:crypto";
import { v7 } from "uuid";
import type { Clock, Random } from "../domain/clock.ts";

export const systemClock: Clock = {
  now: () => performance.now(),
  sleep(ms, signal) {
    // Not timers/promises: most waits end by their signal, and its AbortError with a stack costs ten times as much.
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const cancel = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener("abort", cancel);
        resolve();
      }, ms);
      signal?.addEventListener("abort", cancel, { once: true });
    });
  },
};

/** Of one call to the system's source: a call for every value costs more than the values. */
const poolBytes = 4096;
let pool = Buffer.alloc(0);

/** Random bytes, each of which is given out once. */
function fresh(count: number): Buffer {
  if (pool.length < count) pool = randomBytes(Math.max(poolBytes, count));
  const taken = pool.subarray(0, count);
  pool = pool.subarray(count);
  return taken;
}

export const systemRandom: Random = {
  uuid: () => v7(),
  bytes: fresh,
  fraction: () => Math.random(),
};
