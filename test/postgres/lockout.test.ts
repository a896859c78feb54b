import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import type { KeyRing } from "../../src/domain/keys.ts";
import type { LockoutRules } from "../../src/domain/limits.ts";
import type { Verdict } from "../../src/domain/stores.ts";
import { aKeyRing, aSignatureOf, ends, refusal, useReplicas } from "../support/replicas.ts";
import { aNewChallenge, aRequestKey, aSid, noLimits } from "../support/stores.ts";

const { replica, reader, deliveries, sql, pass, now } = await useReplicas();
const ring = aKeyRing("n1");
const block: LockoutRules = {
  failures: 5,
  windowMs: 3_600_000,
  stepsMs: [900_000, 3_600_000, 86_400_000],
};
const blocks = (ms: number) => ({ reason: "CUSTOMER_BLOCKED", retryAfterMs: ms });

async function started(customer: string, keys: KeyRing = ring, n = 0): Promise<string> {
  const signature = aSignatureOf({ customer }, keys, { attempts: 5 });
  await replica(n).signatures.start(aRequestKey(), signature, noLimits);
  return signature.id;
}

function complete(id: string, verdict: Verdict, n = 0) {
  return replica(n).closings.complete("payments", id, verdict, block);
}

/** Wrong codes, each for a signature of its own, so that the attempts of none run out. */
async function wrong(customer: string, times: number, keys: KeyRing = ring, n = 0): Promise<void> {
  for (let time = 0; time < times; time += 1) {
    expect(await complete(await started(customer, keys, n), "code_mismatch", n)).toMatchObject({
      outcome: "rejected",
    });
  }
}

test("five wrong codes in a row over several signatures block the customer, and nothing is consumed then", async () => {
  const customer = randomUUID();
  const id = await started(customer);
  const other = await started(customer);
  await complete(id, "code_mismatch");
  await complete(other, "transaction_mismatch");
  await wrong(customer, 3);
  const before = await reader.get("payments", id);
  expect(await refusal(complete(id, "match"))).toMatchObject(blocks(900_000));
  expect(await refusal(complete(id, "code_mismatch"))).toMatchObject(blocks(900_000));
  expect(await reader.get("payments", id)).toEqual(before);
  expect(before).toMatchObject({ attemptsRemaining: 4, status: "pending" });
});

test("a blocked customer starts nothing and gets no message, and nothing of it is recorded", async () => {
  const customer = randomUUID();
  const signature = aSignatureOf({ customer }, ring);
  await replica(0).signatures.start(aRequestKey(), signature, noLimits);
  const result = { providerChallengeId: aSid(), providerProof: "proof", sentAt: now() };
  await deliveries.accepted(signature.challenge.id, result, "answer");
  await wrong(customer, 5);
  pass(60_000);
  const key = aRequestKey();
  const start = replica(1).signatures.start(key, aSignatureOf({ customer }, ring), noLimits);
  expect(await refusal(start)).toMatchObject(blocks(840_000));
  const again = aRequestKey({ scope: signature.id });
  const rules = { ...noLimits, cooldownMs: 0, most: 5 };
  const resend = replica(1).signatures.resend(again, signature.id, aNewChallenge(), rules);
  expect(await refusal(resend)).toMatchObject(blocks(840_000));
  for (const { caller, scope, key: bound } of [key, again]) {
    expect(await replica(0).signatures.findKey(caller, scope, bound)).toBeUndefined();
  }
  const challenges = await sql`select status from challenge where signature_id = ${signature.id}`;
  expect(challenges.map((row) => row["status"])).toEqual(["sent"]);
});

test("of 100 parallel wrong codes on as many signatures five are tried, the others refused", async () => {
  const customer = randomUUID();
  const ids = await Promise.all(Array.from({ length: 100 }, (_, n) => started(customer, ring, n)));
  const { done, refused } = await ends(ids.map((id, n) => complete(id, "code_mismatch", n)));
  expect(done.map((completion) => completion?.outcome)).toEqual(Array.from({ length: 5 }, () => "rejected"));
  expect(refused).toHaveLength(95);
  expect(new Set(refused.map((failure) => failure.reason))).toEqual(new Set(["CUSTOMER_BLOCKED"]));
});

