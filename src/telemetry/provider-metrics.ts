import type { ProviderOutcome } from "../domain/provider.ts";
import type { Instruments } from "./instruments.ts";
import type { Logger } from "./logger.ts";
import { boundedErrorCode } from "./provider-error-code.ts";
import { addProviderTime } from "./provider-time.ts";

type BreakerState = "closed" | "open" | "half_open" | "isolated";

/** What the policy around Twilio tells; its create calls only. */
export interface ProviderMetrics {
  onCall(call: {
    readonly outcome: "accepted" | ProviderOutcome;
    readonly errorCode: string | undefined;
    /** Milliseconds. */
    readonly durationMs: number;
  }): void;
  onRefused(refusal: {
    readonly refusedBy: "budget" | "rate" | "breaker" | "bulkhead";
    readonly errorCode: string;
  }): void;
  onBreaker(state: BreakerState): void;
}

interface Deps {
  readonly instruments: Instruments;
  readonly logger: Logger;
  readonly provider: string;
}

/** Counts and measures create calls, for their call's access line, too; look-ups, redaction and feedback are none. */
export function providerMetrics({ instruments, logger, provider }: Deps): ProviderMetrics {
  return {
    onCall({ outcome, errorCode, durationMs }) {
      addProviderTime(durationMs);
      const accepted = outcome === "accepted";
      instruments.providerLatency.record(durationMs / 1000, { status: accepted ? "success" : "error" });
      instruments.callOutcomes.add(1, { outcome });
      if (!accepted) instruments.providerErrors.add(1, { error_code: boundedErrorCode(errorCode) });
    },
    onRefused({ refusedBy }) {
      instruments.callsHeldBack.add(1, { layer: refusedBy });
      // Only an open circuit speaks of the provider; the other layers are limits of our own.
      if (refusedBy === "breaker") instruments.providerErrors.add(1, { error_code: "circuit_open" });
    },
    onBreaker(state) {
      if (state === "closed") logger.info("circuit breaker changed", { provider, state });
      else logger.warn("circuit breaker changed", { provider, state });
    },
  };
}
