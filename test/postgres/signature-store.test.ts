import { expect, test } from "vitest";
import type { Verdict } from "../../src/domain/stores.ts";
import {
  aNewChallenge,
  aNewSignature,
  aRequestKey,
  aSid,
  noLimits,
  noLockout,
  useStores,
} from "../support/stores.ts";

const { signatures, deliveries, closings, reader, upkeep, sql, pass, now } = await useStores();
const rules = { ...noLimits, cooldownMs: 30_000, most: 5 };

async function started(over = {}) {
  const signature = aNewSignature(over);
  const key = aRequestKey();
  const result = await signatures.start(key, signature, noLimits);
  if (result === undefined) throw new Error("not started");
  return { id: signature.id, challengeId: signature.challenge.id, key, ...result };
}

function accepted(challengeId: string, sid = aSid(), source: "answer" | "look_up" | "receipt" = "answer") {
  const result = { providerChallengeId: sid, providerProof: `proof of ${sid}`, sentAt: now() };
  return deliveries.accepted(challengeId, result, source);
}

async function types(id: string) {
  const history = await reader.history("payments", id);
  return history?.timeline.map((event) => event.type);
}

test("a start records signature, challenge with its first call begun, and two events", async () => {
  const result = await started();
  const { id } = result;
  expect(result.lease).toEqual({ epoch: 1, durationMs: 20_000 });
  const signature = await reader.get("payments", id);
  expect(signature).toMatchObject({
    status: "pending",
    attemptsRemaining: 3,
    version: 2,
    closedAt: undefined,
  });
  expect(signature).toEqual(result.signature);
  expect(signature?.challenge).toMatchObject({ status: "pending", inProgress: true });
  expect(signature?.expiresAt.getTime()).toBe(now().getTime() + 300_000);
  expect(await types(id)).toEqual(["SIGNATURE_STARTED", "CHALLENGE_CREATED"]);
});

test("fifty parallel starts with one key record one signature", async () => {
  const key = aRequestKey();
  const starts = await Promise.all(
    Array.from({ length: 50 }, () => signatures.start(key, aNewSignature(), noLimits)),
  );
  const won = starts.filter((start) => start !== undefined);
  expect(won).toHaveLength(1);
  const record = await signatures.findKey(key.caller, "start", key.key);
  expect(record?.signatureId).toBe(won[0]?.signature.id);
  expect(record?.fingerprint.equals(key.fingerprint)).toBe(true);
});

test("the same key of another caller is another key", async () => {
  const key = aRequestKey();
  expect(await signatures.start(key, aNewSignature(), noLimits)).toBeDefined();
  expect(await signatures.start({ ...key, caller: "cards" }, aNewSignature(), noLimits)).toBeDefined();
});

test("another caller's signature does not exist", async () => {
  const { id } = await started();
  expect(await reader.get("cards", id)).toBeUndefined();
  expect(await reader.history("cards", id)).toBeUndefined();
  expect(await closings.codeMaterial("cards", id)).toBeUndefined();
  expect(await closings.complete("cards", id, "match", noLockout)).toBeUndefined();
  expect(await closings.abort("cards", id, undefined, "")).toBeUndefined();
  expect(await signatures.material("cards", id)).toBeUndefined();
  const resend = await signatures.resend(
    aRequestKey({ caller: "cards", scope: id }),
    id,
    aNewChallenge(),
    rules,
  );
  expect(resend.outcome).toBe("not_found");
});

test("the events of a signature are numbered and chained, and the row holds the head", async () => {
  const { id, challengeId } = await started();
  await accepted(challengeId);
  await closings.complete("payments", id, "code_mismatch", noLockout);
  await closings.complete("payments", id, "match", noLockout);
  const rows = await sql`
    select e.number, e.hash = (event_chain(
        coalesce((select p.hash from event p where p.signature_id = e.signature_id and p.number = e.number - 1), ''),
        e.number - 1, e.signature_id, e.at, array[e.type], array[e.details]))[1] as fits,
      s.chain_length, s.chain_head = e.hash as head
    from event e join signature s on s.id = e.signature_id where s.id = ${id} order by e.number`;
  expect(rows.map((row) => row["number"])).toEqual([1, 2, 3, 4, 5]);
  expect(rows.every((row) => row["fits"])).toBe(true);
  expect(rows.at(-1)).toMatchObject({ chain_length: 5, head: true });
});

