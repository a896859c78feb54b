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
  pass(3_600_001);
  expect(await upkeep.purgeGuards(3)).toBe(3);
  expect(await upkeep.purgeGuards(100)).toBe(2);
  expect(await rows()).toEqual({ customers: 5, phones: 0, callers: 1, traffic: 2 });
  pass(3_600_000 + 600_000);
  await upkeep.purgeGuards(100);
  expect(await rows()).toEqual({ customers: 5, phones: 0, callers: 1, traffic: 0 });
  pass(day);
  expect(await upkeep.purgeGuards(100)).toBe(5);
  expect(await rows()).toEqual({ customers: 0, phones: 0, callers: 0, traffic: 0 });
});

test("a blocked customer's row stays until the block is over", async () => {
  const customer = randomUUID();
  const signature = aSignatureOf({ customer }, ring);
  await replica(0).signatures.start(aRequestKey(), signature, limits);
  const block = { failures: 1, windowMs: 1000, blockMs: 2 * day };
  await replica(0).closings.complete("payments", signature.id, "code_mismatch", block);
  pass(2 * day - 1);
  await upkeep.purgeGuards(100);
  expect((await refusal(start({ customer }))).reason).toBe("CUSTOMER_BLOCKED");
  pass(1);
  expect(await upkeep.purgeGuards(100)).toBe(1);
});

test("a row that is still used is not removed under those who wait for it", async () => {
  const who = { customer: randomUUID(), phone: randomUUID() };
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
