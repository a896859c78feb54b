import type { DescEnum } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { type Challenge, challengeStatuses, channels } from "../../src/domain/challenge.ts";
import { abortReasons, type Signature, signatureStatuses } from "../../src/domain/signature.ts";
import { ChallengeStatusSchema, ChannelSchema } from "../../src/gen/bank/signature/v1/challenge_pb.ts";
import { AbortReasonSchema, SignatureStatusSchema } from "../../src/gen/bank/signature/v1/signature_pb.ts";
import { historyMessage, signatureMessage } from "../../src/grpc/convert-response.ts";

const at = (second: number): Date => new Date(Date.UTC(2026, 10, 22, 10, 0, second, 123));

const challenge: Challenge = {
  id: "c-1",
  channel: "sms",
  provider: "twilio",
  status: "delivered",
  maskedDestination: "+34 *** *** 001",
  providerChallengeId: "SM1",
  providerProof: "proof",
  providerErrorCode: "30003",
  createdAt: at(1),
  sentAt: at(2),
  deliveredAt: at(3),
  expiresAt: at(4),
  inProgress: true,
};
const signature: Signature = {
  id: "s-1",
  status: "aborted",
  challenge,
  transactionDigest: "ab",
  attemptsRemaining: 2,
  createdAt: at(1),
  expiresAt: at(4),
  closedAt: at(5),
  abortReason: "operator",
  version: 7,
};

function nameOf(schema: DescEnum, value: number): string | undefined {
  return schema.value[value]?.name;
}

describe("answers", () => {
  it("name every status, channel and reason as the contract does", () => {
    for (const status of signatureStatuses) {
      const message = signatureMessage({ ...signature, status });
      expect(nameOf(SignatureStatusSchema, message.status)).toBe(`SIGNATURE_STATUS_${status.toUpperCase()}`);
    }
    for (const abortReason of abortReasons) {
      const message = signatureMessage({ ...signature, abortReason });
      expect(nameOf(AbortReasonSchema, message.abortReason)).toBe(
        `ABORT_REASON_${abortReason.toUpperCase()}`,
      );
    }
    for (const status of challengeStatuses) {
      const message = signatureMessage({ ...signature, challenge: { ...challenge, status } });
      const name = nameOf(ChallengeStatusSchema, message.challenge!.status);
      expect(name).toBe(`CHALLENGE_STATUS_${status.toUpperCase()}`);
    }
    for (const channel of channels) {
      const message = signatureMessage({ ...signature, challenge: { ...challenge, channel } });
      expect(nameOf(ChannelSchema, message.challenge!.channel)).toBe(`CHANNEL_${channel.toUpperCase()}`);
    }
  });

  it("carry every field, times to the millisecond", () => {
    const event = { number: 1, at: at(1), type: "CHALLENGE_SENT", details: { attempt: "1" } } as const;
    const message = historyMessage({
      signature,
      challenges: [challenge],
      timeline: [event, { ...event, number: event.number + 1, type: "PROVIDER_REPORTED" }],
      receipt: "a.b.c",
    });
    expect(message.signature).toMatchObject({ id: "s-1", transactionDigest: "ab", attemptsRemaining: 2 });
    const { createdAt, expiresAt, closedAt } = message.signature!;
    expect([createdAt, expiresAt, closedAt].map((time) => timestampDate(time!))).toEqual([
      at(1),
      at(4),
      at(5),
    ]);
    expect(message.challenges[0]).toEqual(message.signature!.challenge);
    expect(message.challenges[0]).toMatchObject({
      id: "c-1",
      provider: "twilio",
      maskedDestination: "+34 *** *** 001",
      providerChallengeId: "SM1",
      providerProof: "proof",
      providerErrorCode: "30003",
      inProgress: true,
    });
    const { challenges } = message;
    const times = [
      challenges[0]!.createdAt,
      challenges[0]!.sentAt,
      challenges[0]!.deliveredAt,
      challenges[0]!.expiresAt,
    ];
    expect(times.map((time) => timestampDate(time!))).toEqual([at(1), at(2), at(3), at(4)]);
    // What evidence alone shows is no part of the contract's list.
    expect(message.timeline).toHaveLength(1);
    expect(message.timeline[0]).toMatchObject({ type: "CHALLENGE_SENT", details: { attempt: "1" } });
    expect(timestampDate(message.timeline[0]!.at!)).toEqual(at(1));
    expect(message.receipt).toBe("a.b.c");
  });

  it("leave out what has not happened", () => {
    const message = signatureMessage({
      ...signature,
      closedAt: undefined,
      abortReason: undefined,
      challenge: { ...challenge, sentAt: undefined, deliveredAt: undefined, providerChallengeId: undefined },
    });
    expect(message.closedAt).toBeUndefined();
    expect(message.abortReason).toBe(0);
    expect(message.challenge).not.toHaveProperty("sentAt");
    expect(message.challenge).not.toHaveProperty("deliveredAt");
    expect(message.challenge!.providerChallengeId).toBe("");
  });
});
