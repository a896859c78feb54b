import { beforeEach, describe, expect, it } from "vitest";
import { CallPolicy, type CallPolicyOptions } from "../../src/resilience/policy.ts";
import { ManualClock } from "../fakes/manual-clock.ts";
import { policyOptions } from "./policy-options.ts";
import { accepted, type Ending, ScriptedPlan, type Step } from "./scripted-plan.ts";

let clock: ManualClock;
const never = new AbortController().signal;
const breaker = { failureRate: 0.5, minCalls: 4, windowCalls: 10, openMs: 30_000 };

beforeEach(() => {
  clock = new ManualClock();
});

function policyWith(changes: Partial<CallPolicyOptions> = {}): CallPolicy {
  return new CallPolicy(policyOptions(clock, { retryDelaysMs: [], ...changes }));
}

async function send(policy: CallPolicy, ending: Ending, step: Partial<Step> = {}): Promise<unknown> {
  const plan = new ScriptedPlan(clock, [{ ending, ...step }]);
  return clock.until(policy.send(plan, never).catch((error: unknown) => error));
}

async function openCircuit(policy: CallPolicy): Promise<void> {
  for (let call = 0; call < breaker.minCalls; call += 1) await send(policy, "busy");
  expect(policy.breaker.state()).toBe("open");
}

describe("the order of the layers", () => {
  it("asks for a turn before the breaker, and begins a call only when it has a place", async () => {
    const events: string[] = [];
    const rate = {
      acquire: async () => {
        events.push(`rate, ${policy.breaker.state()}`);
        return true;
      },
    };
    const policy = policyWith({ rate, breaker, maxInFlight: 1 });
    const first = new ScriptedPlan(clock, [{ ending: "accepted", takesMs: 400 }]);
    const second = new ScriptedPlan(clock, []);
    await clock.until(Promise.all([policy.send(first, never), policy.send(second, never)]));
    expect(second.begins).toEqual([400]);

    policy.breaker.isolate();
    await send(policy, "accepted");
    expect(events).toEqual(["rate, closed", "rate, closed", "rate, isolated"]);
  });

  it("does not count the wait for a place, or the record, in the call's timeout", async () => {
    const policy = policyWith({ maxInFlight: 1 });
    const first = new ScriptedPlan(clock, [{ ending: "accepted", takesMs: 900 }]);
    const second = new ScriptedPlan(clock, [{ ending: "accepted", takesMs: 4900 }]);
    second.beginMs = 2000;
    const both = Promise.all([policy.send(first, never), policy.send(second, never)]);
    expect(await clock.until(both)).toEqual([accepted, accepted]);
  });

  it("holds no place while it waits between calls or looks up", async () => {
    const policy = policyWith({ retryDelaysMs: [500] });
    const plan = new ScriptedPlan(clock, [{ ending: "unknown", resolution: "absent", resolveMs: 2000 }]);
    const sent = policy.send(plan, never);
    await clock.advance(1000);
    expect(policy.bulkhead.inFlight).toBe(0);
    expect(await clock.until(sent)).toBe(accepted);
  });

  it("holds no place while it is refused by the open circuit, and is not retried then", async () => {
    const policy = policyWith({ breaker, retryDelaysMs: [500] });
    policy.breaker.isolate();
    const plan = new ScriptedPlan(clock, []);
    const before = clock.now();
    await expect(clock.until(policy.send(plan, never))).rejects.toMatchObject({
      outcome: "not_accepted",
      providerErrorCode: "circuit_open",
      retryable: false,
      rateLimited: false,
    });
    expect(clock.now()).toBe(before);
    expect(plan.log).toEqual([]);
  });
});