test("a right code completes once; a second one finds it closed", async () => {
  const { id, challengeId } = await started();
  await accepted(challengeId);
  const [first, second] = await Promise.all([
    closings.complete("payments", id, "match", noLockout),
    closings.complete("payments", id, "match", noLockout),
  ]);
  expect([first?.outcome, second?.outcome].sort()).toEqual(["closed", "completed"]);
  const signature = await reader.get("payments", id);
  expect(signature).toMatchObject({ status: "completed", challenge: { status: "completed" } });
  const [row] = await sql`select phone_sealed from signature where id = ${id}`;
  expect(row?.["phone_sealed"]).toBeNull();
  const [due] = await sql`select feedback_due_at, redact_due_at from challenge where id = ${challengeId}`;
  expect(due?.["feedback_due_at"]).toEqual(now());
  expect(due?.["redact_due_at"]).toEqual(new Date(now().getTime() + 60_000));
});

test("200 parallel wrong codes and a right one consume exactly the attempts there are", async () => {
  const { id, challengeId } = await started({ attempts: 3 });
  await accepted(challengeId);
  const verdicts = Array.from({ length: 201 }, (_, n): Verdict => (n === 100 ? "match" : "code_mismatch"));
  const outcomes = await Promise.all(
    verdicts.map((verdict) => closings.complete("payments", id, verdict, noLockout)),
  );
  const count = (outcome: string) => outcomes.filter((result) => result?.outcome === outcome).length;
  const wrong = count("rejected") + count("failed");
  expect(wrong).toBeLessThanOrEqual(3);
  expect(count("completed") + count("failed")).toBe(1);
  if (count("failed") === 1) expect(wrong).toBe(3);
  expect(outcomes).toHaveLength(201);
  expect(count("closed")).toBe(201 - wrong - count("completed"));
  const timeline = (await types(id)) ?? [];
  expect(timeline.filter((type) => type === "CODE_REJECTED")).toHaveLength(wrong);
});

test("the last wrong code fails the signature and cancels its challenge", async () => {
  const { id } = await started({ attempts: 2 });
  expect(await closings.complete("payments", id, "code_mismatch", noLockout)).toEqual({
    outcome: "rejected",
    attemptsRemaining: 1,
  });
  expect(await closings.complete("payments", id, "transaction_mismatch", noLockout)).toEqual({
    outcome: "failed",
  });
  expect(await closings.complete("payments", id, "match", noLockout)).toEqual({
    outcome: "closed",
    status: "failed",
  });
  expect(await reader.get("payments", id)).toMatchObject({
    status: "failed",
    attemptsRemaining: 0,
    challenge: { status: "cancelled" },
  });
  expect((await types(id))?.slice(2)).toEqual(["CODE_REJECTED", "TRANSACTION_MISMATCH", "SIGNATURE_FAILED"]);
});

test("complete against abort has one winner, and the timeline one end", async () => {
  for (let round = 0; round < 10; round += 1) {
    const { id, challengeId } = await started();
    await accepted(challengeId);
    const [completion, abortion] = await Promise.all([
      closings.complete("payments", id, "match", noLockout),
      closings.abort("payments", id, "fraud_suspected", "called back"),
    ]);
    const winners = [completion?.outcome === "completed", abortion?.outcome === "aborted"].filter(Boolean);
    expect(winners).toHaveLength(1);
    const ends = (await types(id))?.filter((type) => /SIGNATURE_(COMPLETED|ABORTED)/.test(type));
    expect(ends).toHaveLength(1);
  }
});

test("complete against a resend leaves no open challenge behind a closed signature", async () => {
  for (let round = 0; round < 10; round += 1) {
    const { id, challengeId } = await started();
    await accepted(challengeId);
    pass(31_000);
    const key = aRequestKey({ scope: id });
    const [completion, resend] = await Promise.all([
      closings.complete("payments", id, "match", noLockout),
      signatures.resend(key, id, aNewChallenge(), rules),
    ]);
    expect(completion?.outcome).toBe("completed");
    expect(["created", "closed"]).toContain(resend.outcome);
    const open = await sql`select from challenge where signature_id = ${id}
      and status in ('pending', 'sent', 'failed', 'delivered')`;
    expect(open).toHaveLength(0);
  }
});

