import { beforeEach, describe, expect, it } from "vitest";
import { LeaseLost } from "../../src/domain/provider.ts";
import { CallRefused } from "../../src/resilience/call-refused.ts";
import { CallPolicy, type CallPolicyOptions } from "../../src/resilience/policy.ts";
import { ManualClock } from "../fakes/manual-clock.ts";
import { policyOptions } from "./policy-options.ts";
import { accepted, found, providerError, ScriptedPlan, type Step } from "./scripted-plan.ts";

let clock: ManualClock;
const never = new AbortController().signal;

beforeEach(() => {
  clock = new ManualClock();
});

function policyWith(changes: Partial<CallPolicyOptions> = {}): CallPolicy {
  return new CallPolicy(policyOptions(clock, changes));
}

async function send(plan: ScriptedPlan, policy = policyWith()): Promise<unknown> {
  return clock.until(policy.send(plan, never).catch((error: unknown) => error));
}

const busy: Step = { ending: "busy" };

describe("one call", () => {
  it("returns what the provider accepted, begun once", async () => {
    const plan = new ScriptedPlan(clock, [{ ending: "accepted", takesMs: 300 }]);
    expect(await send(plan)).toBe(accepted);
    expect(plan.log).toEqual(["begin 0", "call 0"]);
  });

  it.each([
    ["rejected", "rejected", "21211"],
    ["refused", "not_accepted", "21606"],
  ] as const)("is not repeated when it is %s for good, and is recorded", async (ending, outcome, code) => {
    const plan = new ScriptedPlan(clock, [{ ending }]);
    expect(await send(plan)).toMatchObject({ outcome, providerErrorCode: code });
    expect(plan.log).toEqual(["begin 0", "call 0", `failed 0 ${code}`]);
  });

  it.each(["begin", "call"])("passes a lost lease on when %s finds it, unrecorded", async (where) => {
    const plan = new ScriptedPlan(clock, [{ ending: "lease_lost" }]);
    if (where === "begin") plan.beginError = new LeaseLost();
    expect(await send(plan)).toBeInstanceOf(LeaseLost);
    expect(plan.log).toEqual(where === "begin" ? ["begin 0"] : ["begin 0", "call 0"]);
  });

  it("is not made when the database cannot record it, and that is not retried", async () => {
    const plan = new ScriptedPlan(clock, []);
    plan.beginError = new Error("database away");
    expect(await send(plan)).toBe(plan.beginError);
    expect(plan.log).toEqual(["begin 0"]);
  });

  it("has its whole time from when it was begun, however long the record took", async () => {
    const plan = new ScriptedPlan(clock, [{ ending: "accepted", takesMs: 4900 }]);
    plan.beginMs = 3000;
    expect(await send(plan)).toBe(accepted);
  });
});

describe("retries", () => {
  it("come after 500 ms, 1 s and 2 s and end with the fourth call", async () => {
    const plan = new ScriptedPlan(clock, [busy, busy, busy, busy]);
    expect(await send(plan)).toMatchObject({ providerErrorCode: "20429" });
    expect(plan.begins).toEqual([0, 500, 1500, 3500]);
    expect(plan.log.filter((line) => line.startsWith("failed"))).toHaveLength(4);
  });

  it("wait for at least half of each delay", async () => {
    const random = { uuid: () => "", bytes: (count: number) => Buffer.alloc(count), fraction: () => 0 };
    const plan = new ScriptedPlan(clock, [busy, busy, busy, busy]);
    await send(plan, policyWith({ random }));
    expect(plan.begins).toEqual([0, 250, 750, 1750]);
  });

  it("record each failure before the next call is begun", async () => {
    const plan = new ScriptedPlan(clock, [busy]);
    expect(await send(plan)).toBe(accepted);
    expect(plan.log).toEqual(["begin 0", "call 0", "failed 0 20429", "begin 500", "call 500"]);
  });

  it("stop when a take-over has no calls left", async () => {
    const plan = new ScriptedPlan(clock, [busy, busy, busy], { callsLeft: 2 });
    await send(plan);
    expect(plan.begins).toEqual([0, 500]);
  });

  it("do not happen without delays", async () => {
    const plan = new ScriptedPlan(clock, [busy]);
    await send(plan, policyWith({ retryDelaysMs: [] }));
    expect(plan.begins).toEqual([0]);
  });

  it("come no earlier than the provider asked for", async () => {
    const plan = new ScriptedPlan(clock, [
      { ...busy, retryAfterMs: 4000 },
      { ...busy, retryAfterMs: 10 },
    ]);
    expect(await send(plan)).toBe(accepted);
    expect(plan.begins).toEqual([0, 4000, 5000]);
  });

  it("end at once when the provider asks for more time than the right to call lasts", async () => {
    const plan = new ScriptedPlan(clock, [{ ...busy, retryAfterMs: 10_000 }]);
    plan.mostWaitMs = 9999;
    const before = clock.now();
    expect(await send(plan)).toMatchObject({ providerErrorCode: "20429", outcome: "not_accepted" });
    expect({ waited: clock.now() - before, begins: plan.begins }).toEqual({ waited: 0, begins: [0] });
  });

  it("end at once when the provider asks for more time than the budget has", async () => {
    const plan = new ScriptedPlan(clock, [{ ...busy, retryAfterMs: 15_001 }]);
    const before = clock.now();
    expect(await send(plan)).toMatchObject({ providerErrorCode: "20429" });
    expect(clock.now()).toBe(before);
  });
});

