/** Measures durations and waits; the same shape as the domain's clock. */
export interface VaultClock {
  /** Monotonic milliseconds. */
  now(): number;
  /** Resolves after `ms`, or rejects with the signal's reason as soon as it fires. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export interface VaultRandom {
  /** From 0 inclusive to 1 exclusive. */
  fraction(): number;
}

/** The longest setTimeout; a longer one fires at once. Vault's default lease of 768 h is longer. */
const longestTimerMs = 2 ** 31 - 1;

export async function sleepLong(clock: VaultClock, ms: number, signal: AbortSignal): Promise<void> {
  const end = clock.now() + ms;
  for (let left = ms; left > 0; left = end - clock.now()) {
    await clock.sleep(Math.min(left, longestTimerMs), signal);
  }
}

/** Doubles with each attempt, counted from 0, up to `mostMs`; between half of it and the whole by chance. */
export function backoffMs(attempt: number, firstMs: number, mostMs: number, random: VaultRandom): number {
  const full = Math.min(mostMs, firstMs * 2 ** Math.min(attempt, 30));
  return full * (0.5 + random.fraction() / 2);
}

/** `ms` more or less a tenth by chance, so that replicas started together do not ask together. */
export function jittered(ms: number, random: VaultRandom): number {
  return ms * (0.9 + random.fraction() / 5);
}
