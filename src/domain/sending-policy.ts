import type { CallPermit, ProviderError, ProviderResult } from "./provider.ts";

/** What became of an unknown outcome: found at the provider, proven absent, or still not known. */
export type Resolution = ProviderResult | "absent" | "unknown";

/** One run of calls for one challenge. */
export interface SendingPlan {
  /** Calls that may still be made, the next included. */
  readonly callsLeft: number;
  /** Milliseconds until the code dies, when the plan is made: no call begins later. */
  readonly lifeMs: number;
  /**
   * Commits the start of a call: its number, its time and the renewed lease. Called once the call is
   * certain to be made next.
   * @throws LeaseLost where the call may not be made
   */
  begin(): Promise<CallPermit>;
  /** Whether the right to call lasts for a wait of so many milliseconds before the next call. */
  mayWait(ms: number): boolean;
  /** Makes the call that was begun. @throws ProviderError for every end but acceptance */
  call(permit: CallPermit, signal: AbortSignal): Promise<ProviderResult>;
  /** A call ended with a refusal or without a known outcome; for the record. */
  failed(error: ProviderError): Promise<void>;
  /** Finds out what an unknown call did, before anything else is sent. */
  resolve(error: ProviderError, signal: AbortSignal): Promise<Resolution>;
  /** Reads the credentials again after the provider refused them. True: one more call is worth it. */
  refreshCredentials(): Promise<boolean>;
}

/** The rules that every call to a provider obeys: budget, retry, rate, breaker, bulkhead, timeout. */
export interface SendingPolicy {
  /**
   * Makes calls until one is accepted, refused for good, or the budget is used up.
   * @throws ProviderError the last one; `unknown` where a call may have been taken and nobody could tell
   * @throws LeaseLost where the right to call was lost on the way
   */
  send(plan: SendingPlan, signal: AbortSignal): Promise<ProviderResult>;
  /** Any other call to the provider: bounded like the rest, after sends, and never a reason to open the breaker. */
  ask<T>(call: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T>;
}
