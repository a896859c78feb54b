import { beforeEach, expect, it } from "vitest";
import { Bulkhead, type Priority } from "../../src/resilience/bulkhead.ts";
import { ManualClock } from "../fakes/manual-clock.ts";

let clock: ManualClock;
let order: string[];
const never = new AbortController().signal;

beforeEach(() => {
  clock = new ManualClock();
  order = [];
});

/** A task that runs for a second and writes its name when it begins. */
function run(
  bulkhead: Bulkhead,
  name: string,
  priority: Priority,
  waitMs = 60_000,
  signal = never,
): Promise<void> {
  const task = () => {
    order.push(name);
    return clock.sleep(1000);
  };
  return bulkhead.run(priority, waitMs, task, signal);
}

it("runs as many at once as it may, sends first, each priority in its order", async () => {
  const bulkhead = new Bulkhead({ clock, provider: "twilio", maxInFlight: 2 });
  const asks = ["a", "b", "c", "d"].map((name) => run(bulkhead, name, "ask"));
  const sends = ["1", "2"].map((name) => run(bulkhead, name, "send"));
  expect(bulkhead).toMatchObject({ inFlight: 2, waiting: 4 });
  await clock.advance(1000);
  expect(order).toEqual(["a", "b", "1", "2"]);
  await clock.until(Promise.all([...asks, ...sends]));
  expect(order).toEqual(["a", "b", "1", "2", "c", "d"]);
  expect(bulkhead).toMatchObject({ inFlight: 0, waiting: 0 });
});

it("gives the place of a failed task to the next", async () => {
  const bulkhead = new Bulkhead({ clock, provider: "twilio", maxInFlight: 1 });
  const failing = bulkhead.run("send", 0, () => Promise.reject(new Error("failed")), never);
  const next = run(bulkhead, "next", "send");
  await expect(failing).rejects.toThrow("failed");
  await clock.until(next);
  expect(order).toEqual(["next"]);
});

it("lets go of who waited too long or was cancelled", async () => {
  const bulkhead = new Bulkhead({ clock, provider: "twilio", maxInFlight: 1 });
  const cancelled = new AbortController();
  const first = run(bulkhead, "first", "send");
  const tooLong = expect(run(bulkhead, "too long", "send", 500)).rejects.toMatchObject({
    refusedBy: "bulkhead",
  });
  const gone = expect(run(bulkhead, "gone", "send", 60_000, cancelled.signal)).rejects.toThrow("gone");
  const last = run(bulkhead, "last", "send");
  cancelled.abort(new Error("gone"));
  await clock.advance(500);
  await Promise.all([tooLong, gone]);
  await clock.until(Promise.all([first, last]));
  expect(order).toEqual(["first", "last"]);
  expect(bulkhead.inFlight).toBe(0);
});

it("passes a place on that comes in the same turn as the cancellation", async () => {
  const bulkhead = new Bulkhead({ clock, provider: "twilio", maxInFlight: 1 });
  const cancelled = new AbortController();
  const hold = Promise.withResolvers<void>();
  const first = bulkhead.run("send", 0, () => hold.promise, never);
  const gone = expect(run(bulkhead, "gone", "send", 60_000, cancelled.signal)).rejects.toThrow("gone");
  const last = run(bulkhead, "last", "send");
  cancelled.abort(new Error("gone"));
  hold.resolve();
  await Promise.all([first, gone]);
  await clock.until(last);
  expect(order).toEqual(["last"]);
  expect(bulkhead).toMatchObject({ inFlight: 0, waiting: 0 });
});
