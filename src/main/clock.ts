import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { v7 } from "uuid";
import type { Clock, Random } from "../domain/clock.ts";

export const systemClock: Clock = {
  now: () => performance.now(),
  async sleep(ms, signal) {
    try {
      await sleep(ms, undefined, signal && { signal });
    } catch (error) {
      // Callers want the reason of their own signal, not Node's AbortError around it.
      throw signal?.aborted ? signal.reason : error;
    }
  },
};

export const systemRandom: Random = {
  uuid: () => v7(),
  bytes: (count) => randomBytes(count),
  fraction: () => Math.random(),
};
