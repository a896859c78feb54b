import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { PostgresCallerGrants } from "../../src/postgres/caller-grants.ts";
import { SharedCallerLimit } from "../../src/resilience/caller-limit.ts";
import { ManualClock } from "../fakes/manual-clock.ts";
import { ends, useReplicas } from "../support/replicas.ts";

const { replica, now, pass, sql } = await useReplicas();
const grants = (n: number) => new PostgresCallerGrants(replica(n).db);

const aReservation = (caller: string, asked: number, perSecond: number, extraMs = 0) => ({
  ...{ caller, asked, perSecond, extraMs },
});

/** The same numbers from run to run (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** The most of the instants, which are in order, that any window of the length holds. */
function fullestWindow(instants: readonly number[], lengthMs: number): number {
  let most = 0;
  let from = 0;
  for (const [index, at] of instants.entries()) {
    while ((instants[from] ?? 0) <= at - lengthMs) from += 1;
    most = Math.max(most, index - from + 1);
  }
  return most;
}

test("parallel reservations of two replicas are granted the limit and not one more", async () => {
  const caller = randomUUID();
  const calls = Array.from({ length: 100 }, (_, n) => grants(n).reserve(aReservation(caller, 3, 100)));
  const granted = await Promise.all(calls);
  expect(granted.reduce((sum, grant) => sum + grant.count, 0)).toBe(100);
});

test("what is granted must begin within 150 ms, and is missing for a second and that time", async () => {
  const caller = randomUUID();
  const granted = await grants(0).reserve(aReservation(caller, 7, 5));
  expect(granted.count).toBe(5);
  expect(granted.until.getTime()).toBe(now().getTime() + 150);
  expect(granted.retryAfterMs).toBe(1160);
  pass(granted.retryAfterMs - 1);
  expect(await grants(1).reserve(aReservation(caller, 1, 5))).toMatchObject({ count: 0, retryAfterMs: 1 });
  pass(1);
  expect(await grants(1).reserve(aReservation(caller, 1, 5))).toMatchObject({ count: 1, retryAfterMs: 0 });
});

test("a limit below one is one call in as many seconds", async () => {
  const caller = randomUUID();
  expect((await grants(0).reserve(aReservation(caller, 5, 0.25))).count).toBe(1);
  pass(4000);
  expect((await grants(0).reserve(aReservation(caller, 5, 0.25))).count).toBe(0);
  pass(160);
  expect((await grants(0).reserve(aReservation(caller, 5, 0.25))).count).toBe(1);
});

test("an instant that comes late never makes room that was not there", async () => {
  const caller = randomUUID();
  await grants(0).reserve(aReservation(caller, 5, 10));
  pass(1160);
  expect((await grants(0).reserve(aReservation(caller, 6, 10))).count).toBe(6);
  // The statement began before the one above, and got the row after it.
  pass(-100);
  expect((await grants(1).reserve(aReservation(caller, 10, 10))).count).toBe(4);
  pass(100);
  expect((await grants(1).reserve(aReservation(caller, 10, 10))).count).toBe(0);
});

test("the row stays short however often replicas ask", async () => {
  const caller = randomUUID();
  for (let round = 0; round < 300; round += 1) {
    await grants(round).reserve(aReservation(caller, 1, 10_000));
    pass(round % 3);
  }
  const [row] =
    await sql`select cardinality(granted_at) as entries from caller_grants where caller = ${caller}`;
  expect(row?.["entries"]).toBeLessThanOrEqual(32);
});

test("with many replicas, uneven clocks and any demand, no second holds more than the limit", async () => {
  const random = seeded(20_261_122);
  for (const perSecond of [3, 40]) {
    const caller = randomUUID();
    // Each replica's own clock runs by itself and began anywhere.
    const replicas = Array.from({ length: 6 }, (_, n) => {
      const clock = new ManualClock(random() * 1e6);
      return {
        clock,
        limit: new SharedCallerLimit({ clock, grants: grants(n), perSecond: () => perSecond }),
      };
    });
    const begun: number[] = [];
    let refusedCount = 0;
    const on: { at: number; until: number }[] = [];
    for (let round = 0; round < 150; round += 1) {
      const calls = replicas.flatMap(({ limit }) =>
        Array.from({ length: Math.floor(random() ** 3 * 20) }, () => limit.take(caller)),
      );
      const { done, refused } = await ends(calls);
      refusedCount += refused.length;
      // They begin at once or later, as the way to the database takes; too late, TX 1 refuses them.
      const delayMs = random() < 0.5 ? 0 : Math.floor(100 + random() * 80);
      for (const admission of done) {
        if (random() < 0.02) admission.giveBack();
        else {
          const at = now().getTime() + delayMs;
          on.push({ at, until: admission.until?.getTime() ?? Number.POSITIVE_INFINITY });
        }
      }
      const stepMs = Math.floor(random() ** 2 * 60);
      pass(stepMs);
      for (const { clock } of replicas) await clock.advance(stepMs * (0.5 + random()));
    }
    begun.push(...on.filter(({ at, until }) => at <= until).map(({ at }) => at));
    begun.sort((a, b) => a - b);
    expect(fullestWindow(begun, 1000)).toBeLessThanOrEqual(perSecond);
    expect(refusedCount).toBeGreaterThan(0);
    // It refuses a little early, not nearly always.
    expect(begun.length).toBeGreaterThan(perSecond);
  }
});
