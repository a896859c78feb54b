import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { aReceipt } from "../support/domain.ts";
import type { Replica } from "../support/replica.ts";
import { aStartCommand, codeIn, useService } from "../support/service.ts";

const service = await useService();
const { time } = service;

async function started(replica: Replica) {
  const command = aStartCommand();
  const { signature } = await time.drive(replica.startSignature.execute(command, 20_000));
  const [message] = service.messages(command);
  return {
    ...{ id: signature.id, challengeId: signature.challenge.id, code: codeIn(message) },
    sid: message?.providerChallengeId ?? "",
  };
}

const undelivered = { status: "undelivered", providerErrorCode: "30003" } as const;

describe("RecordReceipt", () => {
  test("delivered: the challenge shows it, with the time", async () => {
    const replica = service.replica();
    const sent = await started(replica);
    await time.pass(3000);
    await service.replica().recordReceipt.execute(aReceipt(sent.challengeId, sent.sid));
    const { signature, timeline } = await replica.history(sent.id);
    expect(signature).toMatchObject({
      status: "challenge_sent",
      challenge: { status: "delivered", deliveredAt: time.date() },
    });
    expect(timeline.at(-1)?.type).toBe("CHALLENGE_DELIVERED");
  });

  test("undelivered: the challenge is FAILED with the code, the signature stays open and its code good", async () => {
    const replica = service.replica();
    const sent = await started(replica);
    await replica.recordReceipt.execute(aReceipt(sent.challengeId, sent.sid, undelivered));
    expect((await replica.history(sent.id)).signature).toMatchObject({
      status: "challenge_sent",
      challenge: { status: "failed", providerErrorCode: "30003", deliveredAt: undefined },
    });
    const completion = { caller: "payments", signatureId: sent.id, code: sent.code, transaction: undefined };
    expect((await replica.completeSignature.execute(completion)).signature.status).toBe("completed");
  });

  test("in any order and however often lead to the same end", async () => {
    const replica = service.replica();
    const kinds = ["accepted", "undelivered", "delivered"] as const;
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray([...kinds, ...kinds], { minLength: 1 }), async (order) => {
        const sent = await started(replica);
        for (const status of order) {
          const over = status === "undelivered" ? undelivered : { status };
          await replica.recordReceipt.execute(aReceipt(sent.challengeId, sent.sid, over));
        }
        const { signature } = await replica.history(sent.id);
        const isDelivered = order.includes("delivered");
        const isUndelivered = order.includes("undelivered");
        expect(signature.challenge).toMatchObject({
          status: isDelivered ? "delivered" : isUndelivered ? "failed" : "sent",
          providerErrorCode: isUndelivered && !isDelivered ? "30003" : undefined,
        });
        const timeline = await replica.timeline(sent.id);
        for (const type of ["CHALLENGE_SENT", "CHALLENGE_DELIVERED", "CHALLENGE_UNDELIVERED"]) {
          expect(timeline.filter((each) => each === type).length).toBeLessThanOrEqual(1);
        }
        expect(timeline).not.toContain("DUPLICATE_SENT");
      }),
      { numRuns: 15 },
    );
  });

  test("that overtakes the answer settles the challenge, and the answer takes nothing back", async () => {
    const replica = service.replica();
    const command = aStartCommand();
    const stall = replica.stallAfter("start");
    const call = replica.startSignature.execute(command, 20_000);
    await time.idle();
    // The provider has taken the message, and the process that called has not been told yet.
    const held = service.provider.holdNext();
    stall.resume();
    const [message] = await service.provider.called(1);
    const sid = `SM${String(service.provider.accepted.length + 1).padStart(32, "0")}`;
    const challengeId = message?.challengeId ?? "";
    await service.replica().recordReceipt.execute(aReceipt(challengeId, sid));
    held.release();
    const { signature } = await time.drive(call);
    expect(service.messages(command)[0]?.providerChallengeId).toBe(sid);
    expect(signature).toMatchObject({
      status: "challenge_sent",
      challenge: { status: "delivered", providerChallengeId: sid, providerProof: `fake;sid=${sid}` },
    });
    expect((await replica.timeline(signature.id)).slice(2)).toEqual([
      ...["CHALLENGE_SENT", "CHALLENGE_DELIVERED", "PROVIDER_ANSWERED"],
    ]);
  });

  test("of a second message counts one duplicate, however often it comes", async () => {
    const replica = service.replica();
    const sent = await started(replica);
    const second = { ...sent, sid: `SM${"f".repeat(32)}` };
    await replica.recordReceipt.execute(aReceipt(second.challengeId, second.sid, { status: "accepted" }));
    await replica.recordReceipt.execute(
      aReceipt(second.challengeId, second.sid, { status: "accepted", attempt: 2 }),
    );
    await replica.recordReceipt.execute(aReceipt(second.challengeId, second.sid));
    const { signature, timeline } = await replica.history(sent.id);
    expect(timeline.filter(({ type }) => type === "DUPLICATE_SENT")).toMatchObject([
      { details: { provider_challenge_id: second.sid } },
    ]);
    expect(replica.saw("duplicate_sent")).toHaveLength(1);
    expect(signature.challenge).toMatchObject({ status: "sent", providerChallengeId: sent.sid });
  });

  test("after the signature is closed is recorded, and revives nothing", async () => {
    const replica = service.replica();
    const sent = await started(replica);
    const abort = { caller: "payments", signatureId: sent.id, reason: undefined, note: "" };
    await replica.abortSignature.execute(abort);
    await replica.recordReceipt.execute(aReceipt(sent.challengeId, sent.sid));
    const { signature, timeline } = await replica.history(sent.id);
    expect(signature).toMatchObject({
      status: "aborted",
      challenge: { status: "cancelled", deliveredAt: time.date() },
    });
    expect(timeline.at(-1)?.type).toBe("CHALLENGE_DELIVERED");
  });

  test("of a challenge that was given up makes it sent after all", async () => {
    const replica = service.replica({ retryDelaysMs: [] });
    const command = aStartCommand();
    service.provider.listing = false;
    service.provider.failNext(service.provider.error("unknown", "http_500"), { accepted: true });
    await time.drive(replica.startSignature.execute(command, 20_000).catch(() => undefined));
    const [message] = service.messages(command);
    const of = { challengeId: message?.challengeId ?? "", sid: message?.providerChallengeId ?? "" };
    await replica.recordReceipt.execute(aReceipt(of.challengeId, of.sid));
    const { signature } = await replica.history(message?.signatureId ?? "");
    expect(signature).toMatchObject({ status: "challenge_sent", challenge: { status: "delivered" } });
    expect(replica.saw("challenge_sent")).toMatchObject([{ knownBy: "receipt" }]);
  });

  test("of nobody's challenge changes nothing", async () => {
    const replica = service.replica();
    const of = { challengeId: "0190a5b8-1111-7222-8333-444444444444", sid: `SM${"e".repeat(32)}` };
    await replica.recordReceipt.execute(aReceipt(of.challengeId, of.sid));
    expect(replica.observed).toEqual([]);
  });
});
