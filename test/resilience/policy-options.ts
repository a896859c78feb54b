import type { CallPolicyOptions } from "../../src/resilience/policy.ts";
import { UnlimitedRate } from "../../src/resilience/rate.ts";
import type { ManualClock } from "../fakes/manual-clock.ts";

/** The default configuration without a breaker, with waits as long as jitter makes them. */
export function policyOptions(
  clock: ManualClock,
  changes: Partial<CallPolicyOptions> = {},
): CallPolicyOptions {
  return {
    provider: "twilio",
    clock,
    random: { uuid: () => "", bytes: (count) => Buffer.alloc(count), fraction: () => 1 },
    rate: new UnlimitedRate(),
    timeoutMs: 5000,
    askTimeoutMs: 5000,
    retryDelaysMs: [500, 1000, 2000],
    budgetMs: 15_000,
    retryUnknown: true,
    maxInFlight: 1000,
    breaker: undefined,
    ...changes,
  };
}
