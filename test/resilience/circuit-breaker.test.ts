import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { type BreakerSettings, CircuitBreaker, type Verdict } from "../../src/resilience/circuit-breaker.ts";
import { ManualClock } from "../fakes/manual-clock.ts";

let clock: ManualClock;
const settings: BreakerSettings = { failureRate: 0.5, minCalls: 4, windowCalls: 10, openMs: 30_000 };

beforeEach(() => {
  clock = new ManualClock();
});
afterEach(() => {
  vi.useRealTimers();
});

function breakerWith(changes: Partial<BreakerSettings> = {}): CircuitBreaker {
  return new CircuitBreaker({ clock, provider: "twilio", settings: { ...settings, ...changes } });
}

async function count(breaker: CircuitBreaker, verdict: Verdict | "success", times = 1): Promise<void> {
  for (let call = 0; call < times; call += 1) {
    const made = () => (verdict === "success" ? Promise.resolve() : Promise.reject(new Error(verdict)));
    await breaker.run(made, () => verdict as Verdict).catch(() => {});
  }
}

it("opens at the failure rate, not before the least number of calls", async () => {
  const breaker = breakerWith();
  await count(breaker, "fault", 3);
  expect(breaker.state()).toBe("closed");
  await count(breaker, "fault");
  expect(breaker.state()).toBe("open");
});

it("opens at exactly the rate, and not below it", async () => {
  const breaker = breakerWith();
  await count(breaker, "success", 5);
  await count(breaker, "fault", 4);
  expect(breaker.state()).toBe("closed");
  await count(breaker, "fault");
  expect(breaker.state()).toBe("open");
});

it("opens at a rate of 1 when every call fails", async () => {
  const breaker = breakerWith({ failureRate: 1 });
  await count(breaker, "answered");
  await count(breaker, "fault", 9);
  expect(breaker.state()).toBe("closed");
  await count(breaker, "fault");
  expect(breaker.state()).toBe("open");
});

it("forgets calls that left the window", async () => {
  const breaker = breakerWith();
  await count(breaker, "success", 6);
  await count(breaker, "fault", 4);
  await count(breaker, "success", 9);
  await count(breaker, "fault", 4);
  expect(breaker.state()).toBe("closed");
});

it("refuses calls that come during a trial at once", async () => {
  const breaker = breakerWith();
  await count(breaker, "fault", 4);
  await clock.advance(30_000);
  const trial = Promise.withResolvers<void>();
  const running = breaker.run(
    () => trial.promise,
    () => "fault",
  );
  expect(breaker.state()).toBe("half_open");
  expect(breaker.isAvailable()).toBe(false);
  const other = breaker.run(
    () => Promise.resolve(),
    () => "fault",
  );
  await expect(other).rejects.toMatchObject({ providerErrorCode: "circuit_open" });
  trial.resolve();
  await running;
  expect(breaker.state()).toBe("closed");
});

it("closes with an empty window after a trial that was answered", async () => {
  const breaker = breakerWith();
  await count(breaker, "fault", 4);
  await clock.advance(30_000);
  await count(breaker, "answered");
  expect(breaker.state()).toBe("closed");
  await count(breaker, "fault", 2);
  expect(breaker.state()).toBe("closed");
});

it("leaves the trial to the next call when one says nothing about the provider", async () => {
  const breaker = breakerWith();
  await count(breaker, "fault", 4);
  await clock.advance(30_000);
  await count(breaker, "nothing");
  expect(breaker.state()).toBe("open");
  expect(breaker.isAvailable()).toBe(true);
  await count(breaker, "fault");
  expect(breaker.isAvailable()).toBe(false);
  await clock.advance(30_000);
  await count(breaker, "success");
  expect(breaker.state()).toBe("closed");
});

it("gives each caller the very error or value of its call", async () => {
  const breaker = breakerWith();
  const error = new Error("refused");
  for (const verdict of ["fault", "answered", "nothing"] as const) {
    await expect(
      breaker.run(
        () => Promise.reject(error),
        () => verdict,
      ),
    ).rejects.toBe(error);
  }
  expect(
    await breaker.run(
      async () => "value",
      () => "fault",
    ),
  ).toBe("value");
});

it("does not care about the wall clock", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  const breaker = breakerWith();
  await count(breaker, "fault", 4);
  vi.setSystemTime(Date.now() + 86_400_000);
  expect(breaker.isAvailable()).toBe(false);
  vi.setSystemTime(Date.now() - 2 * 86_400_000);
  await clock.advance(30_000);
  await count(breaker, "success");
  expect(breaker.state()).toBe("closed");
});

it("is held open by an operator, and closed by one with an empty window", async () => {
  const changes: string[] = [];
  const breaker = new CircuitBreaker({
    clock,
    provider: "twilio",
    settings,
    onChange: (state, since) => changes.push(`${state} ${since - 1_000_000}`),
  });
  await clock.advance(10);
  breaker.isolate();
  breaker.isolate();
  await clock.advance(86_400_000);
  expect(breaker.isAvailable()).toBe(false);
  expect(breaker.state()).toBe("isolated");
  breaker.close();
  breaker.close();
  expect(breaker.since).toBe(clock.now());
  await count(breaker, "fault", 3);
  expect(breaker.state()).toBe("closed");
  await count(breaker, "fault");
  breaker.close();
  await count(breaker, "fault", 3);
  expect(breaker.state()).toBe("closed");
  const day = 86_400_010;
  expect(changes).toEqual(["isolated 10", `closed ${day}`, `open ${day}`, `closed ${day}`]);
});

it("ignores calls from before an operator closed it", async () => {
  const breaker = breakerWith();
  const slow = Promise.withResolvers<void>();
  const early = Array.from({ length: 10 }, () =>
    breaker
      .run(
        () => slow.promise,
        () => "fault",
      )
      .catch(() => {}),
  );
  breaker.isolate();
  breaker.close();
  slow.reject(new Error("late"));
  await Promise.all(early);
  expect(breaker.state()).toBe("closed");
});

it("is not moved by a trial that was running when an operator closed it", async () => {
  const changes: string[] = [];
  const onChange = (state: string) => changes.push(state);
  const breaker = new CircuitBreaker({ clock, provider: "twilio", settings, onChange });
  await count(breaker, "fault", 4);
  await clock.advance(30_000);
  const trial = Promise.withResolvers<void>();
  const running = breaker.run(
    () => trial.promise,
    () => "fault",
  );
  breaker.close();
  trial.reject(new Error("late"));
  await expect(running).rejects.toThrow("late");
  expect(changes).toEqual(["open", "half_open", "closed"]);
});

it("never opens by itself without settings, and can still be isolated", async () => {
  const breaker = new CircuitBreaker({ clock, provider: "twilio", settings: undefined });
  await count(breaker, "fault", 1000);
  expect(breaker.state()).toBe("closed");
  breaker.isolate();
  expect(breaker.isAvailable()).toBe(false);
});
