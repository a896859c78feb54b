import { expect, test } from "vitest";
import { aReceipt } from "../support/domain.ts";
import {
  aNewChallenge,
  aNewSignature,
  aRequestKey,
  aSid,
  noLimits,
  noLockout,
  useStores,
} from "../support/stores.ts";

const { sql, signatures, deliveries, closings, reader, pass, now } = await useStores();

async function started(provider = "twilio") {
  const signature = aNewSignature({ challenge: aNewChallenge({ provider }) });
  const result = await signatures.start(aRequestKey(), signature, noLimits);
  if (result === undefined) throw new Error("not started");
  return { id: signature.id, challengeId: signature.challenge.id, lease: result.lease };
}

const messageOf = (sid: string) => ({
  ...{ providerChallengeId: sid, providerProof: `proof of ${sid}`, sentAt: now() },
});

async function timeline(id: string) {
  const history = await reader.history("payments", id);
  return history?.timeline.slice(2).map(({ type }) => type);
}

test("a call of unknown outcome is noted under the version that the signature has then", async () => {
  const { id, challengeId, lease } = await started();
  const noted = await deliveries.unknown(challengeId, lease, "timeout");
  expect(noted).toEqual({ version: 3, accepted: undefined });
  expect(await reader.versions([id])).toEqual(new Map([[id, 3]]));
  expect(await deliveries.standing(challengeId)).toEqual(noted);
  const lookedUp = await deliveries.lookedUp(challengeId, lease, "nothing");
  expect(lookedUp).toEqual({ version: 4, accepted: undefined });
});

test("a message that a receipt made known stands on record as it was reported", async () => {
  const { id, challengeId, lease } = await started();
  const accepted = messageOf(aSid());
  await deliveries.accepted(challengeId, accepted, "receipt");
  const standing = await deliveries.standing(challengeId);
  expect(standing).toEqual({ version: 3, accepted });
  expect(await deliveries.unknown(challengeId, lease, "timeout")).toEqual({ version: 4, accepted });
  expect(await deliveries.lookedUp(challengeId, lease, "nothing")).toEqual({ version: 5, accepted });
  pass(1000);
  const again = await deliveries.accepted(challengeId, accepted, "receipt");
  expect(again).toMatchObject({ effect: "nothing_new", signature: { version: 5 } });
  expect(await deliveries.standing(challengeId)).toEqual({ version: 5, accepted });
  expect(await timeline(id)).toEqual(["CHALLENGE_SENT", "OUTCOME_UNKNOWN", "LOOKED_UP"]);
});

test("a message of a closed signature stands on record, under the version that watchers see", async () => {
  const { id, challengeId } = await started();
  await closings.abort("payments", id, undefined, "");
  const accepted = messageOf(aSid());
  await deliveries.accepted(challengeId, accepted, "receipt");
  expect(await deliveries.standing(challengeId)).toEqual({ version: 4, accepted });
  const expired = await started();
  pass(300_000);
  const [version] = (await reader.versions([expired.id])).values();
  expect(version).toBe(2.5);
  expect(await deliveries.standing(expired.challengeId)).toEqual({ version, accepted: undefined });
});

test("nobody's challenge has no standing", async () => {
  expect(await deliveries.standing(aNewChallenge().id)).toBeUndefined();
});

test("a lease comes with the version of its signature", async () => {
  const { id, challengeId, lease } = await started();
  await deliveries.giveUp(challengeId, lease, "20429");
  const again = await deliveries.takeUp(challengeId, 4, 20_000);
  expect(again?.version).toBe(4);
  pass(20_000);
  const [taken] = (await deliveries.takeOver(1000, 20_000)).filter((each) => each.signatureId === id);
  expect(taken?.version).toBe(5);
  await deliveries.park(challengeId, taken?.lease ?? lease, 1000);
  expect((await deliveries.resume(challengeId, 20_000))?.version).toBe(5);
  expect(await reader.versions([id])).toEqual(new Map([[id, 5]]));
});

test("a given-up challenge that is taken up again says so, and on whose order", async () => {
  const { id, challengeId, lease } = await started();
  await deliveries.giveUp(challengeId, lease, "20429");
  const again = await deliveries.takeUp(challengeId, 4, 20_000);
  await deliveries.giveUp(challengeId, again?.lease ?? lease, "20429");
  await deliveries.takeUp(challengeId, 4, 20_000, "operator");
  const history = await reader.history("payments", id);
  const taken = history?.timeline.filter(({ type }) => type === "CHALLENGE_TAKEN_OVER");
  expect(taken?.map(({ details }) => details)).toEqual([
    { challenge_id: challengeId, attempt: "1", epoch: "2" },
    { challenge_id: challengeId, attempt: "1", epoch: "3", ordered_by: "operator" },
  ]);
});

