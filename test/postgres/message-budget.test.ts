import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { PostgresMessageBudget } from "../../src/postgres/message-budget.ts";
import { useReplicas } from "../support/replicas.ts";

const { replica, pass } = await useReplicas();
const budget = (n: number) => new PostgresMessageBudget(replica(n).db);
const hour = 3_600_000;

const aScope = () => `caller:${randomUUID()}`;
const messages = (count: number) => ({ messages: count, micros: 0 });

test("parallel reservations of two replicas are granted the limits and not one more", async () => {
  const scope = aScope();
  const asked = { messages: 3, micros: 200 };
  const calls = Array.from({ length: 60 }, (_, n) =>
    budget(n).reserve(scope, asked, { messages: 100, micros: 9_000 }),
  );
  const granted = (await Promise.all(calls)).map((grant) => grant.granted);
  expect(granted.reduce((sum, grant) => sum + grant.messages, 0)).toBe(100);
  expect(granted.reduce((sum, grant) => sum + grant.micros, 0)).toBe(9_000);
});

test("a limit of 0 is none, and what was spent is kept all the same", async () => {
  const scope = aScope();
  const { granted } = await budget(0).reserve(scope, { messages: 7, micros: 5 }, { messages: 0, micros: 3 });
  expect(granted).toEqual({ messages: 7, micros: 3 });
  expect(await budget(1).spent()).toContainEqual({ scope, spent: { messages: 7, micros: 3 } });
});

test("no 24 hours see more than the limit, hour for hour over two days", async () => {
  const scope = aScope();
  const limits = messages(240);
  const perHour: number[] = [];
  for (let n = 0; n < 96; n += 1) {
    const { granted } = await budget(n).reserve(scope, messages(9), limits);
    perHour.push(granted.messages);
    pass(hour / 2);
  }
  // Every window of 24 hours, by half hours, and the minute in which a grant may still be used.
  for (let from = 0; from + 48 < perHour.length; from += 1) {
    const window = perHour.slice(from, from + 49).reduce((sum, count) => sum + count, 0);
    expect(window).toBeLessThanOrEqual(240);
  }
  expect(perHour.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(2 * 240 * 0.9);
});

test("what was refused may come again when the oldest hour leaves the day", async () => {
  const scope = aScope();
  await budget(0).reserve(scope, messages(5), messages(5));
  const { granted, retryAfterMs } = await budget(1).reserve(scope, messages(1), messages(5));
  expect(granted).toEqual(messages(0));
  expect(retryAfterMs).toBeGreaterThan(24 * hour);
  expect(retryAfterMs).toBeLessThanOrEqual(25 * hour + 60_000);
  pass(retryAfterMs - 1);
  expect((await budget(0).reserve(scope, messages(1), messages(5))).granted).toEqual(messages(0));
  pass(1);
  expect((await budget(0).reserve(scope, messages(1), messages(5))).granted).toEqual(messages(1));
  expect(await budget(0).spent()).toContainEqual({ scope, spent: messages(1) });
});
