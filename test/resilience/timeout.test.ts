import { getEventListeners } from "node:events";
import { beforeEach, expect, it } from "vitest";
import { LeaseLost, ProviderError } from "../../src/domain/provider.ts";
import { withTimeout } from "../../src/resilience/timeout.ts";
import { ManualClock } from "../fakes/manual-clock.ts";

let clock: ManualClock;
const never = new AbortController().signal;
const untilStopped = (signal: AbortSignal) =>
  new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));

beforeEach(() => {
  clock = new ManualClock();
});

function limited<T>(call: (signal: AbortSignal) => Promise<T>, signal = never): Promise<T> {
  return withTimeout({ clock, provider: "twilio", timeoutMs: 5000 }, call, signal);
}

it("stops a call that takes too long, with a reason that tells why", async () => {
  let reason: unknown;
  const call = limited(async (signal) => {
    await untilStopped(signal);
    reason = signal.reason;
    throw signal.reason;
  });
  const before = clock.now();
  await expect(clock.until(call)).rejects.toMatchObject({ outcome: "unknown", providerErrorCode: "timeout" });
  expect(clock.now() - before).toBe(5000);
  expect(reason).toMatchObject({ name: "TimeoutError" });
});

it("returns soon after the timeout when the call ignores its signal", async () => {
  const before = clock.now();
  const call = limited(() => new Promise(() => {}));
  await expect(clock.until(call)).rejects.toMatchObject({ outcome: "unknown", providerErrorCode: "timeout" });
  expect(clock.now() - before).toBe(5100);
});

it("leaves it to a stopped call to say that nothing was written", async () => {
  const notConnected = new ProviderError({
    provider: "twilio",
    providerErrorCode: "timeout",
    outcome: "not_accepted",
    retryable: true,
  });
  const call = limited(async (signal) => {
    await untilStopped(signal);
    await clock.sleep(50);
    throw notConnected;
  });
  await expect(clock.until(call)).rejects.toBe(notConnected);
});

it("takes an answer that comes just as the call is stopped", async () => {
  const call = limited(async (signal) => {
    await untilStopped(signal);
    await clock.sleep(50);
    return "accepted";
  });
  expect(await clock.until(call)).toBe("accepted");
});

it("passes on a lost lease and a fault of the adapter as they are", async () => {
  await expect(limited(() => Promise.reject(new LeaseLost()))).rejects.toBeInstanceOf(LeaseLost);
  const fault = new TypeError("fault");
  const throwing = () => {
    throw fault;
  };
  await expect(limited(throwing)).rejects.toBe(fault);
});

it("passes on a lost lease that is found as the call is stopped", async () => {
  const call = limited(async (signal) => {
    await untilStopped(signal);
    throw new LeaseLost();
  });
  await expect(clock.until(call)).rejects.toBeInstanceOf(LeaseLost);
});

it("stops the call when the outer signal fires, and does not call that a timeout", async () => {
  const outer = new AbortController();
  const call = limited(async (signal) => {
    await untilStopped(signal);
    throw signal.reason;
  }, outer.signal);
  const ended = expect(call).rejects.toMatchObject({ outcome: "unknown", providerErrorCode: "other" });
  outer.abort(new Error("shutting down"));
  await ended;
});

it("makes no call when the signal has fired before", async () => {
  let made = false;
  const call = limited(async () => {
    made = true;
  }, AbortSignal.abort());
  await expect(call).rejects.toMatchObject({ name: "AbortError" });
  expect(made).toBe(false);
});

it("leaves no timer, no listener and no fired signal behind a call that ended in time", async () => {
  let signal: AbortSignal | undefined;
  const outer = new AbortController().signal;
  await limited(async (given) => {
    signal = given;
  }, outer);
  expect(getEventListeners(outer, "abort")).toEqual([]);
  expect(clock.sleeping).toBe(0);
  await clock.advance(10_000);
  expect(signal?.aborted).toBe(false);
});
