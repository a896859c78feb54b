import type { Clock } from "../domain/clock.ts";
import { Failure } from "../domain/failure.ts";
import {
  type BudgetedMessage,
  type BudgetLimits,
  type BudgetUse,
  type MessageBudget,
  type MessageBudgetStore,
  type PriceTable,
  priceOf,
  type Spending,
} from "../domain/message-budget.ts";
import type { Observer } from "../domain/observation.ts";

interface Deps {
  readonly store: MessageBudgetStore;
  readonly clock: Clock;
  readonly observer: Observer;
  /** Of all callers together. */
  readonly limits: BudgetLimits;
  /** Of one caller. */
  readonly callerLimits: (caller: string) => BudgetLimits;
  readonly prices: PriceTable;
}

/** A share of a budget for one process is used within this time, or is lost to all. */
const keptMs = 60_000;
/** Reserved at once: what the last ten seconds took, so that a busy process asks every ten seconds. */
const paceMs = 10_000;
/** Of a limit at most that much at once: what one process holds, the others must do without. */
const mostShare = 0.01;
/** A process that was refused does not ask again within this time. */
const refusedMs = 1_000;
/** Between two looks at what was spent. */
const lookMs = 15_000;
/** From this share of a limit on, operators are warned, once an hour. */
const warnedShare = 0.8;
const warnAgainMs = 3_600_000;

const all = "all";
const callerScope = (caller: string) => `caller:${caller}`;
const units = ["messages", "micros"] as const;
type Unit = (typeof units)[number];
/** As callers and operators read it. */
const unitName = { messages: "messages", micros: "cost" } as const;

