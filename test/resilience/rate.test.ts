import { beforeEach, describe, expect, it } from "vitest";
import { type Reservation, SharedRate, UnlimitedRate } from "../../src/resilience/rate.ts";
import { ManualClock } from "../fakes/manual-clock.ts";

/** The shared row: what its statement does, with the answer after a round trip. */
class SlotRow {
  readonly #clock: ManualClock;
  readonly #intervalMs: number;
  readonly asked: number[] = [];
  roundTripMs = 0;
  hangs = false;
  failNext: Error | undefined;
  nextAt = 0;

  constructor(clock: ManualClock, perSecond: number) {
    this.#clock = clock;
    this.#intervalMs = 1000 / perSecond;
  }

  async reserve(slots: number): Promise<Reservation | undefined> {
    this.asked.push(slots);
    if (this.hangs) return await new Promise(() => undefined);
    await this.#clock.sleep(this.roundTripMs);
    const failure = this.failNext;
    this.failNext = undefined;
    if (failure !== undefined) throw failure;
    const intervalMs = this.#intervalMs;
    const first = Math.max(this.nextAt, this.#clock.now());
    const delayMs = first - this.#clock.now();
    if (delayMs > 1000) return undefined;
    const granted = Math.min(slots, 1 + Math.floor((1000 - delayMs) / intervalMs));
    this.nextAt = first + granted * intervalMs;
    return { slots: granted, delayMs, intervalMs };
  }
}

let clock: ManualClock;
let start: number;
const never = new AbortController().signal;

beforeEach(() => {
  clock = new ManualClock();
  start = clock.now();
});

/** When the turn came, in milliseconds since the start; false: refused. */
async function turn(rate: SharedRate, signal = never): Promise<number | false> {
  return (await rate.acquire(signal)) && clock.now() - start;
}

describe("no limit", () => {
  it("gives every call its turn at once, and none to a cancelled one", async () => {
    expect(await new UnlimitedRate().acquire(never)).toBe(true);
    await expect(new UnlimitedRate().acquire(AbortSignal.abort())).rejects.toMatchObject({
      name: "AbortError",
    });
  });
});

describe("a rate shared by replicas", () => {
  it("spaces the calls of a burst, in their order", async () => {
    const rate = new SharedRate({ clock, slots: new SlotRow(clock, 100) });
    const turns = await clock.until(Promise.all(Array.from({ length: 5 }, () => turn(rate))));
    expect(turns).toEqual([0, 10, 20, 30, 40]);
  });

  it("asks once for all calls that came during the last round trip", async () => {
    const row = new SlotRow(clock, 100);
    row.roundTripMs = 5;
    const rate = new SharedRate({ clock, slots: row });
    await clock.until(Promise.all(Array.from({ length: 50 }, () => turn(rate))));
    expect(row.asked).toEqual([1, 49]);
  });

  it("refuses what lies more than a second away, and takes nothing from others for it", async () => {
    const row = new SlotRow(clock, 4);
    const rate = new SharedRate({ clock, slots: row });
    const turns = await clock.until(Promise.all(Array.from({ length: 9 }, () => turn(rate))));
    expect(turns).toEqual([0, 250, 500, 750, 1000, false, false, false, false]);
    expect(row.nextAt - start).toBe(1250);
    expect(await clock.until(turn(rate))).toBe(1250);
  });

  it("holds over two replicas together", async () => {
    const row = new SlotRow(clock, 10);
    const replicas = [row, row].map((slots) => new SharedRate({ clock, slots }));
    const calls = replicas.flatMap((rate) => Array.from({ length: 5 }, () => turn(rate)));
    const turns = await clock.until(Promise.all(calls));
    expect(turns.toSorted((a, b) => Number(a) - Number(b))).toEqual([
      0, 100, 200, 300, 400, 500, 600, 700, 800, 900,
    ]);
  });

  it("refuses a call that would wait for more than a second since it came, and gives its turn to the next", async () => {
    const row = new SlotRow(clock, 10);
    row.roundTripMs = 300;
    row.nextAt = start + 1250;
    const rate = new SharedRate({ clock, slots: row });
    const early = turn(rate);
    await clock.advance(290);
    const late = turn(rate);
    expect(await clock.until(Promise.all([early, late]))).toEqual([false, 1250]);
  });

  it("refuses after a second when the database does not answer, and asks it again later", async () => {
    const row = new SlotRow(clock, 10);
    row.hangs = true;
    const rate = new SharedRate({ clock, slots: row });
    expect(await clock.until(turn(rate))).toBe(false);
    expect(clock.now() - start).toBe(1000);
    row.hangs = false;
    expect(await clock.until(turn(rate))).toBe(1000);
    expect(clock.sleeping).toBe(0);
  });

  it("passes a failure of the database on to those it was asked for, and recovers", async () => {
    const row = new SlotRow(clock, 10);
    row.failNext = new Error("database away");
    const rate = new SharedRate({ clock, slots: row });
    await expect(turn(rate)).rejects.toThrow("database away");
    expect(await turn(rate)).toBe(0);
  });

  it("gives a cancelled call's turn to another while its time lasts, without a round trip", async () => {
    const row = new SlotRow(clock, 10);
    row.roundTripMs = 10;
    const rate = new SharedRate({ clock, slots: row });
    const cancelled = new AbortController();
    const gone = expect(turn(rate, cancelled.signal)).rejects.toMatchObject({ name: "AbortError" });
    cancelled.abort();
    await gone;
    await clock.advance(10);
    expect(await turn(rate)).toBe(10);
    expect(row.asked).toEqual([1]);
    expect(await clock.until(turn(rate))).toBe(110);
    expect(row.asked).toEqual([1, 1]);
  });

  it("loses a turn that nobody came for in its time", async () => {
    const row = new SlotRow(clock, 10);
    row.roundTripMs = 10;
    const rate = new SharedRate({ clock, slots: row });
    const cancelled = new AbortController();
    const gone = expect(turn(rate, cancelled.signal)).rejects.toMatchObject({ name: "AbortError" });
    cancelled.abort();
    await gone;
    await clock.advance(110);
    expect(await clock.until(turn(rate))).toBe(120);
    expect(row.asked).toEqual([1, 1]);
  });

  it("ends the wait for a turn when the signal fires", async () => {
    const row = new SlotRow(clock, 2);
    const rate = new SharedRate({ clock, slots: row });
    await turn(rate);
    const cancelled = new AbortController();
    const gone = expect(turn(rate, cancelled.signal)).rejects.toMatchObject({ name: "AbortError" });
    await clock.advance(100);
    cancelled.abort();
    await gone;
    expect(clock.sleeping).toBe(0);
  });
});
