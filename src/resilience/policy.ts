import type { Clock, Random } from "../domain/clock.ts";
import { ProviderError, type ProviderOutcome, type ProviderResult } from "../domain/provider.ts";
import type { Resolution, SendingPlan, SendingPolicy } from "../domain/sending-policy.ts";
import { Budget } from "./budget.ts";
import { Bulkhead } from "./bulkhead.ts";
import { CallRefused, type Layer } from "./call-refused.ts";
import { type BreakerSettings, type BreakerState, CircuitBreaker, type Verdict } from "./circuit-breaker.ts";
import type { RateLimit } from "./rate.ts";
import { withTimeout } from "./timeout.ts";

/** Milliseconds that a call waits at most for a place among those in flight. */
const maxPlaceWaitMs = 1000;

/** Told of what happens, for metrics and logs. It MUST NOT throw. */
export interface PolicyListener {
  /** A create call ended. `errorCode` is undefined where it was accepted; begin() is not in the duration. */
  onCall?(call: {
    readonly outcome: "accepted" | ProviderOutcome;
    readonly errorCode: string | undefined;
    readonly durationMs: number;
  }): void;
  /** A create call was refused without being begun. */
  onRefused?(refusal: { readonly refusedBy: Layer; readonly errorCode: string }): void;
  /** `since`: when the state began, by the monotonic clock. */
  onBreaker?(state: BreakerState, since: number): void;
}

export interface CallPolicyOptions {
  /** The provider's name, for the errors that the policy itself makes. */
  readonly provider: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly rate: RateLimit;
  /** Per create call, the body included. */
  readonly timeoutMs: number;
  /** Per look-up, redaction or feedback. */
  readonly askTimeoutMs: number;
  /** One wait before each further call, before jitter. */
  readonly retryDelaysMs: readonly number[];
  /** No call begins later than this after the first. */
  readonly budgetMs: number;
  /** Whether a call that was looked up and is absent at the provider is made again. */
  readonly retryUnknown: boolean;
  readonly maxInFlight: number;
  /** Undefined: no breaker. */
  readonly breaker: BreakerSettings | undefined;
  readonly listener?: PolicyListener;
}

/**
 * The policy around one provider: budget → retry → rate → breaker → bulkhead → timeout, outermost first.
 *
 * Retrying is a loop of ours and not cockatiel's: an unknown outcome is resolved between two calls, a wait
 * ends when the signal fires, and there is none that the budget has no room for; its retry knows none of it.
 */
export class CallPolicy implements SendingPolicy {
  /** Its state for metrics and health, and the operator's override. */
  readonly breaker: CircuitBreaker;
  /** How many calls are in flight and how many wait, for metrics. */
  readonly bulkhead: Bulkhead;
  readonly #options: CallPolicyOptions;

  constructor(options: CallPolicyOptions) {
    const { clock, provider, maxInFlight, listener } = options;
    this.#options = options;
    this.bulkhead = new Bulkhead({ clock, provider, maxInFlight });
    this.breaker = new CircuitBreaker({
      clock,
      provider,
      settings: options.breaker,
      onChange: (state, since) => listener?.onBreaker?.(state, since),
    });
  }

  /** False while calls would be refused without being made. */
  isAvailable(): boolean {
    return this.breaker.isAvailable();
  }