describe("the budget", () => {
  it.each([
    [14_500, [0, 15_000]],
    [14_501, [0]],
  ])("lets a call begin up to its end: a failure after %d ms", async (takesMs, begins) => {
    const plan = new ScriptedPlan(clock, [{ ...busy, takesMs }]);
    await send(plan, policyWith({ timeoutMs: 60_000 }));
    expect(plan.begins).toEqual(begins);
  });

  it.each([
    [5501, [0, 5500]],
    [5500, [0]],
  ])("ends with the life of the code, here %d ms", async (lifeMs, begins) => {
    const plan = new ScriptedPlan(clock, [{ ...busy, takesMs: 5000 }], { lifeMs });
    await send(plan, policyWith({ timeoutMs: 60_000 }));
    expect(plan.begins).toEqual(begins);
  });

  it("begins with the first call and not with the wait for its turn", async () => {
    const turns = [800, 0];
    const rate = {
      acquire: (signal: AbortSignal) => clock.sleep(turns.shift() ?? 0, signal).then(() => true),
    };
    const plan = new ScriptedPlan(clock, [{ ...busy, takesMs: 14_500 }]);
    await send(plan, policyWith({ timeoutMs: 60_000, rate }));
    expect(plan.begins).toEqual([800, 15_800]);
  });

  it("covers settling and look-ups, so a provider that hangs gets two calls or three", async () => {
    const hanging: Step = { ending: "stops", resolution: "absent", resolveMs: 2100 };
    const plan = new ScriptedPlan(clock, [hanging, hanging, hanging, hanging]);
    expect(await send(plan)).toMatchObject({ providerErrorCode: "timeout", outcome: "not_accepted" });
    expect(plan.begins).toEqual([0, 7600]);
  });

  it("gives the provider's error, not its own, when the wait for a turn used it up", async () => {
    const turns = [0, 900];
    const rate = {
      acquire: (signal: AbortSignal) => clock.sleep(turns.shift() ?? 0, signal).then(() => true),
    };
    const plan = new ScriptedPlan(clock, [{ ...busy, takesMs: 14_400 }]);
    const error = await send(plan, policyWith({ timeoutMs: 60_000, rate }));
    expect(error).toMatchObject({ providerErrorCode: "20429" });
    expect(plan.begins).toEqual([0]);
  });

  it.each([
    ["without a call", { callsLeft: 0 }],
    ["for a dead code", { lifeMs: 0 }],
  ])("refuses %s, for good", async (_, limits) => {
    const plan = new ScriptedPlan(clock, [], limits);
    const refusal = {
      outcome: "not_accepted",
      providerErrorCode: "other",
      retryable: false,
      rateLimited: false,
    };
    expect(await send(plan)).toMatchObject(refusal);
    expect(plan.log).toEqual([]);
  });
});

