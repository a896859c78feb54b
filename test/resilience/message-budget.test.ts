import { describe, expect, test } from "vitest";
import type {
  BudgetGrant,
  BudgetLimits,
  MessageBudgetStore,
  Spending,
  SpentBudget,
} from "../../src/domain/message-budget.ts";
import type { Observation } from "../../src/domain/observation.ts";
import { SharedMessageBudget } from "../../src/resilience/message-budget.ts";
import { ManualClock } from "../fakes/manual-clock.ts";
import { failureOf } from "../support/domain.ts";

/** What replicas share, in memory; its day never ends. */
class SharedSpending implements MessageBudgetStore {
  readonly scopes = new Map<string, { messages: number; micros: number }>();
  reservations = 0;

  async reserve(scope: string, asked: Spending, limits: BudgetLimits): Promise<BudgetGrant> {
    this.reservations += 1;
    const spent = this.scopes.get(scope) ?? { messages: 0, micros: 0 };
    const room = (unit: "messages" | "micros") =>
      limits[unit] === 0 ? asked[unit] : Math.max(0, Math.min(asked[unit], limits[unit] - spent[unit]));
    const granted = { messages: room("messages"), micros: room("micros") };
    this.scopes.set(scope, {
      messages: spent.messages + granted.messages,
      micros: spent.micros + granted.micros,
    });
    return { granted, retryAfterMs: 3_600_000 };
  }

  async spent(): Promise<SpentBudget[]> {
    return [...this.scopes].map(([scope, spent]) => ({ scope, spent }));
  }
}

const prices = { currency: "EUR", micros: { twilio: { "*": 90_000, ES: 60_000 } } };
const toSpain = { provider: "twilio", countries: ["ES"], segments: 1 };

function aBudget(
  limits: { all?: Partial<BudgetLimits>; caller?: Partial<BudgetLimits> },
  store = new SharedSpending(),
) {
  const clock = new ManualClock();
  const observed: Observation[] = [];
  const budget = new SharedMessageBudget({
    ...{ store, clock, prices, observer: { observe: (observation) => void observed.push(observation) } },
    limits: { messages: 0, micros: 0, ...limits.all },
    callerLimits: () => ({ messages: 0, micros: 0, ...limits.caller }),
  });
  /** How many of so many messages are refused. */
  const refusals = async (times: number, caller = "payments", message = toSpain) => {
    let refused = 0;
    for (let n = 0; n < times; n += 1) {
      await budget.take(caller, message).catch(() => {
        refused += 1;
      });
    }
    return refused;
  };
  return { budget, store, clock, observed, refusals };
}

