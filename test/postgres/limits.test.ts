import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { aKeyRing, aSignatureOf, ends, refusal, useReplicas } from "../support/replicas.ts";
import { aNewChallenge, aRequestKey, aSid, noLimits, noLockout } from "../support/stores.ts";

const { replica, deliveries, sql, pass, now } = await useReplicas();
const ring = aKeyRing("n1");
const perCustomer = (customerPerMinute: number) => ({ ...noLimits, customerPerMinute });
const perPhone = (phonePer10Minutes: number) => ({ ...noLimits, phonePer10Minutes });
const resending = { cooldownMs: 0, most: 100 };

/** The most instants that any window of the length has. */
function fullestWindow(instants: readonly number[], lengthMs: number): number {
  return Math.max(
    ...instants.map((from) => instants.filter((at) => at >= from && at < from + lengthMs).length),
  );
}

test("of 100 parallel starts over two replicas exactly the customer's limit is recorded", async () => {
  const who = { customer: randomUUID() };
  const starts = Array.from({ length: 100 }, (_, n) =>
    replica(n).signatures.start(aRequestKey(), aSignatureOf(who, ring), perCustomer(10)),
  );
  const { done, refused } = await ends(starts);
  expect(done.filter((start) => start !== undefined)).toHaveLength(10);
  expect(refused).toHaveLength(90);
  for (const failure of refused) {
    expect(failure).toMatchObject({ reason: "RATE_LIMITED", metadata: { limit: "customer" } });
    expect(failure.retryAfterMs).toBe(60_000);
  }
});

test("no minute holds more starts than the customer's limit, wherever it begins", async () => {
  const who = { customer: randomUUID() };
  const recorded: number[] = [];
  for (let round = 0; round < 25; round += 1) {
    const calls = Array.from({ length: 3 }, (_, n) =>
      replica(n).signatures.start(aRequestKey(), aSignatureOf(who, ring), perCustomer(5)),
    );
    const { done } = await ends(calls);
    for (const _ of done) recorded.push(now().getTime());
    pass(7_001);
  }
  expect(fullestWindow(recorded, 60_000)).toBe(5);
  expect(recorded.length).toBeGreaterThan(10);
});

test("a refused start says when the window has room, and then there is", async () => {
  const who = { customer: randomUUID() };
  const start = () => replica(0).signatures.start(aRequestKey(), aSignatureOf(who, ring), perCustomer(2));
  await start();
  pass(10_000);
  await start();
  pass(5_000);
  expect((await refusal(start())).retryAfterMs).toBe(45_000);
  pass(44_999);
  expect((await refusal(start())).retryAfterMs).toBe(1);
  pass(1);
  expect(await start()).toBeDefined();
});

test("a call that waited, with an instant before the latest, still finds all of its own window", async () => {
  const who = { customer: randomUUID() };
  const start = () => replica(0).signatures.start(aRequestKey(), aSignatureOf(who, ring), perCustomer(2));
  await start();
  await start();
  pass(60_000);
  expect(await start()).toBeDefined();
  // Its statement began first, and got the row's lock last.
  pass(-1_000);
  expect((await refusal(start())).metadata).toEqual({ limit: "customer" });
});

test("a refused start leaves nothing behind: no key, no signature, no count", async () => {
  const who = { customer: randomUUID(), phone: randomUUID() };
  const limits = { customerPerMinute: 10, phonePer10Minutes: 1 };
  await replica(0).signatures.start(aRequestKey(), aSignatureOf(who, ring), limits);
  const before = await sql`select starts, touched_at from customer_guard`;
  const key = aRequestKey();
  const signature = aSignatureOf(who, ring);
  expect((await refusal(replica(0).signatures.start(key, signature, limits))).metadata["limit"]).toBe(
    "phone",
  );
  expect(await replica(0).signatures.findKey(key.caller, "start", key.key)).toBeUndefined();
  const left = await sql`
    select id from signature where id = ${signature.id}
    union all select signature_id from challenge where signature_id = ${signature.id}
    union all select signature_id from event where signature_id = ${signature.id}`;
  expect(left).toHaveLength(0);
  expect(await sql`select starts, touched_at from customer_guard`).toEqual(before);
});

test("a known key counts against no limit", async () => {
  const who = { customer: randomUUID() };
  const limits = { customerPerMinute: 2, phonePer10Minutes: 2 };
  const key = aRequestKey();
  const start = (n: number, requestKey = aRequestKey()) =>
    replica(n).signatures.start(requestKey, aSignatureOf(who, ring), limits);
  await start(0, key);
  const { done } = await ends(Array.from({ length: 30 }, (_, n) => start(n, key)));
  expect(done).toEqual(Array.from({ length: 30 }, () => undefined));
  expect(await start(1)).toBeDefined();
  // Once the limit is reached, it is answered all the same.
  expect(await start(1, key)).toBeUndefined();
  await refusal(start(0));
});

