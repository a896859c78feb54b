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

export const systemRandom: Random = {
  uuid: () => v7(),
  bytes: (count) => randomBytes(count),
  fraction: () => Math.random(),
};
