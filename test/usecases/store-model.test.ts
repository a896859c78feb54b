import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { openChallengeStatuses } from "../../src/domain/challenge.ts";
import { factsOf } from "../../src/domain/event-facts.ts";
import { isOpen } from "../../src/domain/signature.ts";
import { aReceipt } from "../support/domain.ts";
import { modelRules, SignatureModel } from "../support/signature-model.ts";
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
const { attempts, calls, leaseMs } = modelRules;
const caller = "payments";

/** `of`: the latest challenge or, where there is one, an earlier one; `stale`: by an owner of before. */
const step = fc.record({
  name: fc.constantFrom(
    ...([
      "accept",
      "accept",
      "refuse",
      "deliver",
      "undeliver",
      "unknown",
      "looked_up",
      "begin",
      "begin",
    ] as const),
    ...([
      "give_up",
      "give_up",
      "park",
      "take_up",
      "take_up",
      "resume",
      "take_over",
      "resend",
      "resend",
    ] as const),
    ...(["right", "wrong", "wrong", "mismatch", "abort", "expire", "pass", "pass", "pass"] as const),
  ),
  of: fc.constantFrom("latest", "latest", "latest", "earlier"),
  sid: fc.constantFrom("same", "same", "another"),
  source: fc.constantFrom("answer", "look_up", "receipt"),
  stale: fc.constantFrom(false, false, false, true),
  ms: fc.constantFrom(1, 5000, 15_000, 30_000, 60_000),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

async function take(
  model: SignatureModel,
  id: string,
  { name, of, sid, source, stale, ms }: Step,
): Promise<void> {
  const at = now().getTime();
  const challenge = of === "latest" ? model.latest : (model.challenges.at(-2) ?? model.latest);
  const lease = { epoch: challenge.epoch - (stale ? 1 : 0), durationMs: leaseMs };
  const aMessage = sid === "same" ? (challenge.sid ?? aSid()) : aSid();
  switch (name) {
    case "accept": {
      const result = { providerChallengeId: aMessage, providerProof: "proof", sentAt: now() };
      const acceptance = await deliveries.accepted(challenge.id, result, source);
      expect(acceptance?.effect).toBe(model.accept(challenge, aMessage, source));
      return;
    }
    case "refuse":
      await deliveries.refused(challenge.id, "21211");
      return model.refuse(challenge, "21211");
    case "deliver":
    case "undeliver": {
      const errorCode = name === "deliver" ? undefined : "30003";
      const status = name === "deliver" ? "delivered" : "undelivered";
      const receipt = aReceipt(challenge.id, aMessage, { status, providerErrorCode: errorCode });
      expect(await deliveries.settled(receipt)).toBe(model.receipt(challenge, aMessage, errorCode));
      return;
    }
    case "unknown":
      await deliveries.unknown(challenge.id, lease, "timeout");
      return model.note(challenge, lease.epoch, at, "OUTCOME_UNKNOWN");
    case "looked_up":
      await deliveries.lookedUp(challenge.id, lease, "nothing");
      return model.note(challenge, lease.epoch, at, "LOOKED_UP");
    case "begin": {
      const begun = await deliveries.beginCall(challenge.id, lease);
      expect(begun !== undefined).toBe(model.beginCall(challenge, lease.epoch, at));
      return;
    }
    case "give_up": {
      const given = await deliveries.giveUp(challenge.id, lease, "20429");
      expect(given !== undefined).toBe(model.giveUp(challenge, lease.epoch));
      return;
    }
    case "park":
      await deliveries.park(challenge.id, lease, ms);
      return model.park(challenge, lease.epoch, at + ms);
    case "take_up": {
      const material = await deliveries.takeUp(challenge.id, calls, leaseMs);
      expect(material !== undefined).toBe(model.takeUp(challenge, at));
      if (material !== undefined) expect(material.lease.epoch).toBe(challenge.epoch);
      return;
    }
    case "resume": {
      const material = await deliveries.resume(challenge.id, leaseMs);
      expect(material !== undefined).toBe(model.resume(challenge, at));
      return;
    }
    case "take_over": {
      const before = challenge.epoch;
      const taken = (await deliveries.takeOver(1000, leaseMs)).filter((each) => each.signatureId === id);
      model.takeOver(at);
      expect(taken.some((each) => each.challengeId === challenge.id)).toBe(challenge.epoch > before);
      return;
    }
    case "resend": {
      const next = aNewChallenge({ calls, leaseMs });
      const key = aRequestKey({ caller, scope: id, key: randomUUID() });
      const { outcome } = await signatures.resend(key, id, next, { ...modelRules, ...noLimits });
      expect(outcome).toBe(model.resend(next.id, at));
      return;
    }
    case "right":
    case "wrong":
    case "mismatch": {
      const verdicts = { right: "match", wrong: "code_mismatch", mismatch: "transaction_mismatch" } as const;
      const completion = await closings.complete(caller, id, verdicts[name], noLockout);
      expect(completion?.outcome).toBe(model.complete(verdicts[name], at));
      return;
    }
    case "abort": {
      const abortion = await closings.abort(caller, id, undefined, "");
      expect(abortion?.outcome).toBe(model.abort(at));
      return;
    }
    case "expire":
      await upkeep.expire(1000);
      return model.expire(at);
    case "pass":
      return pass(ms);
  }
}

async function compare(model: SignatureModel, id: string): Promise<void> {
  const history = await reader.history(caller, id);
  if (history === undefined) throw new Error("the signature is gone");
  const { signature, challenges, timeline } = history;
  const seen = model.seen(now().getTime());
  expect(signature.status).toBe(seen.status);
  expect(signature.closedAt?.getTime()).toBe(seen.closedAt);
  expect(signature.attemptsRemaining).toBe(model.attempts);
  expect(challenges.map(({ status }) => status)).toEqual(seen.challenges);
  expect(
    challenges.map((each) => [
      each.id,
      each.providerChallengeId,
      each.providerErrorCode,
      each.deliveredAt !== undefined,
    ]),
  ).toEqual(model.challenges.map((each) => [each.id, each.sid, each.errorCode, each.delivered]));
  expect(signature.challenge.inProgress).toBe(
    seen.challenges.at(-1) === "pending" && model.latest.leaseUntil !== undefined,
  );
  expect(timeline.map(({ type }) => type)).toEqual(model.timeline);
  expect(timeline.map(({ number }) => number)).toEqual(timeline.map((_, index) => index + 1));
  expect(signature.version).toBe(timeline.length);
  // The events alone tell what the rows have.
  const told = factsOf(timeline.map(({ at, ...event }) => ({ ...event, at: at.toISOString() })));
  expect(told.signature).toMatchObject({ status: model.status, attempts_remaining: model.attempts });
  expect(told.signature.closed_at).toBe(
    model.closedAt === undefined ? null : new Date(model.closedAt).toISOString(),
  );
  for (const [index, each] of model.challenges.entries()) {
    expect(told.challenges.get(each.id)).toMatchObject({
      ...{ status: each.status, message_sid: each.sid ?? null, provider_error_code: each.errorCode ?? null },
      sent_at: challenges[index]?.sentAt?.toISOString() ?? null,
      delivered_at: challenges[index]?.deliveredAt?.toISOString() ?? null,
      ...(!openChallengeStatuses.includes(each.status) && { calls: each.calls }),
    });
  }
  // What must hold whatever the model says.
  expect(signature.attemptsRemaining).toBeGreaterThanOrEqual(0);
  const open = challenges.filter(({ status }) => openChallengeStatuses.includes(status));
  expect(open).toHaveLength(isOpen(signature.status) ? 1 : 0);
  expect(signature.closedAt === undefined).toBe(isOpen(signature.status));
  const [row] = await sql`
    select s.phone_sealed is not null as has_phone, (select count(*)::int from challenge c
      where c.signature_id = s.id and c.lease_until is not null) as leases, (select count(*)::int from challenge c
      where c.signature_id = s.id and c.last_look_up_due_at is not null) as looks
    from signature s where s.id = ${id}`;
  // A number that is needed is there, and one that is not needed any more is gone.
  expect(row?.["has_phone"]).toBe(isOpen(model.status) || row?.["leases"] > 0 || row?.["looks"] > 0);
}

test("whatever happens in whatever order, the stores do what the transition tables say", async () => {
  let steps = 0;
  const reached = new Set<string>();
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), async (taken) => {
      const signature = aNewSignature({
        attempts,
        ttlMs: 240_000,
        challenge: aNewChallenge({ calls, leaseMs }),
      });
      await signatures.start(aRequestKey({ caller }), signature, noLimits);
      const model = new SignatureModel(signature.challenge.id, now().getTime(), signature.ttlMs);
      for (const each of taken) {
        await take(model, signature.id, each);
        await compare(model, signature.id);
        steps += 1;
        reached.add(model.status);
        for (const { status } of model.challenges) reached.add(`challenge ${status}`);
      }
      await sql`update challenge set lease_until = null where signature_id = ${signature.id}`;
    }),
    { numRuns: 60 },
  );
  expect(steps).toBeGreaterThan(500);
  expect(reached.size).toBeGreaterThan(10);
});