/** Holds budgets over all replicas by shares that each process reserves ahead of use. */
export class SharedMessageBudget implements MessageBudget {
  readonly #deps: Deps;
  readonly #accounts = new Map<string, BudgetAccount>();
  readonly #warnedAt = new Map<string, number>();
  #lookedAt = Number.NEGATIVE_INFINITY;
  #use: readonly BudgetUse[] = [];

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  async take(caller: string, message: BudgetedMessage): Promise<() => void> {
    const price = priceOf(this.#deps.prices, message.provider, message.countries);
    const spending = { messages: 1, micros: price * Math.max(1, message.segments) };
    const own = await this.#account(callerScope(caller), this.#deps.callerLimits(caller)).take(spending);
    try {
      const shared = await this.#account(all, this.#deps.limits).take(spending);
      return () => {
        own();
        shared();
      };
    } catch (refusal) {
      own();
      throw refusal;
    }
  }

  /** What is used of each budget, as of the last look; a caller's is that of the caller who used most of it. */
  get use(): readonly BudgetUse[] {
    return this.#use;
  }

  /** Reads what all replicas have spent, every 15 s at most, and warns of what is nearly used up; a chore of the sweep. */
  async look(): Promise<number> {
    const now = this.#deps.clock.now();
    if (now < this.#lookedAt + lookMs) return 0;
    this.#lookedAt = now;
    const shares = new Map<string, BudgetUse>();
    for (const { scope, spent } of await this.#deps.store.spent()) {
      const caller = scope === all ? undefined : scope.slice(callerScope("").length);
      const limits = caller === undefined ? this.#deps.limits : this.#deps.callerLimits(caller);
      for (const unit of units) {
        if (limits[unit] === 0) continue;
        const use = {
          scope: caller === undefined ? ("all" as const) : ("caller" as const),
          unit: unitName[unit],
          share: spent[unit] / limits[unit],
        };
        const before = shares.get(`${use.scope} ${use.unit}`);
        if (before === undefined || before.share < use.share) shares.set(`${use.scope} ${use.unit}`, use);
        this.#warn({ ...use, caller: caller ?? "" }, now);
      }
    }
    this.#use = [...shares.values()];
    return 0;
  }

  #warn(use: BudgetUse & { readonly caller: string }, now: number): void {
    const key = `${use.scope} ${use.caller} ${use.unit}`;
    if (use.share < warnedShare || now < (this.#warnedAt.get(key) ?? Number.NEGATIVE_INFINITY) + warnAgainMs)
      return;
    this.#warnedAt.set(key, now);
    this.#deps.observer.observe({ type: "budget_nearly_used", ...use });
  }

  #account(scope: string, limits: BudgetLimits): BudgetAccount {
    let account = this.#accounts.get(scope);
    if (account === undefined) {
      account = new BudgetAccount(this.#deps, scope);
      this.#accounts.set(scope, account);
    }
    account.limits = limits;
    return account;
  }
}

const nothing = () => undefined;
const none: Spending = { messages: 0, micros: 0 };

/** What this process may still spend of one budget. One reservation is under way at a time, for all who wait. */
class BudgetAccount {
  readonly #deps: Pick<Deps, "store" | "clock">;
  readonly #scope: string;
  limits: BudgetLimits = none;
  #left = { messages: 0, micros: 0 };
  #leftUntil = 0;
  #wanted = { messages: 0, micros: 0 };
  #taken = { messages: 0, micros: 0 };
  #takenSince = 0;
  #reservation: Promise<void> | undefined;
  #refusal: { readonly unit: Unit; readonly retryAt: number; readonly askAt: number } | undefined;

  constructor(deps: Pick<Deps, "store" | "clock">, scope: string) {
    this.#deps = deps;
    this.#scope = scope;
  }

  async take(spending: Spending): Promise<() => void> {
    if (this.limits.messages === 0 && this.limits.micros === 0) return nothing;
    add(this.#wanted, spending, 1);
    try {
      while (!this.#covers(spending)) {
        const { clock } = this.#deps;
        const refusal = this.#refusal;
        if (refusal !== undefined && clock.now() < refusal.askAt) {
          throw usedUp(this.#scope, refusal.unit, refusal.retryAt - clock.now());
        }
        this.#reservation ??= this.#reserve().finally(() => {
          this.#reservation = undefined;
        });
        await this.#reservation;
      }
      add(this.#left, spending, -1);
      add(this.#taken, spending, 1);
      let spent = true;
      return () => {
        if (spent) add(this.#left, spending, 1);
        spent = false;
      };
    } finally {
      add(this.#wanted, spending, -1);
    }
  }

  #covers(spending: Spending): boolean {
    if (this.#deps.clock.now() >= this.#leftUntil) this.#left = { messages: 0, micros: 0 };
    return units.every((unit) => this.limits[unit] === 0 || this.#left[unit] >= spending[unit]);
  }

  async #reserve(): Promise<void> {
    const { clock, store } = this.#deps;
    const askedAt = clock.now();
    const ahead = this.#ahead(askedAt);
    const asked = { messages: this.#asked("messages", ahead), micros: this.#asked("micros", ahead) };
    const { granted, retryAfterMs } = await store.reserve(this.#scope, asked, this.limits);
    add(this.#left, granted, 1);
    this.#leftUntil = askedAt + keptMs;
    const unit = units.find((one) => granted[one] < asked[one]);
    this.#refusal =
      unit === undefined ? undefined : { unit, retryAt: askedAt + retryAfterMs, askAt: askedAt + refusedMs };
  }

  #asked(unit: Unit, ahead: Spending): number {
    const limit = this.limits[unit];
    if (limit === 0) return 0;
    const more = Math.min(ahead[unit], Math.floor(limit * mostShare));
    return Math.max(0, this.#wanted[unit] - this.#left[unit]) + more;
  }

  /** What the time until the next reservation is likely to take. */
  #ahead(now: number): Spending {
    const pace = paceMs / Math.max(paceMs, now - this.#takenSince);
    const ahead = {
      messages: Math.floor(this.#taken.messages * pace),
      micros: Math.floor(this.#taken.micros * pace),
    };
    if (now - this.#takenSince >= paceMs) {
      this.#taken = { messages: 0, micros: 0 };
      this.#takenSince = now;
    }
    return ahead;
  }
}

function add(sum: { messages: number; micros: number }, spending: Spending, times: number): void {
  sum.messages += times * spending.messages;
  sum.micros += times * spending.micros;
}

function usedUp(scope: string, unit: Unit, retryAfterMs: number): Failure {
  const whose = scope === all ? "" : "caller_";
  return new Failure("RATE_LIMITED", "the day's budget of messages is used up", {
    retryAfterMs: Math.max(1, Math.ceil(retryAfterMs)),
    metadata: { limit: `${whose}${unitName[unit]}_per_day` },
  });
}