  /**
   * Makes calls until one is accepted, refused for good, or the budget is used up. An error that is not a
   * ProviderError ends the run at once and says nothing about the provider.
   * @throws ProviderError the last one. An unknown outcome that was found absent is thrown as `not_accepted`.
   * @throws LeaseLost where the right to call was lost
   * @throws the signal's reason where it fired between two calls
   */
  async send(plan: SendingPlan, signal: AbortSignal): Promise<ProviderResult> {
    const { clock, budgetMs, retryDelaysMs } = this.#options;
    const budget = new Budget({ clock, calls: plan.callsLeft, budgetMs, lifeMs: plan.lifeMs });
    let last: ProviderError | undefined;
    let retries = 0;
    let mayRefresh = true;
    for (;;) {
      try {
        return await this.#attempt(plan, budget, signal);
      } catch (error) {
        if (!(error instanceof ProviderError)) throw error;
        if (!(error instanceof CallRefused)) await plan.failed(error);
        else if (error.refusedBy === "budget") throw last ?? error;
        last = error;
      }
      if (last.outcome === "unknown") {
        const resolution = await this.#resolve(plan, last, signal);
        if (typeof resolution === "object") return resolution;
        if (resolution === "unknown" || !this.#options.retryUnknown) throw last;
        last = absent(last);
      }
      if (last.credentialsRefused && mayRefresh && budget.allows(0)) {
        mayRefresh = false;
        // That the secrets cannot be read changes nothing about the refusal.
        if (await plan.refreshCredentials().catch(() => false)) continue;
      }
      const delayMs = retryDelaysMs[retries++];
      if (!last.retryable || delayMs === undefined) throw last;
      const waitMs = Math.max(this.#jitter(delayMs), last.retryAfterMs ?? 0);
      if (!budget.allows(waitMs) || !plan.mayWait(waitMs)) throw last;
      await clock.sleep(waitMs, signal);
    }
  }

  /**
   * Any other call to the provider: a place after all waiting sends, its own timeout, no retry.
   * @throws CallRefused where no place became free within 1 s; ProviderError "timeout"
   */
  ask<T>(call: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    const { askTimeoutMs } = this.#options;
    return this.bulkhead.run(
      "ask",
      maxPlaceWaitMs,
      () => withTimeout({ ...this.#options, timeoutMs: askTimeoutMs }, call, signal),
      signal,
    );
  }

  /** One call through rate, breaker, bulkhead and timeout. */
  async #attempt(plan: SendingPlan, budget: Budget, signal: AbortSignal): Promise<ProviderResult> {
    const { provider, rate } = this.#options;
    const inBudget = () => {
      signal.throwIfAborted();
      if (!budget.allows(0)) throw new CallRefused(provider, "budget");
    };
    try {
      inBudget();
      if (!(await rate.acquire(signal))) throw new CallRefused(provider, "rate");
      return await this.breaker.run(
        () =>
          this.bulkhead.run(
            "send",
            Math.min(maxPlaceWaitMs, budget.remainingMs()),
            async () => {
              inBudget();
              budget.spend();
              const permit = await plan.begin();
              return await this.#observe(() =>
                withTimeout(this.#options, (stop) => plan.call(permit, stop), signal),
              );
            },
            signal,
          ),
        (error) => (signal.aborted ? "nothing" : judge(error)),
      );
    } catch (error) {
      if (error instanceof CallRefused) {
        this.#options.listener?.onRefused?.({
          refusedBy: error.refusedBy,
          errorCode: error.providerErrorCode,
        });
      }
      throw error;
    }
  }

  async #observe(call: () => Promise<ProviderResult>): Promise<ProviderResult> {
    const { clock, listener } = this.#options;
    const begun = clock.now();
    const ended = (outcome: "accepted" | ProviderOutcome, errorCode: string | undefined) =>
      listener?.onCall?.({ outcome, errorCode, durationMs: clock.now() - begun });
    try {
      const result = await call();
      ended("accepted", undefined);
      return result;
    } catch (error) {
      if (error instanceof ProviderError) ended(error.outcome, error.providerErrorCode);
      throw error;
    }
  }

  // Only a look-up can make a call known: one that fails leaves it unknown, whatever its own error says.
  async #resolve(plan: SendingPlan, error: ProviderError, signal: AbortSignal): Promise<Resolution> {
    if (signal.aborted) return "unknown";
    try {
      return await plan.resolve(error, signal);
    } catch (cause) {
      if (cause instanceof ProviderError || signal.aborted) return "unknown";
      throw cause;
    }
  }

  /** From half of the wait to all of it, so that calls that failed together do not come back together. */
  #jitter(delayMs: number): number {
    return delayMs * (0.5 + this.#options.random.fraction() / 2);
  }
}

/**
 * Faults are the provider's own: outcomes unknown, 429, no connection. A refusal, of a number or of our
 * account and credentials, was answered as it should be: opening would only hide its code.
 */
function judge(error: unknown): Verdict {
  if (!(error instanceof ProviderError) || error instanceof CallRefused) return "nothing";
  return error.outcome === "unknown" || error.retryable ? "fault" : "answered";
}

function absent(error: ProviderError): ProviderError {
  return new ProviderError({
    provider: error.provider,
    providerErrorCode: error.providerErrorCode,
    outcome: "not_accepted",
    retryable: true,
    ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
    cause: error,
  });
}
