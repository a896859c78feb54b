import { randomFillSync } from "node:crypto";

const poolBytes = 8_192;

/** Random bytes drawn from the system in bulk: one call for each id is a tenth of a request's cost. */
export function pooledRandom(): (bytes: number) => Uint8Array {
  let pool = Buffer.alloc(0);
  return (bytes) => {
    if (pool.length < bytes) pool = randomFillSync(Buffer.alloc(Math.max(poolBytes, bytes)));
    const drawn = pool.subarray(0, bytes);
    pool = pool.subarray(bytes);
    return drawn;
  };
}
