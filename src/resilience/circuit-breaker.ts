import {
  type CircuitBreakerPolicy,
  CircuitState,
  CountBreaker,
  circuitBreaker,
  handleWhenResult,
  type IBackoff,
  type IBreaker,
  type IHalfOpenAfterBackoffContext,
} from "cockatiel";
import type { Clock } from "../domain/clock.ts";
import { CallRefused } from "./call-refused.ts";

export type BreakerState = "closed" | "open" | "half_open" | "isolated";

export interface BreakerSettings {
  /** Share of faults, above 0 and at most 1, at which the circuit opens. */
  readonly failureRate: number;
  /** Calls in the window before the share means anything; at most `windowCalls`. */
  readonly minCalls: number;
  /** The last so many calls are looked at. */
  readonly windowCalls: number;
  /** Milliseconds until one call is let through on trial. */
  readonly openMs: number;
}

export interface BreakerDeps {
  readonly clock: Clock;
  readonly provider: string;
  /** Undefined: never opens by itself, but can be isolated. */
  readonly settings: BreakerSettings | undefined;
  /** `since`: when the state began, by the monotonic clock. */
  readonly onChange?: (state: BreakerState, since: number) => void;
}

/**
 * What an error says about the provider. `fault`: it does not work; `answered`: it works and refused;
 * `nothing`: it was not asked, or we stopped the call ourselves.
 */
export type Verdict = "fault" | "answered" | "nothing";

type Ended<T> = { value: T } | { error: unknown; verdict: Verdict };

const names = {
  [CircuitState.Closed]: "closed",
  [CircuitState.Open]: "open",
  [CircuitState.HalfOpen]: "half_open",
  [CircuitState.Isolated]: "isolated",
} satisfies Record<CircuitState, BreakerState>;

const neverOpens: IBreaker = { state: undefined, success() {}, failure: () => false };

/**
 * cockatiel's circuit breaker over the last calls, fitted to our rules: its wall clock is replaced by ours
 * through the backoff's duration (a clock set back would keep the circuit open for as long); a call that
 * comes during another's trial is refused instead of waiting for it; a trial that says nothing about the
 * provider leaves the next call to be the trial, where cockatiel would close.
 */
export class CircuitBreaker {
  readonly #deps: BreakerDeps;
  #policy: CircuitBreakerPolicy;
  #since: number;
  #trialAt = 0;

  constructor(deps: BreakerDeps) {
    this.#deps = deps;
    this.#since = deps.clock.now();
    this.#policy = this.#build();
  }

  /** It stays `open` until a call comes after `openMs`; ask isAvailable() whether one may. */
  state(): BreakerState {
    return names[this.#policy.state];
  }

  /** When the state began, by the monotonic clock. */
  get since(): number {
    return this.#since;
  }

  /** False while a call would be refused. */
  isAvailable(): boolean {
    const state = this.#policy.state;
    return state === CircuitState.Closed || (state === CircuitState.Open && this.#trialIsDue());
  }

  /** An operator stops all calls until close(). */
  isolate(): void {
    if (this.#policy.state !== CircuitState.Isolated) this.#policy.isolate();
  }

  /** An operator lets calls through again, with an empty window; calls in flight no longer count. */
  close(): void {
    if (this.#policy.state === CircuitState.Closed) return;
    this.#policy = this.#build();
    this.#changed("closed");
  }

  /**
   * Makes the call and counts how it ended.
   * @throws CallRefused (circuit_open) without making it
   */
  async run<T>(call: () => Promise<T>, judge: (error: unknown) => Verdict): Promise<T> {
    if (!this.isAvailable()) throw new CallRefused(this.#deps.provider, "breaker");
    const trial = this.#policy.state !== CircuitState.Closed;
    const ended = await this.#policy.execute(async (): Promise<Ended<T>> => {
      try {
        return { value: await call() };
      } catch (error) {
        const verdict = judge(error);
        // Thrown errors are not counted, unless they end a trial: cockatiel takes those for a success.
        if (verdict === "nothing" && !trial) throw error;
        return { error, verdict };
      }
    });
    if ("error" in ended) throw ended.error;
    return ended.value;
  }

  #build(): CircuitBreakerPolicy {
    const settings = this.#deps.settings;
    const policy = circuitBreaker(handleWhenResult(isFailure), {
      breaker: settings === undefined ? neverOpens : countBreaker(settings),
      halfOpenAfter: { next: (context) => this.#reopen(context) },
    });
    policy.onStateChange((state) => {
      if (policy === this.#policy) this.#changed(names[state]);
    });
    return policy;
  }

  #reopen(context: IHalfOpenAfterBackoffContext): IBackoff<IHalfOpenAfterBackoffContext> {
    const undecided = "value" in context.result && verdictOf(context.result.value) === "nothing";
    this.#trialAt = this.#deps.clock.now() + (undecided ? 0 : (this.#deps.settings?.openMs ?? 0));
    const trialIsDue = () => this.#trialIsDue();
    return {
      // cockatiel compares it with wall time; infinity either way leaves the decision to our clock.
      get duration() {
        return trialIsDue() ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
      },
      next: (again) => this.#reopen(again),
    };
  }

  #trialIsDue(): boolean {
    return this.#deps.clock.now() >= this.#trialAt;
  }

  #changed(state: BreakerState): void {
    this.#since = this.#deps.clock.now();
    this.#deps.onChange?.(state, this.#since);
  }
}

function countBreaker({ failureRate, windowCalls, minCalls }: BreakerSettings): CountBreaker {
  // cockatiel opens above its threshold and takes none of 1; the rate itself is to open, up to "all of them".
  const threshold = failureRate * (1 - 1e-9);
  return new CountBreaker({ threshold, size: windowCalls, minimumNumberOfCalls: minCalls });
}

function verdictOf(ended: unknown): Verdict | undefined {
  return typeof ended === "object" && ended !== null && "verdict" in ended
    ? (ended.verdict as Verdict)
    : undefined;
}

function isFailure(ended: unknown): boolean {
  const verdict = verdictOf(ended);
  return verdict === "fault" || verdict === "nothing";
}
