import { expect, test } from "vitest";
import type { Observation } from "../../src/domain/observation.ts";
import type { DeliveryEnd } from "../../src/usecases/delivery-run.ts";
import { InFlight } from "../../src/usecases/in-flight.ts";
import { ManualClock } from "../fakes/manual-clock.ts";

const unsettled: DeliveryEnd = { end: "unsettled" };

function anInFlight() {
  const observed: Observation[] = [];
  return { observed, inFlight: new InFlight({ observe: (observation) => void observed.push(observation) }) };
}

test("a stalled delivery that ends late does not strike off the one that took over from it", async () => {
  const { inFlight } = anInFlight();
  const [stalled, current] = [Promise.withResolvers<DeliveryEnd>(), Promise.withResolvers<DeliveryEnd>()];
  const late = inFlight.start("c1", () => stalled.promise);
  const taken = inFlight.start("c1", () => current.promise);
  stalled.resolve(unsettled);
  await late;
  expect(inFlight.of("c1")).toBe(taken);
  let isDrained = false;
  const drained = inFlight.drained().then(() => {
    isDrained = true;
  });
  await new ManualClock().settle();
  expect(isDrained).toBe(false);
  current.resolve(unsettled);
  await drained;
  expect(inFlight.size).toBe(0);
});

test("a delivery that breaks ends unsettled, and is told", async () => {
  const { inFlight, observed } = anInFlight();
  expect(await inFlight.start("c1", () => Promise.reject(new Error("broken")))).toEqual(unsettled);
  expect(observed).toMatchObject([{ type: "upkeep_failed", cause: new Error("broken") }]);
});

test("a shutdown waits for what is under way, and then cancels it", async () => {
  const { inFlight } = anInFlight();
  const clock = new ManualClock();
  let isCancelled = false;
  const delivery = inFlight.start(
    "c1",
    (signal) =>
      new Promise((resolve) => {
        signal.addEventListener("abort", () => {
          isCancelled = true;
          resolve(unsettled);
        });
      }),
  );
  const ended = inFlight.end(5000, clock);
  await clock.advance(4999);
  expect(isCancelled).toBe(false);
  await clock.advance(1);
  await ended;
  expect(isCancelled).toBe(true);
  expect(await delivery).toEqual(unsettled);
});