test("a refusal whose commit nobody heard of is recorded once", async () => {
  const { id, challengeId } = await started();
  const first = await deliveries.refused(challengeId, "21211");
  expect(await deliveries.refused(challengeId, "21211")).toEqual(first);
  expect(first.challenge).toMatchObject({ status: "failed", providerErrorCode: "21211" });
  expect(await timeline(id)).toEqual(["CHALLENGE_REFUSED"]);
});

test("a challenge is given up once by its owner, who may ask again, and by nobody else", async () => {
  const { id, challengeId, lease } = await started();
  const first = await deliveries.giveUp(challengeId, lease, "20429");
  expect(first?.challenge).toMatchObject({ status: "pending", inProgress: false });
  expect(await deliveries.giveUp(challengeId, lease, "20429")).toEqual(first);
  expect(await timeline(id)).toEqual(["CHALLENGE_GIVEN_UP"]);
  await deliveries.takeUp(challengeId, 4, 20_000);
  expect(await deliveries.giveUp(challengeId, lease, "20429")).toBeUndefined();
  expect((await reader.get("payments", id))?.challenge.inProgress).toBe(true);
});

test("what was accepted is not given up any more", async () => {
  const { id, challengeId, lease } = await started();
  const sid = aSid();
  await deliveries.accepted(challengeId, messageOf(sid), "receipt");
  await deliveries.settled(aReceipt(challengeId, sid));
  expect(await deliveries.giveUp(challengeId, lease, "20429")).toBeUndefined();
  expect(await timeline(id)).toEqual(["CHALLENGE_SENT", "CHALLENGE_DELIVERED"]);
});

test("an id belongs to another challenge only where that one is the same provider's", async () => {
  const [mine, other, foreign] = [await started(), await started(), await started("another")];
  const sids = [aSid(), aSid(), aSid()] as const;
  await deliveries.accepted(mine.challengeId, messageOf(sids[0]), "answer");
  await deliveries.accepted(other.challengeId, messageOf(sids[1]), "answer");
  await deliveries.accepted(foreign.challengeId, messageOf(sids[2]), "answer");
  expect(await deliveries.knownElsewhere(mine.challengeId, sids)).toEqual(new Set([sids[1]]));
  expect(await deliveries.knownElsewhere(foreign.challengeId, sids)).toEqual(new Set());
});

test.each<[string, (challenge: { id: string; challengeId: string; sid: string }) => Promise<unknown>]>([
  ["that nobody knew of", async () => {}],
  ["that was refused before", ({ challengeId }) => deliveries.refused(challengeId, "30006")],
  [
    "that was delivered before",
    async ({ challengeId, sid }) => {
      await deliveries.accepted(challengeId, messageOf(sid), "receipt");
      await deliveries.settled(aReceipt(challengeId, sid));
    },
  ],
  [
    "that is one more than the first",
    ({ challengeId }) => deliveries.accepted(challengeId, messageOf(aSid()), "answer"),
  ],
  ["of a completed signature", ({ id }) => closings.complete("payments", id, "match", noLockout, undefined)],
  ["of an aborted signature", ({ id }) => closings.abort("payments", id, "fraud_suspected", "")],
  [
    "of an expired signature",
    async () => {
      pass(300_000);
    },
  ],
])("an acceptance of a message %s answers what a reader finds then", async (_, before) => {
  const { id, challengeId } = await started();
  const sid = aSid();
  await before({ id, challengeId, sid });
  pass(1000);
  const acceptance = await deliveries.accepted(challengeId, messageOf(sid), "answer");
  expect(acceptance).toMatchObject({ signature: await reader.get("payments", id) });
});

test("a further message that is told of again changes nothing of the first", async () => {
  const { id, challengeId } = await started();
  const [first, further] = [messageOf(aSid()), messageOf(aSid())];
  await deliveries.accepted(challengeId, first, "answer");
  await deliveries.accepted(challengeId, further, "answer");
  const again = await deliveries.accepted(challengeId, further, "answer");
  expect(again?.effect).toBe("nothing_new");
  expect((await reader.get("payments", id))?.challenge).toMatchObject({
    providerChallengeId: first.providerChallengeId,
    providerProof: first.providerProof,
  });
});

test("a message that is heard of after its code was right is fed back at once, and redacted in a minute", async () => {
  const { id, challengeId } = await started();
  await closings.complete("payments", id, "match", noLockout);
  await deliveries.accepted(challengeId, messageOf(aSid()), "answer");
  const [due] = await sql`select feedback_due_at, redact_due_at from challenge where id = ${challengeId}`;
  expect(due).toEqual({ feedback_due_at: now(), redact_due_at: new Date(now().getTime() + 60_000) });
});