describe("an unknown outcome", () => {
  it("is the result that the look-up finds", async () => {
    const plan = new ScriptedPlan(clock, [{ ending: "unknown", resolution: "found" }]);
    expect(await send(plan)).toBe(found);
    expect(plan.log).toEqual(["begin 0", "call 0", "failed 0 http_500", "resolve 0 http_500"]);
  });

  it("is looked up after the last call too", async () => {
    const plan = new ScriptedPlan(clock, [{ ending: "unknown", resolution: "found" }], { callsLeft: 1 });
    expect(await send(plan)).toBe(found);
  });

  it("is retried once it is known to be absent, after the usual wait", async () => {
    const plan = new ScriptedPlan(clock, [{ ending: "unknown", resolution: "absent", resolveMs: 2000 }]);
    expect(await send(plan)).toBe(accepted);
    expect(plan.begins).toEqual([0, 2500]);
  });

  it("is thrown as not accepted when it is absent and no call is left", async () => {
    const plan = new ScriptedPlan(clock, [{ ending: "unknown", resolution: "absent" }], { callsLeft: 1 });
    expect(await send(plan)).toMatchObject({ outcome: "not_accepted", providerErrorCode: "http_500" });
  });

  it("ends everything while nobody can tell", async () => {
    const plan = new ScriptedPlan(clock, [{ ending: "unknown", resolution: "unknown" }]);
    expect(await send(plan)).toMatchObject({ outcome: "unknown" });
    expect(plan.begins).toEqual([0]);
  });

  it("is never retried where the operator said so", async () => {
    const plan = new ScriptedPlan(clock, [{ ending: "unknown", resolution: "absent" }]);
    expect(await send(plan, policyWith({ retryUnknown: false }))).toMatchObject({ outcome: "unknown" });
    expect(plan.begins).toEqual([0]);
  });

  it("stays unknown when the look-up fails, whatever the look-up's error says of itself", async () => {
    const plan = new ScriptedPlan(clock, [{ ending: "unknown" }]);
    plan.resolve = () => Promise.reject(providerError("busy"));
    expect(await send(plan)).toMatchObject({ outcome: "unknown", providerErrorCode: "http_500" });
    expect(plan.begins).toEqual([0]);
  });
});

describe("refused credentials", () => {
  const unauthorised: Step = { ending: "unauthorised" };

  it("are read again for one more call at once", async () => {
    const plan = new ScriptedPlan(clock, [unauthorised]);
    plan.newCredentials = true;
    expect(await send(plan)).toBe(accepted);
    expect(plan.log).toEqual(["begin 0", "call 0", "failed 0 20003", "refresh 0", "begin 0", "call 0"]);
  });

  it("are read again only once", async () => {
    const plan = new ScriptedPlan(clock, [unauthorised, unauthorised]);
    plan.newCredentials = true;
    expect(await send(plan)).toMatchObject({ providerErrorCode: "20003" });
    expect(plan.begins).toEqual([0, 0]);
  });

  it.each([false, new Error("vault away")])("end the run when reading gives %s", async (newCredentials) => {
    const plan = new ScriptedPlan(clock, [unauthorised]);
    plan.newCredentials = newCredentials;
    expect(await send(plan)).toMatchObject({ providerErrorCode: "20003" });
    expect(plan.begins).toEqual([0]);
  });

  it("do not give a call that is not left", async () => {
    const plan = new ScriptedPlan(clock, [unauthorised], { callsLeft: 1 });
    plan.newCredentials = true;
    expect(await send(plan)).toMatchObject({ providerErrorCode: "20003" });
    expect(plan.log).not.toContain("refresh 0");
  });
});

describe("the rate limit", () => {
  it("refuses as a limit of ours, retryable, without a record or a call", async () => {
    const plan = new ScriptedPlan(clock, []);
    const rate = { acquire: () => Promise.resolve(false) };
    const error = await send(plan, policyWith({ rate }));
    expect(error).toBeInstanceOf(CallRefused);
    expect(error).toMatchObject({
      outcome: "not_accepted",
      providerErrorCode: "other",
      retryable: true,
      refusedBy: "rate",
      rateLimited: true,
    });
    expect(plan.log).toEqual([]);
  });

  it("is asked for each call, and retried like a 429", async () => {
    const turns = [false, true, true];
    const plan = new ScriptedPlan(clock, [busy]);
    const rate = { acquire: () => Promise.resolve(turns.shift() ?? false) };
    expect(await send(plan, policyWith({ rate }))).toBe(accepted);
    expect(plan.begins).toEqual([500, 1500]);
    expect(turns).toEqual([]);
  });
});
