import { ProviderError } from "../domain/provider.ts";

/** The layer of the policy that refused a call before it was begun. */
export type Layer = "budget" | "rate" | "breaker" | "bulkhead";

/**
 * A call that our own policy refused: nothing was begun, recorded or sent. Too many calls at once pass
 * with time, so those two are retryable; an open circuit and a spent budget are not.
 */
export class CallRefused extends ProviderError {
  readonly refusedBy: Layer;

  constructor(provider: string, refusedBy: Layer) {
    const limited = refusedBy === "rate" || refusedBy === "bulkhead";
    super({
      provider,
      providerErrorCode: refusedBy === "breaker" ? "circuit_open" : "other",
      outcome: "not_accepted",
      retryable: limited,
      // The caller hears RATE_LIMITED with limit=provider, not that the provider failed.
      rateLimited: limited,
    });
    this.refusedBy = refusedBy;
  }
}