describe("the breaker", () => {
  it.each(["busy", "unknown", "stops"] as const)("opens on calls that end with: %s", async (ending) => {
    const policy = policyWith({ breaker });
    for (let call = 0; call < 4; call += 1) await send(policy, ending);
    expect(policy.isAvailable()).toBe(false);
    expect(await send(policy, "accepted")).toMatchObject({ providerErrorCode: "circuit_open" });
  });

  it.each(["rejected", "refused", "unauthorised", "lease_lost"] as const)(
    "stays closed on calls that end with: %s",
    async (ending) => {
      const policy = policyWith({ breaker });
      for (let call = 0; call < 20; call += 1) await send(policy, ending);
      expect(policy.breaker.state()).toBe("closed");
    },
  );

  it("counts a refused number as a provider that works", async () => {
    const policy = policyWith({ breaker });
    for (let call = 0; call < 5; call += 1) await send(policy, "rejected");
    for (let call = 0; call < 4; call += 1) await send(policy, "busy");
    expect(policy.breaker.state()).toBe("closed");
    await send(policy, "busy");
    expect(policy.breaker.state()).toBe("open");
  });

  it("does not count calls that were refused a turn or that the database stopped", async () => {
    let turn = false;
    const policy = policyWith({ breaker, rate: { acquire: async () => turn } });
    for (let call = 0; call < 20; call += 1) await send(policy, "accepted");
    turn = true;
    for (let call = 0; call < 20; call += 1) {
      const plan = new ScriptedPlan(clock, []);
      plan.beginError = new Error("database away");
      await expect(policy.send(plan, never)).rejects.toThrow("database away");
    }
    await openCircuit(policy);
  });

  it("does not count calls that we cancelled", async () => {
    const policy = policyWith({ breaker });
    for (let call = 0; call < 20; call += 1) {
      const shutdown = new AbortController();
      const sent = policy.send(new ScriptedPlan(clock, [{ ending: "stops" }]), shutdown.signal);
      const ended = expect(sent).rejects.toMatchObject({ outcome: "unknown" });
      await clock.settle();
      shutdown.abort();
      await ended;
    }
    expect(policy.breaker.state()).toBe("closed");
  });

  it("lets one call through on trial, and closes when it is accepted", async () => {
    const changes: unknown[] = [];
    const start = clock.now();
    const listener = { onBreaker: (state: string, since: number) => changes.push([state, since - start]) };
    const policy = policyWith({ breaker, listener });
    await openCircuit(policy);
    await clock.advance(29_999);
    expect(await send(policy, "accepted")).toMatchObject({ providerErrorCode: "circuit_open" });
    await clock.advance(1);
    expect(policy.isAvailable()).toBe(true);
    expect(await send(policy, "accepted")).toBe(accepted);
    expect(changes).toEqual([
      ["open", 0],
      ["half_open", 30_000],
      ["closed", 30_000],
    ]);
  });

  it("opens again for as long when the trial fails", async () => {
    const policy = policyWith({ breaker });
    await openCircuit(policy);
    await clock.advance(30_000);
    expect(await send(policy, "busy")).toMatchObject({ providerErrorCode: "20429" });
    await clock.advance(29_999);
    expect(policy.isAvailable()).toBe(false);
    await clock.advance(1);
    expect(policy.isAvailable()).toBe(true);
  });

  it("is left alone by look-ups and lets them pass", async () => {
    const policy = policyWith({ breaker });
    for (let call = 0; call < 20; call += 1) {
      const asked = policy.ask(() => Promise.reject(new Error("list cannot be read")), never);
      await expect(asked).rejects.toThrow("list cannot be read");
    }
    expect(policy.breaker.state()).toBe("closed");
    policy.breaker.isolate();
    expect(await policy.ask(async () => "found", never)).toBe("found");
  });
});

describe("the bulkhead", () => {
  it("lets waiting sends go before look-ups that came first", async () => {
    const policy = policyWith({ maxInFlight: 1 });
    const order: string[] = [];
    const plan = new ScriptedPlan(clock, [{ ending: "accepted", takesMs: 10 }]);
    const hold = Promise.withResolvers<void>();
    const held = policy.ask(() => hold.promise, never);
    const asked = policy.ask(async () => order.push(`ask, after ${plan.begins.length} send`), never);
    const sent = policy.send(plan, never);
    await clock.settle();
    expect(policy.bulkhead).toMatchObject({ inFlight: 1, waiting: 2 });
    hold.resolve();
    await clock.until(Promise.all([held, asked, sent]));
    expect(order).toEqual(["ask, after 1 send"]);
  });

  it("refuses a send that finds no place within a second, as a limit of ours", async () => {
    const policy = policyWith({ maxInFlight: 1 });
    const hanging = policy.send(new ScriptedPlan(clock, [{ ending: "accepted", takesMs: 4000 }]), never);
    await clock.settle();
    const plan = new ScriptedPlan(clock, []);
    const refused = expect(policy.send(plan, never)).rejects.toMatchObject({
      refusedBy: "bulkhead",
      rateLimited: true,
      outcome: "not_accepted",
      retryable: true,
    });
    await clock.advance(1000);
    await refused;
    expect(plan.log).toEqual([]);
    expect(await clock.until(hanging)).toBe(accepted);
  });
});

describe("the wait for a place", () => {
  it("ends with the time in which a call may begin", async () => {
    const policy = policyWith({ maxInFlight: 1 });
    const hanging = policy.send(new ScriptedPlan(clock, [{ ending: "accepted", takesMs: 4000 }]), never);
    await clock.settle();
    const before = clock.now();
    const sent = policy.send(new ScriptedPlan(clock, [], { lifeMs: 300 }), never);
    await expect(clock.until(sent)).rejects.toMatchObject({ refusedBy: "bulkhead" });
    expect(clock.now() - before).toBe(300);
    await clock.until(hanging);
  });
});

describe("a look-up", () => {
  it("has its own timeout", async () => {
    const policy = policyWith({ askTimeoutMs: 2000 });
    const before = clock.now();
    const asked = policy.ask((signal) => clock.sleep(60_000, signal), never);
    await expect(clock.until(asked)).rejects.toMatchObject({ providerErrorCode: "timeout" });
    expect(clock.now() - before).toBe(2000);
  });

  it("is not rate limited", async () => {
    const policy = policyWith({ rate: { acquire: async () => false } });
    expect(await policy.ask(async () => 7, never)).toBe(7);
  });
});
