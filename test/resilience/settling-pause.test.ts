import { describe, expect, test } from "vitest";
import { SettlingPause } from "../../src/resilience/settling-pause.ts";

function aPause(over: { leastMs?: number; mostMs?: number } = {}) {
  let now = 0;
  const pause = new SettlingPause({ clock: { now: () => now }, leastMs: 2000, mostMs: 9500, ...over });
  const pass = (ms: number) => {
    now += ms;
  };
  const calls = (count: number, ms: number) => {
    for (let made = 0; made < count; made += 1) pause.called(ms);
  };
  return { pause, pass, calls };
}

describe("SettlingPause", () => {
  test("is as configured while calls are quick, or too few to tell", () => {
    const { pause, calls } = aPause();
    calls(99, 5000);
    expect(pause.currentMs()).toBe(2000);
    const quick = aPause();
    quick.calls(500, 150);
    expect(quick.pause.currentMs()).toBe(2000);
  });

  test("is not moved by one slow call in a hundred", () => {
    const { pause, calls } = aPause();
    calls(99, 150);
    calls(1, 5000);
    expect(pause.currentMs()).toBe(2000);
  });

  test("follows the slowest hundredth of the calls, and comes back once they are five minutes old", () => {
    const { pause, calls, pass } = aPause();
    calls(196, 150);
    calls(4, 5000);
    expect(pause.currentMs()).toBe(5000);
    pass(5 * 60_000);
    expect(pause.currentMs()).toBe(2000);
  });

  test("follows at once how late a message came, for ten minutes, and never beyond its bound", () => {
    const { pause, pass } = aPause();
    expect(pause.currentMs()).toBe(2000);
    pause.cameLate(6500);
    expect(pause.currentMs()).toBe(6500);
    pause.cameLate(120_000);
    expect(pause.currentMs()).toBe(9500);
    pass(10 * 60_000);
    expect(pause.currentMs()).toBe(2000);
  });

  test("takes a third of the code's life at most, and never less than configured", () => {
    const { pause } = aPause();
    pause.cameLate(9000);
    expect(pause.currentMs(12_000)).toBe(4000);
    expect(pause.currentMs(1_000)).toBe(2000);
  });

  test("is as configured where lease and budget leave no room for more", () => {
    const { pause } = aPause({ leastMs: 3000, mostMs: 1000 });
    pause.cameLate(9000);
    expect(pause.currentMs()).toBe(3000);
  });
});
