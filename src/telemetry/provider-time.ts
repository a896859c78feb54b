import { type Context, context, createContextKey } from "@opentelemetry/api";

/** What a call waited for the provider so far. */
export interface ProviderTime {
  /** Milliseconds; undefined until the provider was called. */
  ms: number | undefined;
}

const key = createContextKey("provider time");

export function withProviderTime(parent: Context, time: ProviderTime): Context {
  return parent.setValue(key, time);
}

/** Adds to the call in whose context the provider was called, if any: sweeps call it, too. */
export function addProviderTime(ms: number): void {
  const time = context.active().getValue(key) as ProviderTime | undefined;
  if (time !== undefined) time.ms = (time.ms ?? 0) + ms;
}
