/** Measures durations and waits; it never tells the time of day, which is the database's to tell. */
export interface Clock {
  /** Monotonic milliseconds. */
  now(): number;
  /** Resolves after `ms`, or rejects with the signal's reason as soon as it fires. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Chance is a port: ids, nonces and jitter are injected. */
export interface Random {
  /** UUIDv7 (RFC 9562). */
  uuid(): string;
  bytes(count: number): Buffer;
  /** From 0 inclusive to 1 exclusive. */
  fraction(): number;
}