test("a right code that waited for the fifth wrong one is refused: guesses in parallel gain nothing", async () => {
  const customer = randomUUID();
  await wrong(customer, 4);
  const id = await started(customer);
  // The fifth wrong code, held before its commit; the right one begins while it is.
  const held = Promise.withResolvers<void>();
  const counted = Promise.withResolvers<void>();
  const fifth = sql.begin(async (tx) => {
    const until = new Date(now().getTime() + block.stepsMs[0]!);
    await tx`update lockout set locked_until = ${until}
      where customer = any (array(select unnest(customer_guards) from signature where id = ${id}))`;
    counted.resolve();
    await held.promise;
  });
  await counted.promise;
  const right = refusal(complete(id, "match"));
  await lockIsAwaited();
  held.resolve();
  await fifth;
  expect(await right).toMatchObject(blocks(900_000));
});

async function lockIsAwaited(): Promise<void> {
  for (;;) {
    const [waiting] = await sql`
      select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
    if (waiting !== undefined) return;
  }
}

test("the block ends after its time, and a new row of wrong codes begins", async () => {
  const customer = randomUUID();
  await wrong(customer, 5);
  const id = await started(randomUUID());
  expect(await complete(id, "match")).toMatchObject({ outcome: "completed" });
  pass(899_999);
  expect(await refusal(started(customer))).toMatchObject(blocks(1));
  pass(1);
  await wrong(customer, 5);
  expect((await refusal(started(customer))).reason).toBe("CUSTOMER_BLOCKED");
});

test("trying on while blocked does not prolong the block", async () => {
  const customer = randomUUID();
  const id = await started(customer);
  await wrong(customer, 5);
  for (let time = 0; time < 6; time += 1) {
    pass(40_000);
    await refusal(complete(id, "code_mismatch"));
  }
  pass(block.stepsMs[0]! - 240_000);
  await started(customer);
});

test("a right code ends the row of wrong ones", async () => {
  const customer = randomUUID();
  await wrong(customer, 4);
  expect(await complete(await started(customer), "match")).toMatchObject({ outcome: "completed" });
  await wrong(customer, 4);
  expect(await complete(await started(customer), "match")).toMatchObject({ outcome: "completed" });
});

test("wrong codes that are older than the window do not count", async () => {
  const customer = randomUUID();
  await wrong(customer, 4);
  pass(block.windowMs);
  await wrong(customer, 4);
  await started(customer);
  await wrong(customer, 1);
  await refusal(started(customer));
});

test("any hour with five wrong codes in a row blocks, wherever it begins", async () => {
  const customer = randomUUID();
  await wrong(customer, 1);
  pass(3_540_000);
  await wrong(customer, 3);
  // The first has left the window; the three of a minute ago have not.
  pass(60_000);
  await wrong(customer, 2);
  expect((await refusal(started(customer))).reason).toBe("CUSTOMER_BLOCKED");

  const slow = randomUUID();
  for (let time = 0; time < 8; time += 1) {
    await wrong(slow, 1);
    pass(900_000);
  }
  await started(slow);
});

test("wrong codes on a closed signature count for nothing", async () => {
  const customer = randomUUID();
  const id = await started(customer);
  await complete(id, "match");
  for (let time = 0; time < 6; time += 1) {
    expect(await complete(id, "code_mismatch")).toEqual({ outcome: "closed", status: "completed" });
  }
  await started(customer);
});

test("a rule of one blocks with the first wrong code, and a rule of none never", async () => {
  for (const [failures, isBlocked] of [
    [1, true],
    [0, false],
  ] as const) {
    const customer = randomUUID();
    const id = await started(customer);
    const rules = { ...block, failures };
    await replica(0).closings.complete("payments", id, "code_mismatch", rules);
    const right = replica(0).closings.complete("payments", id, "match", rules);
    if (isBlocked) expect(await refusal(right)).toMatchObject(blocks(900_000));
    else expect(await right).toMatchObject({ outcome: "completed" });
  }
});

test("the block holds over replicas that learn of a new pseudonym key at different times", async () => {
  const newRing = aKeyRing("n2", "n1");
  const oldKey = newRing.keys.get("n1");
  if (oldKey === undefined) throw new Error("no old key");
  const oldRing: KeyRing = { primary: "n1", keys: new Map([["n1", oldKey]]) };
  const customer = randomUUID();
  const open = await started(customer, newRing);
  await wrong(customer, 2, newRing);
  await wrong(customer, 3, oldRing, 1);
  // The old key's row alone is at five: it blocks both replicas.
  expect(await refusal(started(customer, newRing))).toMatchObject(blocks(900_000));
  expect(await refusal(started(customer, oldRing, 1))).toMatchObject(blocks(900_000));
  // What is refused counts under neither key, or the block would come again once it has ended.
  for (let time = 0; time < 5; time += 1) await refusal(complete(open, "code_mismatch"));
  pass(block.stepsMs[0]!);
  await wrong(customer, 2, newRing);
  await started(customer, newRing);
});