test("an expired signature refuses the right code, reads as expired at once, and is recorded by the sweeper", async () => {
  const { id, challengeId } = await started({ ttlMs: 1000 });
  await accepted(challengeId);
  const before = await reader.versions([id]);
  pass(1000);
  expect(await closings.complete("payments", id, "match", noLockout)).toEqual({
    outcome: "closed",
    status: "expired",
  });
  const read = await reader.get("payments", id);
  expect(read).toMatchObject({
    status: "expired",
    closedAt: read?.expiresAt,
    challenge: { status: "expired" },
  });
  expect((await reader.versions([id])).get(id)).not.toBe(before.get(id));
  pass(5000);
  expect(await upkeep.expire(50)).toBeGreaterThanOrEqual(1);
  const recorded = await reader.get("payments", id);
  expect(recorded).toMatchObject({ status: "expired", closedAt: read?.expiresAt });
  expect((await types(id))?.at(-1)).toBe("SIGNATURE_EXPIRED");
});

test("a resend supersedes, keeps code material and attempts, and waits for the cooldown", async () => {
  const { id, challengeId } = await started();
  const key = aRequestKey({ scope: id });
  expect(await signatures.resend(key, id, aNewChallenge(), rules)).toMatchObject({ outcome: "in_flight" });
  await accepted(challengeId);
  await closings.complete("payments", id, "code_mismatch", noLockout);
  pass(10_000);
  expect(await signatures.resend(key, id, aNewChallenge(), rules)).toEqual({
    outcome: "too_soon",
    retryAfterMs: 20_000,
  });
  pass(20_000);
  const challenge = aNewChallenge();
  expect(await signatures.resend(key, id, challenge, rules)).toMatchObject({
    outcome: "created",
    signature: { attemptsRemaining: 2, challenge: { id: challenge.id, status: "pending", inProgress: true } },
  });
  expect(await signatures.resend(key, id, aNewChallenge(), rules)).toEqual({ outcome: "replay" });
  const history = await reader.history("payments", id);
  expect(history?.challenges.map((entry) => entry.status)).toEqual(["superseded", "pending"]);
  // A message that arrives late still counts for the challenge that it belongs to.
  const receipt = {
    provider: "twilio",
    challengeId,
    attempt: 1,
    providerChallengeId: history?.challenges[0]?.providerChallengeId ?? "",
    status: "delivered" as const,
    providerErrorCode: undefined,
    parameters: "{}",
    providerProof: "proof",
  };
  expect(await deliveries.settled(receipt)).toBe(true);
  const later = await reader.history("payments", id);
  expect(later?.challenges[0]).toMatchObject({ status: "superseded", deliveredAt: now() });
});

test("resends end at the ceiling, and messages that nobody took do not count", async () => {
  const { id, challengeId, lease } = await started();
  await deliveries.giveUp(challengeId, lease, "connection");
  let resends = 0;
  for (;;) {
    const challenge = aNewChallenge();
    const resend = await signatures.resend(aRequestKey({ scope: id }), id, challenge, {
      ...noLimits,
      cooldownMs: 0,
      most: 2,
    });
    if (resend.outcome !== "created") {
      expect(resend.outcome).toBe("exhausted");
      break;
    }
    resends += 1;
    await accepted(challenge.id);
  }
  expect(resends).toBe(3);
});

test("two parallel resends with different keys create one challenge", async () => {
  const { id, challengeId } = await started();
  await accepted(challengeId);
  pass(31_000);
  const outcomes = await Promise.all(
    [1, 2, 3].map(() => signatures.resend(aRequestKey({ scope: id }), id, aNewChallenge(), rules)),
  );
  expect(outcomes.filter((resend) => resend.outcome === "created")).toHaveLength(1);
  const pending = await sql`select from challenge where signature_id = ${id} and status = 'pending'`;
  expect(pending).toHaveLength(1);
});

test("keys are kept for a day and then purged in batches", async () => {
  const { key } = await started();
  pass(24 * 3600_000);
  await upkeep.purgeKeys(1000);
  expect(await signatures.findKey(key.caller, "start", key.key)).toBeDefined();
  pass(3600_001);
  expect(await upkeep.purgeKeys(1)).toBe(1);
  while ((await upkeep.purgeKeys(1000)) > 0);
  expect(await signatures.findKey(key.caller, "start", key.key)).toBeUndefined();
});
