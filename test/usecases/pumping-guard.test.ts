import { expect, test } from "vitest";
import { Faults } from "../../src/domain/faults.ts";
import type { Observation } from "../../src/domain/observation.ts";
import { type PhoneNumber, parsePhoneNumber } from "../../src/domain/phone-number.ts";
import {
  numberPrefix,
  type PrefixTraffic,
  type PrefixTrafficStore,
  shownPrefix,
} from "../../src/domain/pumping.ts";
import { PumpingGuard } from "../../src/usecases/pumping-guard.ts";
import { ManualClock } from "../fakes/manual-clock.ts";

/** What replicas share, in memory; the hour is as long as the test. */
class SharedTraffic implements PrefixTrafficStore {
  readonly totals = new Map<string, PrefixTraffic>();
  #away = false;

  failNext(): void {
    this.#away = true;
  }

  async add(traffic: readonly PrefixTraffic[]): Promise<void> {
    const away = this.#away;
    this.#away = false;
    if (away) throw new Error("the database is away");
    for (const { prefix, messages, completions } of traffic) {
      const before = this.totals.get(prefix) ?? { messages: 0, completions: 0 };
      const sum = { messages: before.messages + messages, completions: before.completions + completions };
      this.totals.set(prefix, { prefix, ...sum });
    }
  }

  async suspected(from: { messages: number; completedShare: number }): Promise<PrefixTraffic[]> {
    return [...this.totals.values()].filter(
      ({ messages, completions }) =>
        messages >= from.messages && completions < messages * from.completedShare,
    );
  }
}

function aGuard(mode: "alert" | "refuse" = "refuse", traffic = new SharedTraffic()) {
  const clock = new ManualClock();
  const observed: Observation[] = [];
  const observer = { observe: (observation: Observation) => void observed.push(observation) };
  const guard = new PumpingGuard({ traffic, clock, observer, mode, homeCountries: new Set(["ES"]) });
  return { guard, clock, traffic, observed };
}

function number(e164: string): PhoneNumber {
  const parsed = parsePhoneNumber(new Faults(), "phone_number", e164);
  if (parsed === undefined) throw new Error(`${e164} is no phone number`);
  return parsed;
}

/** Numbers of one prefix. */
const range = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, n) => `${prefix}${String(n).padStart(4, "0")}`);
const abroad = range("+35191000", 30);
const home = range("+3460000", 30);

async function settled({ guard, clock }: ReturnType<typeof aGuard>): Promise<void> {
  await clock.advance(120_000);
  await guard.exchange();
}

test("many messages to a prefix abroad without completions are refused from then on", async () => {
  const replica = aGuard();
  for (const e164 of abroad.slice(0, 20)) {
    replica.guard.check(number(e164));
    replica.guard.sent(e164);
  }
  await settled(replica);
  expect(() => replica.guard.check(number(abroad[25] ?? ""))).toThrow(
    expect.objectContaining({ reason: "DESTINATION_NOT_ALLOWED" }),
  );
  replica.guard.check(number("+351920000000"));
});

test("fewer messages than that, or one completion in ten, are no reason", async () => {
  const few = aGuard();
  for (const e164 of abroad.slice(0, 19)) few.guard.sent(e164);
  await settled(few);
  few.guard.check(number(abroad[0] ?? ""));

  const some = aGuard();
  for (const e164 of abroad) some.guard.sent(e164);
  for (const e164 of abroad.slice(0, 3)) some.guard.completed(e164);
  await settled(some);
  some.guard.check(number(abroad[0] ?? ""));
});

test("messages whose customers are still typing are no reason", async () => {
  const replica = aGuard();
  for (const e164 of abroad) replica.guard.sent(e164);
  await replica.clock.advance(119_999);
  await replica.guard.exchange();
  replica.guard.check(number(abroad[0] ?? ""));
  expect(replica.observed).toEqual([]);
});

test("the home country is never refused, but an alert tells of it", async () => {
  const replica = aGuard();
  for (const e164 of home) replica.guard.sent(e164);
  await settled(replica);
  replica.guard.check(number(home[0] ?? ""));
  expect(replica.observed).toEqual([
    { type: "pumping_suspected", prefix: "+34600", messages: 30, completions: 0 },
  ]);
});

test("alert refuses nothing", async () => {
  const replica = aGuard("alert");
  for (const e164 of abroad) replica.guard.sent(e164);
  await settled(replica);
  replica.guard.check(number(abroad[0] ?? ""));
  expect(replica.observed).toHaveLength(1);
});

test("a prefix is told of once in ten minutes", async () => {
  const replica = aGuard("alert");
  for (const e164 of abroad) replica.guard.sent(e164);
  await settled(replica);
  for (let minute = 0; minute < 9; minute += 1) {
    await replica.clock.advance(60_000);
    await replica.guard.exchange();
  }
  expect(replica.observed).toHaveLength(1);
  await replica.clock.advance(60_000);
  await replica.guard.exchange();
  expect(replica.observed).toHaveLength(2);
});

test("replicas suspect what they have counted together", async () => {
  const traffic = new SharedTraffic();
  const first = aGuard("refuse", traffic);
  const second = aGuard("refuse", traffic);
  for (const e164 of abroad.slice(0, 12)) first.guard.sent(e164);
  for (const e164 of abroad.slice(12, 24)) second.guard.sent(e164);
  await settled(first);
  first.guard.check(number(abroad[0] ?? ""));
  await settled(second);
  expect(() => second.guard.check(number(abroad[0] ?? ""))).toThrow();
  await settled(first);
  expect(() => first.guard.check(number(abroad[0] ?? ""))).toThrow();
});

test("what could not be added is added later, once", async () => {
  const replica = aGuard();
  for (const e164 of abroad) replica.guard.sent(e164);
  replica.guard.completed(abroad[0] ?? "");
  replica.traffic.failNext();
  await expect(settled(replica)).rejects.toThrow("away");
  await settled(replica);
  await settled(replica);
  expect([...replica.traffic.totals.values()]).toEqual([
    { prefix: "+35191000", messages: 30, completions: 1 },
  ]);
});

test("a refused prefix is open again once the hour has forgotten it", async () => {
  const replica = aGuard();
  for (const e164 of abroad) replica.guard.sent(e164);
  await settled(replica);
  expect(() => replica.guard.check(number(abroad[0] ?? ""))).toThrow();
  replica.traffic.totals.clear();
  await settled(replica);
  replica.guard.check(number(abroad[0] ?? ""));
});

test("a prefix leaves out four digits, and what is shown of it six", () => {
  expect(numberPrefix("+34600000001")).toBe("+3460000");
  expect(shownPrefix("+3460000")).toBe("+34600");
  expect(numberPrefix("+123456789012345")).toBe("+12345678901");
  expect(shownPrefix(numberPrefix("+2901234"))).toBe("+29");
});
