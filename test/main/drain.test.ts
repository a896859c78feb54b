import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import type { Observer } from "../../src/domain/observation.ts";
import { drain } from "../../src/main/drain.ts";
import { InFlight } from "../../src/usecases/in-flight.ts";
import { ManualClock } from "../fakes/manual-clock.ts";

const observer: Observer = { observe: () => undefined };

/** A delivery without a caller, for which only a shutdown is an end, and a server with a call of so many milliseconds. */
function busy(callMs: number) {
  const clock = new ManualClock();
  const inFlight = new InFlight(observer);
  const begun = clock.now();
  const handedOn = Promise.withResolvers<number>();
  void inFlight.start("c1", async (signal) => {
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    handedOn.resolve(clock.now() - begun);
    return { end: "unsettled" };
  });
  const grpc = {
    async drain(graceMs: number) {
      await clock.sleep(Math.min(callMs, graceMs));
      return callMs <= graceMs;
    },
  };
  return { clock, handedOn: handedOn.promise, deps: { grpc, inFlight, clock, endSweep: async () => {} } };
}

it.each([0, 10_000, 29_000, 60_000])(
  "one time to drain is for calls of %d ms and for what goes on without a caller",
  async (callMs) => {
    const { clock, handedOn, deps } = busy(callMs);
    const drained = drain(deps, 30_000);
    await clock.advance(120_000);
    expect(await handedOn).toBe(30_000);
    expect(await drained).toBe(0);
  },
);

it("ends as soon as nothing is under way", async () => {
  const { clock, deps } = busy(5_000);
  const drained = drain({ ...deps, inFlight: new InFlight(observer) }, 30_000);
  await clock.advance(5_000);
  expect(await drained).toBe(25_000);
});

it("a delivery that is cut off while it waits is no fault, and one that breaks is", async () => {
  const clock = new ManualClock();
  const observed: string[] = [];
  const inFlight = new InFlight({ observe: ({ type }) => void observed.push(type) });
  const waits = inFlight.start("c1", async (signal) => {
    await clock.sleep(60_000, signal);
    return { end: "unsettled" };
  });
  await inFlight.end(0, clock);
  expect(await waits).toEqual({ end: "unsettled" });
  expect(observed).toEqual([]);
  await inFlight.start("c2", async () => {
    throw new TypeError("x is not a function");
  });
  expect(observed).toEqual(["upkeep_failed"]);
});

it("the deployment waits for it, and for receipts and connections after it", () => {
  const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
  const grace = Number(/stop_grace_period: (\d+)s/.exec(read(".deploy/compose.yaml"))?.[1]);
  const drainSeconds = Number(/^\| DRAIN_SECONDS \| (\d+) \|/m.exec(read("README.md"))?.[1]);
  expect(grace).toBeGreaterThanOrEqual(drainSeconds + 10);
});
