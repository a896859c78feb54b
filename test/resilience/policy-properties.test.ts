import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CallPolicy } from "../../src/resilience/policy.ts";
import { ManualClock } from "../fakes/manual-clock.ts";
import { policyOptions } from "./policy-options.ts";
import { ScriptedPlan } from "./scripted-plan.ts";

const step = fc.record({
  ending: fc.constantFrom(
    ...([
      "accepted",
      "rejected",
      "busy",
      "busy",
      "refused",
      "unauthorised",
      "unknown",
      "unknown",
      "lease_lost",
    ] as const),
    ...(["stops", "deaf"] as const),
  ),
  takesMs: fc.integer({ min: 0, max: 6000 }),
  retryAfterMs: fc.constantFrom(0, 100, 3000, 20_000),
  resolution: fc.constantFrom("found", "absent", "absent", "unknown"),
  resolveMs: fc.integer({ min: 0, max: 4000 }),
});

const run = fc.record({
  script: fc.array(step, { maxLength: 6 }),
  callsLeft: fc.integer({ min: 0, max: 4 }),
  lifeMs: fc.integer({ min: 0, max: 20_000 }),
  beginMs: fc.constantFrom(0, 0, 40),
  newCredentials: fc.boolean(),
  retryUnknown: fc.boolean(),
  fraction: fc.double({ min: 0, max: 0.999, noNaN: true }),
  turns: fc.array(fc.record({ waitMs: fc.integer({ min: 0, max: 1000 }), given: fc.boolean() }), {
    maxLength: 6,
  }),
  withBreaker: fc.boolean(),
});

const budgetMs = 15_000;

describe("whatever the provider does", () => {
  it("calls stay within their number and time, each is begun once, and none follows an open question", async () => {
    let calls = 0;
    await fc.assert(
      fc.asyncProperty(run, async (given) => {
        const clock = new ManualClock();
        const turns = [...given.turns];
        const policy = new CallPolicy(
          policyOptions(clock, {
            retryUnknown: given.retryUnknown,
            random: { uuid: () => "", bytes: (count) => Buffer.alloc(count), fraction: () => given.fraction },
            breaker: given.withBreaker
              ? { failureRate: 0.5, minCalls: 2, windowCalls: 10, openMs: 1000 }
              : undefined,
            rate: {
              acquire: async (signal) => {
                const turn = turns.shift() ?? { waitMs: 0, given: true };
                await clock.sleep(turn.waitMs, signal);
                return turn.given;
              },
            },
          }),
        );
        const plan = new ScriptedPlan(clock, given.script, given);
        plan.beginMs = given.beginMs;
        plan.newCredentials = given.newCredentials;
        await clock.until(policy.send(plan, new AbortController().signal).catch(() => {}));

        const { begins } = plan;
        calls += begins.length;
        const events = plan.log.map((line) => line.split(" ")[0]);
        expect(begins.length).toBeLessThanOrEqual(given.callsLeft);
        for (const at of begins) {
          expect(at - (begins[0] ?? 0)).toBeLessThanOrEqual(budgetMs);
          expect(at).toBeLessThan(given.lifeMs);
        }
        expect(events.filter((event) => event === "call")).toHaveLength(begins.length);
        expect(events.filter((event) => event === "refresh").length).toBeLessThanOrEqual(1);
        // What came before a further call: its error on record and, where that left a question open, "absent".
        const earlier = plan.log
          .join("\n")
          .split(/^begin .*$/m)
          .slice(1, -1);
        for (const [index, lines] of earlier.entries()) {
          const code = /^failed \S+ (.+)$/m.exec(lines)?.[1];
          expect(["20429", "20003", "http_500", "timeout"]).toContain(code);
          if (code === "20429" || code === "20003") continue;
          expect(lines).toMatch(/^resolve /m);
          expect([given.script[index]?.resolution, given.retryUnknown]).toEqual(["absent", true]);
        }
        // Nothing is left behind: no place held, no timer running.
        expect(policy.bulkhead).toMatchObject({ inFlight: 0, waiting: 0 });
        expect(clock.sleeping).toBe(0);
      }),
      { numRuns: 500 },
    );
    expect(calls).toBeGreaterThan(300);
  });
});
