import type { Clock } from "../domain/clock.ts";

export interface BudgetLimits {
  readonly clock: Clock;
  /** Calls that may be made. */
  readonly calls: number;
  /** Milliseconds from the first call within which every other one begins. */
  readonly budgetMs: number;
  /** Milliseconds from now until the code dies. */
  readonly lifeMs: number;
}

/** What one run of calls may use: so many calls, none of them begun too late. */
export class Budget {
  readonly #clock: Clock;
  readonly #budgetMs: number;
  readonly #dies: number;
  #callsLeft: number;
  // Until a call is made the run itself must not wait for longer than the budget either.
  #since: number;
  #begun = false;

  constructor(limits: BudgetLimits) {
    this.#clock = limits.clock;
    this.#budgetMs = limits.budgetMs;
    this.#callsLeft = limits.calls;
    this.#since = limits.clock.now();
    this.#dies = this.#since + limits.lifeMs;
  }

  /** Whether a call may begin `inMs` milliseconds from now. */
  allows(inMs: number): boolean {
    const at = this.#clock.now() + inMs;
    return this.#callsLeft > 0 && at <= this.#since + this.#budgetMs && at < this.#dies;
  }

  /** A call begins now. */
  spend(): void {
    if (!this.#begun) this.#since = this.#clock.now();
    this.#begun = true;
    this.#callsLeft -= 1;
  }

  /** Milliseconds in which a call can still begin, 0 when none may. */
  remainingMs(): number {
    if (this.#callsLeft <= 0) return 0;
    return Math.max(0, Math.min(this.#since + this.#budgetMs, this.#dies) - this.#clock.now());
  }
}
