import { AsyncLocalStorage } from "node:async_hooks";

/** What the provider took of a call so far. */
export interface ProviderTime {
  /** Milliseconds, of create calls that have ended; undefined before the first has. */
  ms: number | undefined;
}

const waiting = new AsyncLocalStorage<ProviderTime>();

/** Runs a call's work; what it waits for the provider is added to `time`. */
export function timingProvider<T>(time: ProviderTime, work: () => T): T {
  return waiting.run(time, work);
}

/** Adds to the call whose work this is, if any: sweeps call the provider, too. */
export function addProviderTime(ms: number): void {
  const time = waiting.getStore();
  if (time !== undefined) time.ms = (time.ms ?? 0) + ms;
}
