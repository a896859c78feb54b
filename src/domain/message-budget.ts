/** Messages and what they cost, in millionths of the price table's currency. */
export interface Spending {
  readonly messages: number;
  readonly micros: number;
}

/** What may be spent in any 24 hours; 0: no limit. */
export type BudgetLimits = Spending;

/** What providers charge for one part of a message, by ISO 3166-1 alpha-2 country; `*` is the price elsewhere. */
export interface PriceTable {
  /** ISO 4217. */
  readonly currency: string;
  /** By provider, then by country; in millionths. */
  readonly micros: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** The dearest of the countries that a number may be in; 0 where there is no price for the provider. */
export function priceOf(prices: PriceTable, provider: string, countries: readonly string[]): number {
  const byCountry = prices.micros[provider];
  if (byCountry === undefined) return 0;
  const elsewhere = byCountry["*"] ?? 0;
  if (countries.length === 0) return elsewhere;
  return Math.max(...countries.map((country) => byCountry[country] ?? elsewhere));
}

/** A message that is about to be sent, as far as its price goes. */
export interface BudgetedMessage {
  readonly provider: string;
  /** Of the number: ISO 3166-1 alpha-2, several where the plan is shared. */
  readonly countries: readonly string[];
  /** Parts that the text is sent and charged in. */
  readonly segments: number;
}

/** How many messages a caller, and all callers together, may have sent a day, over all replicas. */
export interface MessageBudget {
  /**
   * Takes one message out of the budgets.
   * @returns puts it back: nothing was sent
   * @throws Failure RATE_LIMITED where a budget is used up; metadata `limit` names it
   */
  take(caller: string, message: BudgetedMessage): Promise<() => void>;
}

/** Granted to one process out of what all share. */
export interface BudgetGrant {
  /** From none to what was asked for. */
  readonly granted: Spending;
  /** Until something leaves the last 24 hours. */
  readonly retryAfterMs: number;
}

export interface SpentBudget {
  readonly scope: string;
  readonly spent: Spending;
}

/** What all replicas have spent. MUST NOT grant more than the limits in any 24 hours. */
export interface MessageBudgetStore {
  reserve(scope: string, asked: Spending, limits: BudgetLimits): Promise<BudgetGrant>;
  /** Of every scope that has spent anything in the last 24 hours. */
  spent(): Promise<SpentBudget[]>;
}

/** The largest share of a budget that is used, by whose it is and what it counts. */
export interface BudgetUse {
  readonly scope: "all" | "caller";
  readonly unit: "messages" | "cost";
  readonly share: number;
}
