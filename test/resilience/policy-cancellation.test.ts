import { beforeEach, describe, expect, it } from "vitest";
import { ProviderError } from "../../src/domain/provider.ts";
import { CallPolicy, type CallPolicyOptions } from "../../src/resilience/policy.ts";
import { ManualClock } from "../fakes/manual-clock.ts";
import { policyOptions } from "./policy-options.ts";
import { ScriptedPlan, type Step } from "./scripted-plan.ts";

let clock: ManualClock;
const never = new AbortController().signal;

beforeEach(() => {
  clock = new ManualClock();
});

function policyWith(changes: Partial<CallPolicyOptions> = {}): CallPolicy {
  return new CallPolicy(policyOptions(clock, changes));
}

async function send(plan: ScriptedPlan, policy = policyWith(), signal = never): Promise<unknown> {
  return clock.until(policy.send(plan, signal).catch((error: unknown) => error));
}

const busy: Step = { ending: "busy" };

describe("cancellation", () => {
  const reason = new Error("shutting down");

  it("stops the running call, and nothing is resolved or retried", async () => {
    const shutdown = new AbortController();
    const plan = new ScriptedPlan(clock, [{ ending: "stops" }]);
    const sent = policyWith().send(plan, shutdown.signal);
    const ended = expect(sent).rejects.toMatchObject({ outcome: "unknown", providerErrorCode: "other" });
    await clock.advance(100);
    shutdown.abort(reason);
    await ended;
    expect(plan.signals[0]?.reason).toBe(reason);
    expect(plan.log).toEqual(["begin 0", "call 0", "failed 100 other"]);
  });

  it("ends a wait between two calls at once", async () => {
    const shutdown = new AbortController();
    const plan = new ScriptedPlan(clock, [busy]);
    const sent = policyWith().send(plan, shutdown.signal);
    await clock.advance(100);
    shutdown.abort(reason);
    await expect(sent).rejects.toBe(reason);
    expect(plan.begins).toEqual([0]);
    expect(clock.sleeping).toBe(0);
  });

  it("during a look-up leaves the outcome unknown", async () => {
    const shutdown = new AbortController();
    const plan = new ScriptedPlan(clock, [{ ending: "unknown", resolution: "absent", resolveMs: 2000 }]);
    const sent = policyWith().send(plan, shutdown.signal);
    const refused = expect(sent).rejects.toMatchObject({ outcome: "unknown", providerErrorCode: "http_500" });
    await clock.advance(100);
    shutdown.abort(reason);
    await refused;
  });

  it("before the first call lets none begin", async () => {
    const plan = new ScriptedPlan(clock, []);
    expect(await send(plan, policyWith(), AbortSignal.abort(reason))).toBe(reason);
    expect(plan.log).toEqual([]);
  });
});

describe("the listener", () => {
  it("is told of each call, how it ended and how long it took, without the time of its record", async () => {
    const calls: unknown[] = [];
    const plan = new ScriptedPlan(clock, [
      { ...busy, takesMs: 20 },
      { ending: "accepted", takesMs: 30 },
    ]);
    plan.beginMs = 7;
    await send(plan, policyWith({ listener: { onCall: (call) => calls.push(call) } }));
    expect(calls).toEqual([
      { outcome: "not_accepted", errorCode: "20429", durationMs: 20 },
      { outcome: "accepted", errorCode: undefined, durationMs: 30 },
    ]);
  });

  it("is told of calls that were not made", async () => {
    const refusals: unknown[] = [];
    const policy = policyWith({ listener: { onRefused: (refusal) => refusals.push(refusal) } });
    policy.breaker.isolate();
    await send(new ScriptedPlan(clock, []), policy);
    expect(refusals).toEqual([{ refusedBy: "breaker", errorCode: "circuit_open" }]);
  });
});

it("throws errors that carry neither text of the provider nor of the adapter", async () => {
  const error = await send(new ScriptedPlan(clock, [{ ending: "stops" }]));
  expect(error).toBeInstanceOf(ProviderError);
  expect(String(error)).toBe("ProviderError: twilio: unknown (timeout)");
});
