import { describe, expect, test } from "vitest";
import type { Transaction } from "../../src/domain/transaction.ts";
import { aTransaction, failureOf } from "../support/domain.ts";
import type { Replica } from "../support/replica.ts";
import { aStartCommand, codeIn, useService, wrongCode } from "../support/service.ts";

const service = await useService();
const { time } = service;

async function started(replica: Replica, over: Parameters<typeof aStartCommand>[0] = {}) {
  const command = aStartCommand(over);
  const { signature } = await time.drive(replica.startSignature.execute(command, 20_000));
  const code = codeIn(service.messages(command)[0]);
  return { id: signature.id, command, code, wrong: wrongCode(code) };
}

const complete = (replica: Replica, signatureId: string, code: string, transaction?: Transaction) =>
  replica.completeSignature.execute({ caller: "payments", signatureId, code, transaction });
const completeFails = (...args: Parameters<typeof complete>) => failureOf(complete(...args));

describe("CompleteSignature", () => {
  test("with the right code completes the signature, and erases the number", async () => {
    const replica = service.replica();
    const { id, code } = await started(replica);
    await time.pass(1000);
    const { signature } = await complete(replica, id, code, aTransaction());
    expect(signature).toMatchObject({
      status: "completed",
      closedAt: time.date(),
      attemptsRemaining: 3,
      challenge: {
        status: "completed",
        providerChallengeId: expect.stringMatching(/^SM/),
        inProgress: false,
      },
    });
    expect((await service.row("signature", id))["phone_sealed"]).toBeNull();
    expect((await replica.timeline(id)).at(-1)).toBe("SIGNATURE_COMPLETED");
  });

  test("completes once: the same code again is SIGNATURE_CLOSED", async () => {
    const replica = service.replica();
    const { id, code } = await started(replica);
    const both = await Promise.allSettled([
      complete(replica, id, code),
      complete(service.replica(), id, code),
    ]);
    expect(both.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    expect(await completeFails(replica, id, code)).toMatchObject({
      reason: "SIGNATURE_CLOSED",
      metadata: { status: "COMPLETED" },
    });
  });

  test("with wrong codes counts down, and the last one fails the signature for good", async () => {
    const replica = service.replica();
    const { id, code, wrong } = await started(replica);
    for (const left of ["2", "1"]) {
      const failure = await completeFails(replica, id, wrong);
      expect(failure).toMatchObject({ reason: "CODE_MISMATCH", metadata: { attempts_remaining: left } });
    }
    for (const entered of [wrong, wrong, code]) {
      expect(await completeFails(replica, id, entered)).toMatchObject({ reason: "ATTEMPTS_EXHAUSTED" });
    }
    const { signature } = await replica.history(id);
    expect(signature).toMatchObject({
      status: "failed",
      attemptsRemaining: 0,
      challenge: { status: "cancelled" },
    });
    expect((await replica.timeline(id)).slice(3)).toEqual([
      "CODE_REJECTED",
      "CODE_REJECTED",
      "CODE_REJECTED",
      "SIGNATURE_FAILED",
    ]);
  });

  test("keeps count over replicas", async () => {
    const { id, wrong } = await started(service.replica());
    expect((await completeFails(service.replica(), id, wrong)).metadata).toEqual({ attempts_remaining: "2" });
    expect((await completeFails(service.replica(), id, wrong)).metadata).toEqual({ attempts_remaining: "1" });
  });

  test("for another transaction costs an attempt, and never tells whether the code was right", async () => {
    const replica = service.replica();
    const { id, code, wrong } = await started(replica);
    const other = aTransaction({ amount: { currencyCode: "EUR", units: 1200n, nanos: 0 } });
    const withRight = await completeFails(replica, id, code, other);
    const withWrong = await completeFails(replica, id, wrong, other);
    expect(withRight).toMatchObject({
      reason: "TRANSACTION_MISMATCH",
      metadata: { attempts_remaining: "2" },
    });
    expect(withWrong).toMatchObject({
      reason: "TRANSACTION_MISMATCH",
      metadata: { attempts_remaining: "1" },
    });
    expect(withWrong.message).toBe(withRight.message);
    const mismatches = (await replica.history(id)).timeline.filter(
      ({ type }) => type === "TRANSACTION_MISMATCH",
    );
    expect(mismatches.map(({ details }) => Object.keys(details))).toEqual([
      ["attempts_remaining"],
      ["attempts_remaining"],
    ]);
    expect(await completeFails(replica, id, code, other)).toMatchObject({ reason: "ATTEMPTS_EXHAUSTED" });
  });

  test("for the same transaction in another form is right", async () => {
    const replica = service.replica();
    const attributes = new Map([
      ["a", "1"],
      ["b", "2"],
    ]);
    const { id, code } = await started(replica, { transaction: aTransaction({ attributes }) });
    const turned = aTransaction({ attributes: new Map([...attributes].reverse()) });
    expect((await complete(replica, id, code, turned)).signature.status).toBe("completed");
  });

  test("of an expired signature is SIGNATURE_EXPIRED, recorded or not", async () => {
    const replica = service.replica();
    const { id, code, command } = await started(replica);
    await time.pass(299_999);
    expect((await completeFails(replica, id, wrongCode(code))).reason).toBe("CODE_MISMATCH");
    await time.pass(1);
    expect(await completeFails(replica, id, code)).toMatchObject({ reason: "SIGNATURE_EXPIRED" });
    expect(await replica.timeline(id)).not.toContain("SIGNATURE_EXPIRED");
    await time.pass(5000);
    await replica.sweep();
    expect(await completeFails(replica, id, code)).toMatchObject({ reason: "SIGNATURE_EXPIRED" });
    const { signature } = await replica.history(id);
    expect(signature).toMatchObject({ closedAt: signature.expiresAt, attemptsRemaining: 2 });
    expect(service.messages(command)).toHaveLength(1);
  });

  test("of an aborted signature is SIGNATURE_CLOSED, of nobody's or another's SIGNATURE_NOT_FOUND", async () => {
    const replica = service.replica();
    const { id, code } = await started(replica);
    const asCards = replica.completeSignature.execute({
      caller: "cards",
      signatureId: id,
      code,
      transaction: undefined,
    });
    expect(await failureOf(asCards)).toMatchObject({ reason: "SIGNATURE_NOT_FOUND" });
    expect(await completeFails(replica, "0190a5b8-1111-7222-8333-444444444444", code)).toMatchObject({
      reason: "SIGNATURE_NOT_FOUND",
    });
    await replica.abortSignature.execute({
      caller: "payments",
      signatureId: id,
      reason: undefined,
      note: "",
    });
    expect(await completeFails(replica, id, code)).toMatchObject({
      reason: "SIGNATURE_CLOSED",
      metadata: { status: "ABORTED" },
    });
  });

  test("while a lost answer is being looked for completes, and the message found later is on record", async () => {
    const replica = service.replica();
    const command = aStartCommand();
    service.provider.failNext(service.provider.error("unknown", "http_500"), { accepted: true });
    const call = replica.startSignature.execute(command, 20_000);
    const [message] = await service.provider.called(1);
    await time.idle();
    const id = message?.signatureId ?? "";
    await replica.completeSignature.execute({
      ...{ caller: "payments", signatureId: id, code: codeIn(message), transaction: undefined },
    });
    // The number is needed for one more look-up, and then it goes.
    expect((await service.row("signature", id))["phone_sealed"]).not.toBeNull();
    const { signature } = await time.drive(call);
    expect(signature).toMatchObject({
      status: "completed",
      challenge: {
        status: "completed",
        providerChallengeId: service.messages(command)[0]?.providerChallengeId,
      },
    });
    expect((await service.row("signature", id))["phone_sealed"]).toBeNull();
  });

  test("under attack: 200 wrong codes and the right one consume exactly the attempts there are", async () => {
    const replicas = [service.replica(), service.replica()] as const;
    const { id, code, wrong } = await started(replicas[0]);
    const entered = Array.from({ length: 201 }, (_, n) => (n === 150 ? code : wrong));
    const calls = entered.map((each, n) =>
      replicas[n % 2 === 0 ? 0 : 1].completeSignature
        .execute({ caller: "payments", signatureId: id, code: each, transaction: undefined })
        .then(
          () => "COMPLETED",
          (error: { reason?: string }) => error.reason,
        ),
    );
    const outcomes = await Promise.all(calls);
    const timeline = await replicas[0].timeline(id);
    const count = (type: string) => timeline.filter((each) => each === type).length;
    const won = outcomes.filter((outcome) => outcome === "COMPLETED").length;
    expect(count("SIGNATURE_COMPLETED")).toBe(won);
    expect(count("SIGNATURE_COMPLETED") + count("SIGNATURE_FAILED")).toBe(1);
    expect(count("CODE_REJECTED")).toBe(won === 1 ? outcomes.filter((o) => o === "CODE_MISMATCH").length : 3);
    expect(count("CODE_REJECTED")).toBeLessThanOrEqual(3);
  });
});
