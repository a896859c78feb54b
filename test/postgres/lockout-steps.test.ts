import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import type { LockoutRules } from "../../src/domain/limits.ts";
import { PostgresOperatorOrderStore } from "../../src/postgres/operator-order-store.ts";
import { aKeyRing, aSignatureOf, ends, refusal, useReplicas } from "../support/replicas.ts";
import { aRequestKey, noLimits } from "../support/stores.ts";

const { replica, sql, pass, now } = await useReplicas();
const ring = aKeyRing("n1");
const block: LockoutRules = {
  failures: 5,
  windowMs: 3_600_000,
  stepsMs: [900_000, 3_600_000, 86_400_000],
};
const blocks = (ms: number) => ({ reason: "CUSTOMER_BLOCKED", retryAfterMs: ms });

async function started(customer: string): Promise<string> {
  const signature = aSignatureOf({ customer }, ring, { attempts: 5 });
  await replica(0).signatures.start(aRequestKey(), signature, noLimits);
  return signature.id;
}

const hour = 3_600_000;

/** Wrong codes for signatures of a caller, sent to a number, until one locks the customer out; what it did. */
async function lockedOut(customer: string, over: { caller?: string; phone?: string } = {}) {
  const { caller = "payments", phone = "+34600000001" } = over;
  for (;;) {
    const signature = aSignatureOf({ customer, phone }, ring, { attempts: 5 });
    await replica(0).signatures.start(aRequestKey({ caller }), signature, noLimits);
    const completion = await replica(0).closings.complete(caller, signature.id, "code_mismatch", block);
    if (completion?.outcome !== "rejected") throw new Error(`not rejected but ${completion?.outcome}`);
    if (completion.lockout !== undefined) return completion.lockout;
  }
}

async function right(customer: string, over: { caller?: string; phone?: string } = {}) {
  const { caller = "payments", phone = "+34600000001" } = over;
  const signature = aSignatureOf({ customer, phone }, ring, { attempts: 5 });
  await replica(1).signatures.start(aRequestKey({ caller }), signature, noLimits);
  return await replica(1).closings.complete(caller, signature.id, "match", block);
}

test("lockouts grow, the one before the last warns, and the last holds until the bank frees the customer", async () => {
  const customer = randomUUID();
  expect(await lockedOut(customer)).toEqual({ step: 1, untilFreed: "no" });
  pass(900_000);
  expect(await lockedOut(customer)).toEqual({ step: 2, untilFreed: "no" });
  expect(await refusal(started(customer))).toMatchObject(blocks(hour));
  pass(hour);
  expect(await lockedOut(customer)).toEqual({ step: 3, untilFreed: "next" });
  expect(await refusal(started(customer))).toMatchObject(blocks(24 * hour));
  pass(24 * hour);
  expect(await lockedOut(customer)).toEqual({ step: 4, untilFreed: "now" });
  pass(365 * 24 * hour);
  expect(await refusal(started(customer))).toMatchObject({
    reason: "CUSTOMER_BLOCKED",
    retryAfterMs: 24 * hour,
    metadata: { until: "freed" },
  });
  const [row] = await sql<{ last: string }[]>`
    select last_signature_id as last from lockout where locked_until = 'infinity' and touched_at < ${now()} limit 1`;
  await new PostgresOperatorOrderStore(replica(0).db).block(row!.last, "customer", 0);
  await started(customer);
  expect(await lockedOut(customer)).toEqual({ step: 1, untilFreed: "no" });
});

test("a right code forgives what failed for its caller and its number, and nothing else", async () => {
  const customer = randomUUID();
  const [own, other] = ["+34600000001", "+34600000002"];
  const wrongFor = async (times: number, phone: string) => {
    for (let time = 0; time < times; time += 1) {
      const signature = aSignatureOf({ customer, phone }, ring, { attempts: 5 });
      await replica(0).signatures.start(aRequestKey(), signature, noLimits);
      await replica(0).closings.complete("payments", signature.id, "code_mismatch", block);
    }
  };
  await wrongFor(4, own);
  expect(await right(customer, { phone: other })).toMatchObject({ outcome: "completed" });
  await wrongFor(1, own);
  expect(await refusal(right(customer, { phone: own }))).toMatchObject({ reason: "CUSTOMER_BLOCKED" });
  pass(900_000);
  // The lockout is over; the next is longer, since the other number proves nothing of this one.
  expect(await right(customer, { phone: other })).toMatchObject({ outcome: "completed" });
  expect(await lockedOut(customer, { phone: own })).toEqual({ step: 2, untilFreed: "no" });
  pass(hour);
  expect(await right(customer, { phone: own })).toMatchObject({ outcome: "completed" });
  expect(await lockedOut(customer, { phone: own })).toEqual({ step: 1, untilFreed: "no" });
  const left = await sql`
    select caller, cardinality(failed_at)::int as failures from lockout
    where customer = any (array(select unnest(s.customer_guards) from signature s, lockout k
      where k.last_signature_id = s.id and k.locked_at = ${now()})) order by caller`;
  expect(left).toEqual([
    { caller: "", failures: 5 },
    { caller: "payments", failures: 5 },
  ]);
});

test("one caller's failures lock the customer out for that caller alone", async () => {
  const customer = randomUUID();
  for (const wait of [900_000, hour, 24 * hour, 0]) {
    await lockedOut(customer, { caller: "rogue" });
    pass(wait);
  }
  const start = replica(0).signatures.start(
    aRequestKey({ caller: "rogue" }),
    aSignatureOf({ customer }, ring),
    noLimits,
  );
  expect(await refusal(start)).toMatchObject({ metadata: { until: "freed" } });
  expect(await right(customer)).toMatchObject({ outcome: "completed" });
});

test("100 failures of a customer, over all callers and whatever their pace, are the most without the bank's act", async () => {
  const customer = randomUUID();
  let failures = 0;
  let refusals = 0;
  const ofCaller = new Map<string, number>();
  for (let n = 0; refusals < 60; n += 1) {
    const caller = `caller-${n % 6}`;
    const signature = aSignatureOf({ customer }, ring, { attempts: 5 });
    try {
      await replica(n).signatures.start(aRequestKey({ caller }), signature, noLimits);
      await replica(n).closings.complete(caller, signature.id, "code_mismatch", block);
      failures += 1;
      ofCaller.set(caller, (ofCaller.get(caller) ?? 0) + 1);
      refusals = 0;
    } catch {
      refusals += 1;
      // Whoever waits out each lockout gains nothing more.
      pass(24 * hour);
    }
  }
  expect(failures).toBe(100);
  expect(Math.max(...ofCaller.values())).toBeLessThanOrEqual(20);
  expect(await refusal(right(customer, { caller: "honest" }))).toMatchObject({
    metadata: { until: "freed" },
  });
});

test("who stays below the window's bound has half of them with one caller", async () => {
  const customer = randomUUID();
  let failures = 0;
  for (;;) {
    const signature = aSignatureOf({ customer }, ring, { attempts: 5 });
    const start = replica(0).signatures.start(aRequestKey({ caller: "slow" }), signature, noLimits);
    if ((await ends([start])).refused.length > 0) break;
    await replica(0).closings.complete("slow", signature.id, "code_mismatch", block);
    failures += 1;
    pass(hour);
  }
  expect(failures).toBe(50);
  expect(await right(customer)).toMatchObject({ outcome: "completed" });
});
