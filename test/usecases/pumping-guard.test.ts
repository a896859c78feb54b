import { describe, expect, test } from "vitest";
import { Faults } from "../../src/domain/faults.ts";
import type { Observation } from "../../src/domain/observation.ts";
import { type PhoneNumber, parsePhoneNumber } from "../../src/domain/phone-number.ts";
import { numberPrefix, shownPrefix } from "../../src/domain/pumping.ts";
import { PumpingGuard } from "../../src/usecases/pumping-guard.ts";
import { FakeTrafficStore } from "../fakes/fake-traffic-store.ts";
import { ManualClock } from "../fakes/manual-clock.ts";

function aGuard(mode: "alert" | "refuse" = "refuse", traffic = new FakeTrafficStore()) {
  const clock = new ManualClock();
  const observed: Observation[] = [];
  const observer = { observe: (observation: Observation) => void observed.push(observation) };
  const pumping = new PumpingGuard({ traffic, clock, observer, mode, homeCountries: new Set(["ES"]) });
  const guard = {
    check: (to: PhoneNumber, caller = "payments") => pumping.check(to, caller),
    sent: (e164: string, caller = "payments") => pumping.sent(number(e164), caller),
    completed: (e164: string, caller = "payments") => pumping.completed(number(e164), caller),
    exchange: () => pumping.exchange(),
  };
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
    { type: "pumping_suspected", kind: "prefix", name: "+34600", messages: 30, completions: 0 },
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
  const traffic = new FakeTrafficStore();
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
  expect([...replica.traffic.prefixes.values()]).toEqual([
    { prefix: "+35191000", country: "PT", messages: 30, completions: 1 },
  ]);
});

test("a refused prefix is open again once the hour has forgotten it", async () => {
  const replica = aGuard();
  for (const e164 of abroad) replica.guard.sent(e164);
  await settled(replica);
  expect(() => replica.guard.check(number(abroad[0] ?? ""))).toThrow();
  replica.traffic.prefixes.clear();
  await settled(replica);
  replica.guard.check(number(abroad[0] ?? ""));
});

test("a prefix leaves out four digits, and what is shown of it six", () => {
  expect(numberPrefix("+34600000001")).toBe("+3460000");
  expect(shownPrefix("+3460000")).toBe("+34600");
  expect(numberPrefix("+123456789012345")).toBe("+12345678901");
  expect(shownPrefix(numberPrefix("+2901234"))).toBe("+29");
});

/** Sends so many messages a second until the guard refuses one, with a share that is completed 20 s later. */
async function pump(
  replica: ReturnType<typeof aGuard>,
  numbers: (n: number) => string,
  { perSecond, seconds, completeEvery }: { perSecond: number; seconds: number; completeEvery: number },
): Promise<number> {
  const completions: { at: number; e164: string }[] = [];
  let sent = 0;
  for (let second = 0; second < seconds; second += 1) {
    for (let n = 0; n < perSecond; n += 1) {
      const e164 = numbers(sent);
      try {
        replica.guard.check(number(e164));
      } catch {
        return sent;
      }
      replica.guard.sent(e164);
      sent += 1;
      if (sent % completeEvery === 0) completions.push({ at: second + 20, e164 });
    }
    while ((completions[0]?.at ?? Number.POSITIVE_INFINITY) <= second)
      replica.guard.completed(completions.shift()!.e164);
    await replica.clock.advance(1_000);
    await replica.guard.exchange();
  }
  return Number.POSITIVE_INFINITY;
}

describe("an attacker", () => {
  const oneRange = (n: number) => `+35191000${String(n % 10_000).padStart(4, "0")}`;
  const nineteenPerRange = (n: number) =>
    `+3519${String(Math.floor(n / 19)).padStart(4, "1")}${String(n % 19).padStart(4, "0")}`;

  test("who pumps one range fast is refused before the messages settle", async () => {
    expect(await pump(aGuard(), oneRange, { perSecond: 10, seconds: 600, completeEvery: 1e9 })).toBe(40);
  });

  test("who completes one in eight is refused all the same", async () => {
    const sent = await pump(aGuard(), oneRange, { perSecond: 1, seconds: 3_600, completeEvery: 8 });
    expect(sent).toBeLessThan(200);
  });

  test("who stays below every range's bound is refused by the country's small ranges together", async () => {
    const sent = await pump(aGuard(), nineteenPerRange, { perSecond: 1, seconds: 3_600, completeEvery: 1e9 });
    expect(sent).toBeLessThan(300);
  });

  test("who spreads over countries is refused as a caller; the other callers go on", async () => {
    const replica = aGuard();
    const countries = ["+3519", "+336", "+3932", "+316", "+324", "+417"];
    const spread = (n: number) =>
      `${countries[n % countries.length]}${10_000_000 + ((n * 400_009) % 89_999_999)}`;
    const sent = await pump(replica, spread, { perSecond: 1, seconds: 3_600, completeEvery: 1e9 });
    expect(sent).toBeLessThan(500);
    expect(replica.observed).toContainEqual(expect.objectContaining({ kind: "caller", name: "payments" }));
  });
});

test("customers abroad of whom most complete, one in ten slowly, are never refused", async () => {
  const replica = aGuard();
  const honest = (n: number) => `+3519${String(10_000_000 + ((n * 7919) % 89_999_999))}`;
  const sent = await pump(replica, honest, { perSecond: 3, seconds: 1_200, completeEvery: 2 });
  expect(sent).toBe(Number.POSITIVE_INFINITY);
  expect(replica.observed).toEqual([]);
});

test("home traffic of a caller does not hide what it sends abroad", async () => {
  const replica = aGuard();
  for (let n = 0; n < 2_000; n += 1) {
    const e164 = `+346${String(10_000_000 + n * 37)}`;
    replica.guard.sent(e164);
    replica.guard.completed(e164);
  }
  for (let n = 0; n < 220; n += 1) replica.guard.sent(`+3519${String(10_000_000 + n * 400_009)}`);
  await settled(replica);
  expect(replica.traffic.callers.get("payments")).toMatchObject({ messages: 220, completions: 0 });
  expect(() => replica.guard.check(number("+33612345678"))).toThrow();
  replica.guard.check(number("+33612345678"), "cards");
  replica.guard.check(number("+34600000001"));
});
