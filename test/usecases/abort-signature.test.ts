import { describe, expect, test } from "vitest";
import { failureOf } from "../support/domain.ts";
import type { Replica } from "../support/replica.ts";
import { aStartCommand, codeIn, useService } from "../support/service.ts";

const service = await useService();
const { time } = service;

async function started(replica: Replica) {
  const command = aStartCommand();
  const { signature } = await time.drive(replica.startSignature.execute(command, 20_000));
  return { id: signature.id, code: codeIn(service.messages(command)[0]) };
}

const anAbort = (signatureId: string) =>
  ({ caller: "payments", signatureId, reason: "fraud_suspected", note: "called back" }) as const;

describe("AbortSignature", () => {
  test("ends the signature and its challenge at once, with reason and note on record", async () => {
    const replica = service.replica();
    const { id, code } = await started(replica);
    const signature = await replica.abortSignature.execute(anAbort(id));
    expect(signature).toMatchObject({
      status: "aborted",
      abortReason: "fraud_suspected",
      closedAt: time.date(),
      challenge: { status: "cancelled", sentAt: expect.any(Date), providerChallengeId: expect.any(String) },
    });
    expect((await replica.history(id)).timeline.at(-1)).toMatchObject({
      type: "SIGNATURE_ABORTED",
      details: { reason: "fraud_suspected", note: "called back" },
    });
    expect((await service.row("signature", id))["phone_sealed"]).toBeNull();
    const completion = { caller: "payments", signatureId: id, code, transaction: undefined };
    expect(await failureOf(replica.completeSignature.execute(completion))).toMatchObject({
      reason: "SIGNATURE_CLOSED",
      metadata: { status: "ABORTED" },
    });
  });

  test("of an aborted signature is OK, and changes nothing", async () => {
    const replica = service.replica();
    const { id } = await started(replica);
    const first = await replica.abortSignature.execute(anAbort(id));
    await time.pass(1000);
    const again = await service
      .replica()
      .abortSignature.execute({ ...anAbort(id), reason: "operator", note: "" });
    expect(again).toEqual(first);
    const aborts = (await replica.timeline(id)).filter((type) => type === "SIGNATURE_ABORTED");
    expect(aborts).toHaveLength(1);
    expect(replica.saw("signature_closed")).toHaveLength(1);
  });

  test("of a completed, failed or expired one says how it ended", async () => {
    const replica = service.replica({ attempts: 1 });
    const completed = await started(replica);
    const enter = (signatureId: string, code: string) =>
      replica.completeSignature.execute({ caller: "payments", signatureId, code, transaction: undefined });
    await enter(completed.id, completed.code);
    const failed = await started(replica);
    await failureOf(enter(failed.id, failed.code === "000000" ? "000001" : "000000"));
    const expired = await started(replica);
    await time.pass(300_000);
    const refusal = (id: string) => failureOf(replica.abortSignature.execute(anAbort(id)));
    expect(await refusal(completed.id)).toMatchObject({
      reason: "SIGNATURE_CLOSED",
      metadata: { status: "COMPLETED" },
    });
    expect(await refusal(failed.id)).toMatchObject({ reason: "ATTEMPTS_EXHAUSTED" });
    expect(await refusal(expired.id)).toMatchObject({ reason: "SIGNATURE_EXPIRED" });
  });

  test("of nobody's or another caller's signature is SIGNATURE_NOT_FOUND", async () => {
    const replica = service.replica();
    const { id } = await started(replica);
    for (const command of [
      { ...anAbort(id), caller: "cards" },
      anAbort("0190a5b8-1111-7222-8333-444444444444"),
    ]) {
      expect(await failureOf(replica.abortSignature.execute(command))).toMatchObject({
        reason: "SIGNATURE_NOT_FOUND",
      });
    }
    expect((await replica.history(id)).signature.status).toBe("challenge_sent");
  });

  test("against a completion has one winner", async () => {
    const replica = service.replica();
    for (let round = 0; round < 5; round += 1) {
      const { id, code } = await started(replica);
      const ends = await Promise.allSettled([
        replica.completeSignature.execute({
          caller: "payments",
          signatureId: id,
          code,
          transaction: undefined,
        }),
        replica.abortSignature.execute(anAbort(id)),
      ]);
      expect(ends.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      const closed = (await replica.timeline(id)).filter((type) => /_(COMPLETED|ABORTED)$/.test(type));
      expect(closed).toHaveLength(1);
    }
  });
});
