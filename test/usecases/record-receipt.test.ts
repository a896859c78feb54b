import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ClaimedReceipt } from "../../src/domain/delivery-receipt.ts";
import { Faults } from "../../src/domain/faults.ts";
import { parsePhoneNumber } from "../../src/domain/phone-number.ts";
import { PostgresDeliveryStore } from "../../src/postgres/delivery-store.ts";
import { RecordReceipt } from "../../src/usecases/record-receipt.ts";
import type { StartSignatureCommand } from "../../src/usecases/start-signature-command.ts";
import { aReceipt } from "../support/domain.ts";
import type { Replica } from "../support/replica.ts";
import { aStartCommand, codeIn, useService } from "../support/service.ts";

const service = await useService();
const { time } = service;

async function started(replica: Replica, over: Partial<StartSignatureCommand> = {}) {
  const command = aStartCommand(over);
  const { signature } = await time.drive(replica.startSignature.execute(command, 20_000));
  const [message] = service.messages(command);
  return {
    ...{
      id: signature.id,
      challengeId: signature.challenge.id,
      code: codeIn(message),
      number: command.phoneNumber.e164,
    },
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
    await service.sql`update challenge set calls = 2 where id = ${sent.challengeId}`;
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

  const fitting = { status: "undelivered", providerErrorCode: "30003" } as const;
  const forged: [string, (number: string) => Partial<ClaimedReceipt>][] = [
    ["account", () => ({ foreignAccount: true })],
    ["destination", () => ({ destinations: ["+34600999999"] })],
    ["destination", (number) => ({ destinations: [number, "+34600999999"] })],
    ["destination", (number) => ({ destinations: [`${number}x`] })],
    ["attempt", () => ({ attempt: 2 })],
    ["message", (number) => ({ destinations: [number], providerChallengeId: `SM${"d".repeat(32)}` })],
  ];
  test.each(forged)(
    "that does not fit by its %s is counted, and nothing of it recorded",
    async (fault, over) => {
      const replica = service.replica();
      const sent = await started(replica);
      const before = await replica.history(sent.id);
      const attack = async () => {
        await replica.recordReceipt.execute(
          aReceipt(sent.challengeId, sent.sid, { ...fitting, ...over(sent.number) }),
        );
        await replica.recordReceipt.execute(aReceipt(sent.challengeId, sent.sid, over(sent.number)));
      };
      await attack();
      expect(await replica.history(sent.id)).toEqual(before);
      const ids = { signatureId: sent.id, challengeId: sent.challengeId, provider: "twilio" };
      const seen = { type: "receipt_mismatch", fault, ...ids };
      expect(replica.saw("receipt_mismatch")).toEqual([seen, seen]);
      expect(
        await service.sql`select from provider_receipt where challenge_id = ${sent.challengeId}`,
      ).toEqual([]);

      // With the number erased, too.
      const completion = {
        caller: "payments",
        signatureId: sent.id,
        code: sent.code,
        transaction: undefined,
      };
      await replica.completeSignature.execute(completion);
      expect(await service.row("signature", sent.id)).toMatchObject({ phone_sealed: null, phone_guards: [] });
      const closed = await replica.timeline(sent.id);
      await attack();
      expect(await replica.timeline(sent.id)).toEqual(closed);
      expect(replica.saw("receipt_mismatch")).toHaveLength(4);
      await replica.recordReceipt.execute(
        aReceipt(sent.challengeId, sent.sid, { destinations: [sent.number] }),
      );
      expect(await replica.timeline(sent.id)).toEqual([...closed, "CHALLENGE_DELIVERED"]);
    },
  );

  test("that names the number as it was before a renumbering fits, and one that names none", async () => {
    const replica = service.replica();
    const phoneNumber = parsePhoneNumber(new Faults(), "phone_number", "+525512345678");
    const sent = await started(replica, { phoneNumber: phoneNumber! });
    await replica.recordReceipt.execute(
      aReceipt(sent.challengeId, sent.sid, { ...fitting, destinations: ["+5215512345678"] }),
    );
    await replica.recordReceipt.execute(aReceipt(sent.challengeId, sent.sid));
    expect((await replica.timeline(sent.id)).slice(-2)).toEqual([
      ...["CHALLENGE_UNDELIVERED", "CHALLENGE_DELIVERED"],
    ]);
    expect(replica.saw("receipt_mismatch")).toEqual([]);
  });

  test("waits for the key that its challenge's commitment was made with, and records nothing without", async () => {
    const replica = service.replica();
    const sent = await started(replica);
    const evidence = { primary: "k9", keys: new Map([["k9", new Uint8Array(32)]]) };
    const others = { ...service.keys.current(), evidence };
    const recordReceipt = new RecordReceipt({
      deliveries: new PostgresDeliveryStore(service.database),
      keys: { current: () => others, refresh: async () => others },
      observer: { observe: () => expect.unreachable() },
    });
    const receipt = aReceipt(sent.challengeId, sent.sid, { destinations: [sent.number] });
    await expect(recordReceipt.execute(receipt)).rejects.toMatchObject({ reason: "SERVICE_UNAVAILABLE" });
    expect(await replica.timeline(sent.id)).not.toContain("CHALLENGE_DELIVERED");
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
