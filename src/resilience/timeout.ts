import type { Clock } from "../domain/clock.ts";
import { LeaseLost, ProviderError } from "../domain/provider.ts";

/** Milliseconds that a stopped call has to say what it did; part of the half second by which a lease is longer. */
const graceMs = 100;

/** Ends the waits beside a call. A signal that fires without a reason makes an error with a stack for each call. */
const over = new Error("the call has ended");

export interface TimeoutLimits {
  readonly clock: Clock;
  readonly provider: string;
  readonly timeoutMs: number;
}

/**
 * Makes a call that is stopped, by its signal, after `timeoutMs` or when the outer signal fires. What the
 * call then says itself stands: it alone knows whether bytes were written. A call that says nothing within
 * 100 ms, or only echoes the signal, is given up as `unknown`.
 *
 * Not cockatiel's timeout: that one either waits for a call that ignores its signal, or outruns the call's
 * own error with a bare TaskCancelledError; it tells no timeout from a cancellation, and runs on global timers.
 *
 * @throws ProviderError `unknown`, "timeout" (or "other" when cancelled)
 */
export async function withTimeout<T>(
  limits: TimeoutLimits,
  call: (signal: AbortSignal) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  signal.throwIfAborted();
  const stop = new AbortController();
  const ended = new AbortController();
  const silent = Promise.withResolvers<never>();
  const end = (reason: unknown) => {
    if (stop.signal.aborted) return;
    stop.abort(reason);
    limits.clock.sleep(graceMs, ended.signal).then(
      () => silent.reject(reason),
      () => {},
    );
  };
  const cancel = () => end(signal.reason);
  signal.addEventListener("abort", cancel, { once: true });
  limits.clock.sleep(limits.timeoutMs, ended.signal).then(
    () => end(new DOMException("the provider call timed out", "TimeoutError")),
    () => {},
  );

  try {
    return await Promise.race([call(stop.signal), silent.promise]);
  } catch (error) {
    if (error instanceof ProviderError || error instanceof LeaseLost || !stop.signal.aborted) throw error;
    throw new ProviderError({
      provider: limits.provider,
      providerErrorCode: signal.aborted ? "other" : "timeout",
      outcome: "unknown",
      retryable: true,
    });
  } finally {
    ended.abort(over);
    signal.removeEventListener("abort", cancel);
  }
}