describe("a budget of messages", () => {
  test("is refused by name once it is used up, over all replicas", async () => {
    const store = new SharedSpending();
    const [one, other] = [
      aBudget({ all: { messages: 1000 } }, store),
      aBudget({ all: { messages: 1000 } }, store),
    ];
    const refused = (await one.refusals(600)) + (await other.refusals(600));
    // One percent may lie unused in the other process.
    expect(refused).toBeGreaterThanOrEqual(200);
    expect(refused).toBeLessThanOrEqual(210);
    expect(await failureOf(() => other.budget.take("payments", toSpain))).toMatchObject({
      reason: "RATE_LIMITED",
      metadata: { limit: "messages_per_day" },
      retryAfterMs: 3_600_000,
    });
  });

  test("of a caller leaves the others theirs", async () => {
    const { budget, refusals } = aBudget({ caller: { messages: 5 } });
    expect(await refusals(8)).toBe(3);
    expect(await refusals(5, "cards")).toBe(0);
    expect(await failureOf(() => budget.take("payments", toSpain))).toMatchObject({
      metadata: { limit: "caller_messages_per_day" },
    });
  });

  test("gets back what was not sent, the caller's own too where that of all is used up", async () => {
    const { budget, refusals, store } = aBudget({ all: { messages: 2 }, caller: { messages: 3 } });
    for (let n = 0; n < 10; n += 1) (await budget.take("payments", toSpain))();
    expect(await refusals(2)).toBe(0);
    expect(await refusals(5)).toBe(5);
    expect(store.scopes.get("caller:payments")?.messages).toBeLessThanOrEqual(3);
  });

  test("gets back once only, however often it is said", async () => {
    const { budget, refusals } = aBudget({ all: { messages: 2 } });
    const putBack = await budget.take("payments", toSpain);
    putBack();
    putBack();
    expect(await refusals(3)).toBe(1);
  });

  test("asks the database once a second at most while it is used up", async () => {
    const { clock, refusals, store } = aBudget({ all: { messages: 1 } });
    await refusals(500);
    expect(store.reservations).toBeLessThanOrEqual(3);
    const before = store.reservations;
    await clock.advance(1_000);
    await refusals(500);
    expect(store.reservations).toBe(before + 1);
  });

  test("of a busy process is reserved ahead, and not kept for longer than a minute", async () => {
    const { clock, refusals, store } = aBudget({ all: { messages: 1_000_000 } });
    for (let second = 0; second < 60; second += 1) {
      await refusals(10);
      await clock.advance(1_000);
    }
    expect(store.reservations).toBeLessThan(60);
    const reserved = store.scopes.get("all")?.messages ?? 0;
    await clock.advance(60_000);
    await refusals(1);
    expect(store.scopes.get("all")?.messages).toBeGreaterThan(reserved);
  });

  test("calls at the same time share a reservation", async () => {
    const { budget, store } = aBudget({ all: { messages: 10 } });
    const calls = Array.from({ length: 12 }, () => budget.take("payments", toSpain));
    const ends = await Promise.allSettled(calls);
    expect(ends.filter(({ status }) => status === "fulfilled")).toHaveLength(10);
    expect(store.reservations).toBeLessThanOrEqual(3);
  });
});

describe("a budget of money", () => {
  test("counts the dearest country that a number may be in, and each part of the message", async () => {
    const spent = async (message: typeof toSpain) => {
      const { budget, store } = aBudget({ all: { micros: 10_000_000 } });
      await budget.take("payments", message);
      return store.scopes.get("all")?.micros ?? 0;
    };
    expect(await spent(toSpain)).toBe(60_000);
    expect(await spent({ ...toSpain, segments: 2 })).toBe(120_000);
    expect(await spent({ ...toSpain, countries: ["ES", "PT"] })).toBe(90_000);
    expect(await spent({ ...toSpain, countries: [] })).toBe(90_000);
    expect(await spent({ ...toSpain, provider: "free" })).toBe(0);
  });

  test("is refused where the price does not fit any more", async () => {
    const { budget, refusals } = aBudget({ caller: { micros: 200_000 } });
    expect(await refusals(3)).toBe(0);
    expect(await failureOf(() => budget.take("payments", toSpain))).toMatchObject({
      metadata: { limit: "caller_cost_per_day" },
    });
  });
});

test("80 % of a budget warns once an hour, and the share is there for the gauge", async () => {
  const { budget, clock, observed, refusals } = aBudget({ all: { messages: 10 }, caller: { messages: 10 } });
  await refusals(7);
  await budget.look();
  expect(observed).toEqual([]);
  await refusals(1);
  await refusals(1, "cards");
  await budget.look();
  expect(observed).toEqual([]);
  await clock.advance(15_000);
  await budget.look();
  expect(observed).toEqual([
    { type: "budget_nearly_used", scope: "caller", caller: "payments", unit: "messages", share: 0.8 },
    { type: "budget_nearly_used", scope: "all", caller: "", unit: "messages", share: 0.9 },
  ]);
  expect(budget.use).toEqual([
    { scope: "caller", unit: "messages", share: 0.8 },
    { scope: "all", unit: "messages", share: 0.9 },
  ]);
  await clock.advance(3_599_000);
  await budget.look();
  expect(observed).toHaveLength(2);
  await clock.advance(16_000);
  await budget.look();
  expect(observed).toHaveLength(4);
});
