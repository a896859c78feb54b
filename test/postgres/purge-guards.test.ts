import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { PostgresCallerGrants } from "../../src/postgres/caller-grants.ts";
import { PostgresTrafficStore } from "../../src/postgres/traffic-store.ts";
import { aKeyRing, aSignatureOf, refusal, useReplicas } from "../support/replicas.ts";
import { aRequestKey } from "../support/stores.ts";

const { replica, upkeep, sql, pass } = await useReplicas();
const ring = aKeyRing("n1");
const limits = { customerPerMinute: 10, phonePer10Minutes: 10 };
const day = 86_400_000;

const start = (who: { customer: string; phone?: string }) =>
  replica(0).signatures.start(aRequestKey(), aSignatureOf(who, ring), limits);

async function rows(): Promise<Record<string, number>> {
  const [counts] = await sql<Record<string, number>[]>`
    select (select count(*)::int from customer_guard) as customers, (select count(*)::int from phone_guard) as phones,
      (select count(*)::int from caller_grants) as callers, (select count(*)::int from prefix_traffic) +
      (select count(*)::int from caller_traffic) as traffic`;
  return counts ?? {};
}

test("rows that no window needs any more are removed in batches, each kind in its time", async () => {
  await Promise.all(Array.from({ length: 5 }, () => start({ customer: randomUUID() })));
  await new PostgresCallerGrants(replica(0).db).reserve({
    ...{ caller: "payments", asked: 1, perSecond: 10, extraMs: 0 },
  });
  await new PostgresTrafficStore(replica(0).db).add(
    [{ prefix: "+35191000", country: "PT", messages: 1, completions: 0 }],
    [{ caller: "payments", messages: 1, completions: 0 }],
  );
  expect(await upkeep.purgeGuards(100)).toBe(0);
  pass(25 * 60_000);
  expect(await upkeep.purgeGuards(3)).toBe(0);
  pass(1);
  expect(await upkeep.purgeGuards(3)).toBe(3);
  expect(await upkeep.purgeGuards(100)).toBe(2);
  expect(await rows()).toEqual({ customers: 5, phones: 0, callers: 1, traffic: 2 });
  pass(2 * 3_600_000);
  await upkeep.purgeGuards(100);
  expect(await rows()).toEqual({ customers: 5, phones: 0, callers: 1, traffic: 0 });
  pass(day);
  expect(await upkeep.purgeGuards(100)).toBe(5);
  expect(await rows()).toEqual({ customers: 0, phones: 0, callers: 0, traffic: 0 });
});

test("failures are kept until they are forgiven or very old, and what locks until freed for ever", async () => {
  const customers = [randomUUID(), randomUUID(), randomUUID()];
  const rules = { failures: 2, windowMs: 1000, stepsMs: [1000] };
  const judge = async (customer: string, verdict: "match" | "code_mismatch") => {
    const signature = aSignatureOf({ customer }, ring);
    await replica(0).signatures.start(aRequestKey(), signature, limits);
    await replica(0).closings.complete("payments", signature.id, verdict, rules);
  };
  for (const customer of customers) await judge(customer, "code_mismatch");
  await judge(customers[0]!, "match");
  for (const wait of [1000, 0, 0]) {
    await judge(customers[2]!, "code_mismatch");
    pass(wait);
  }
  const left = () => sql`select from lockout`;
  pass(3_600_001);
  await upkeep.purgeGuards(100);
  expect(await left()).toHaveLength(4);
  pass(400 * day);
  await upkeep.purgeGuards(100);
  expect(await sql`select caller, locked_until::text as until from lockout`).toEqual([
    { caller: "payments", until: "infinity" },
  ]);
  expect(await refusal(start({ customer: customers[2]! }))).toMatchObject({ metadata: { until: "freed" } });
});

test("a row that is still used is not removed under those who wait for it", async () => {
  const who = { customer: randomUUID(), phone: randomUUID() };
  await sql`truncate lockout, customer_guard, phone_guard`;
  await start(who);
  pass(26 * 3_600_000);
  // An older row of the same customer is gone or renewed, whichever came first; no start is lost to it.
  const [purged, ...starts] = await Promise.all([
    upkeep.purgeGuards(100),
    ...Array.from({ length: 9 }, () => start(who)),
  ]);
  expect(purged).toBeLessThanOrEqual(1);
  expect(starts.every((result) => result !== undefined)).toBe(true);
  const [row] = await sql`select cardinality(starts) as starts from customer_guard`;
  expect(row?.["starts"]).toBe(9);
});