test("messages of all signatures to one number share its limit, first ones and resends", async () => {
  const phone = randomUUID();
  const signatures = await Promise.all(
    Array.from({ length: 4 }, async (_, n) => {
      const signature = aSignatureOf({ customer: randomUUID(), phone }, ring);
      await replica(n).signatures.start(aRequestKey(), signature, perPhone(10));
      const result = { providerChallengeId: aSid(), providerProof: "proof", sentAt: now() };
      await deliveries.accepted(signature.challenge.id, result, "answer");
      return signature.id;
    }),
  );
  const calls = Array.from({ length: 60 }, (_, n) => {
    const id = signatures[n % 4] ?? "";
    const rules = { ...perPhone(10), ...resending };
    if (n % 3 === 0) {
      const signature = aSignatureOf({ customer: randomUUID(), phone }, ring);
      return replica(n).signatures.start(aRequestKey(), signature, perPhone(10));
    }
    return replica(n).signatures.resend(aRequestKey({ scope: id }), id, aNewChallenge(), rules);
  });
  const { refused } = await ends<unknown>(calls);
  const messages = await sql`
    select c.id from challenge c join signature s on s.id = c.signature_id
    where s.phone_guards = (select phone_guards from signature where id = ${signatures[0] ?? ""})`;
  expect(messages).toHaveLength(10);
  expect(new Set(refused.map((failure) => failure.metadata["limit"]))).toEqual(new Set(["phone"]));
});

test("a refused resend binds no key and leaves the challenge before it as it was", async () => {
  const signature = aSignatureOf({ customer: randomUUID() }, ring);
  await replica(0).signatures.start(aRequestKey(), signature, perPhone(1));
  const result = { providerChallengeId: aSid(), providerProof: "proof", sentAt: now() };
  await deliveries.accepted(signature.challenge.id, result, "answer");
  const key = aRequestKey({ scope: signature.id });
  const rules = { ...perPhone(1), ...resending };
  const failure = await refusal(replica(1).signatures.resend(key, signature.id, aNewChallenge(), rules));
  expect(failure).toMatchObject({ retryAfterMs: 600_000, metadata: { limit: "phone" } });
  expect(await replica(1).signatures.findKey(key.caller, key.scope, key.key)).toBeUndefined();
  const challenges = await sql`select status from challenge where signature_id = ${signature.id}`;
  expect(challenges.map((row) => row["status"])).toEqual(["sent"]);
});

test("a completion frees the messages to its number, also against parallel starts", async () => {
  const phone = randomUUID();
  const start = (n: number) => {
    const signature = aSignatureOf({ customer: randomUUID(), phone }, ring);
    return replica(n)
      .signatures.start(aRequestKey(), signature, perPhone(3))
      .then(() => signature.id);
  };
  const { done } = await ends([0, 1, 2, 3].map(start));
  expect(done).toHaveLength(3);
  await refusal(start(0));
  expect(await replica(1).closings.complete("payments", done[0] ?? "", "match", noLockout)).toMatchObject({
    outcome: "completed",
  });
  const parallel = await ends([0, 1, 2, 3, 4].map(start));
  expect(parallel.done).toHaveLength(3);
});

test("completions and starts of one customer and number never wait for each other in a circle", async () => {
  const two = aKeyRing("n1", "n2");
  const who = { customer: randomUUID(), phone: randomUUID() };
  const limits = { customerPerMinute: 1000, phonePer10Minutes: 1000 };
  const block = { failures: 100, windowMs: 3_600_000, stepsMs: [1000] };
  const start = async (n: number) => {
    const signature = aSignatureOf(who, two);
    await replica(n).signatures.start(aRequestKey(), signature, limits);
    return signature.id;
  };
  const ids = await Promise.all(Array.from({ length: 40 }, (_, n) => start(n)));
  const calls = ids.flatMap((id, n) => [
    replica(n).closings.complete("payments", id, n % 3 === 0 ? "code_mismatch" : "match", block),
    start(n),
  ]);
  const { refused } = await ends<unknown>(calls);
  expect(refused).toEqual([]);
});

test("replicas that learn of a new pseudonym key at different times hold the limits together", async () => {
  const newRing = aKeyRing("n2", "n1");
  const oldKey = newRing.keys.get("n1");
  if (oldKey === undefined) throw new Error("no old key");
  const oldRing = { primary: "n1", keys: new Map([["n1", oldKey]]) };
  const who = { customer: randomUUID(), phone: randomUUID() };
  const starts = (limits: typeof noLimits) =>
    Array.from({ length: 50 }, (_, n) =>
      replica(n).signatures.start(aRequestKey(), aSignatureOf(who, n % 2 === 0 ? oldRing : newRing), limits),
    );
  const customers = await ends(starts(perCustomer(10)));
  expect(customers.done).toHaveLength(10);
  const phones = await ends(starts(perPhone(10)));
  expect(phones.done).toHaveLength(10);
});

test("a call whose admission by the caller's limit is over is refused, and leaves nothing behind", async () => {
  const signature = aSignatureOf({ customer: randomUUID() }, ring);
  const key = aRequestKey();
  const admittedUntil = now();
  pass(1);
  const late = replica(0).signatures.start(key, signature, { ...noLimits, admittedUntil });
  expect(await refusal(late)).toMatchObject({ reason: "RATE_LIMITED", metadata: { limit: "caller" } });
  expect(await replica(0).signatures.findKey(key.caller, "start", key.key)).toBeUndefined();
  const inTime = { ...noLimits, admittedUntil: now() };
  expect(await replica(0).signatures.start(key, signature, inTime)).toBeDefined();
});
