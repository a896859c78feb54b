import { describe, expect, test } from "vitest";
import type { StartSignatureCommand } from "../../src/usecases/start-signature-command.ts";
import { aTransaction, failureOf } from "../support/domain.ts";
import type { Replica } from "../support/replica.ts";
import { aStartCommand, codeIn, useService, wrongCode } from "../support/service.ts";

const service = await useService();
const { time } = service;
const start = (replica: Replica, command: StartSignatureCommand, waitMs = 20_000) =>
  time.drive(replica.startSignature.execute(command, waitMs));
const startFails = (replica: Replica, command: StartSignatureCommand) =>
  time.drive(failureOf(replica.startSignature.execute(command, 20_000)));

function failCalls(count: number): void {
  for (let n = 0; n < count; n += 1)
    service.provider.failNext(service.provider.error("not_accepted", "20429"));
}

describe("a replay", () => {
  test("of an accepted start answers with the same signature and sends nothing", async () => {
    const replica = service.replica();
    const command = aStartCommand();
    const first = await start(replica, command);
    const again = await start(replica, command);
    expect(again).toEqual({ signature: first.signature, replayed: true });
    expect(service.messages(command)).toHaveLength(1);
  });

  test("on another replica, and after a restart, is the same", async () => {
    const command = aStartCommand();
    const first = await start(service.replica(), command);
    const again = await start(service.replica(), command);
    expect(again).toEqual({ signature: first.signature, replayed: true });
    expect(service.messages(command)).toHaveLength(1);
  });

  test("answers with the signature as it is now, whatever its state", async () => {
    const replica = service.replica();
    const caller = "payments";
    const ends: Record<string, (id: string, code: string) => Promise<unknown>> = {
      completed: (signatureId, code) =>
        replica.completeSignature.execute({ caller, signatureId, code, transaction: undefined }),
      failed: async (signatureId, code) => {
        const command = { caller, signatureId, code: wrongCode(code), transaction: undefined };
        for (let n = 0; n < 3; n += 1) await failureOf(replica.completeSignature.execute(command));
      },
      aborted: (signatureId) =>
        replica.abortSignature.execute({ caller, signatureId, reason: "operator", note: "" }),
      expired: () => time.pass(300_000),
    };
    for (const [status, end] of Object.entries(ends)) {
      const command = aStartCommand();
      const { signature } = await start(replica, command);
      await end(signature.id, codeIn(service.messages(command)[0]));
      expect(await start(replica, command)).toMatchObject({
        replayed: true,
        signature: { id: signature.id, status, closedAt: expect.any(Date) },
      });
      expect(service.messages(command)).toHaveLength(1);
    }
  });

  test("of a start that the provider refused is PROVIDER_REJECTED again, and calls nobody", async () => {
    const replica = service.replica();
    service.provider.failNext(service.provider.error("rejected", "21211"));
    const command = aStartCommand();
    const first = await startFails(replica, command);
    const again = await startFails(service.replica(), command);
    expect(again).toMatchObject({ reason: "PROVIDER_REJECTED", metadata: first.metadata });
    expect(service.provider.calls).toHaveLength(1);
  });

  test("of a refused start answers OK once another challenge took its place", async () => {
    const replica = service.replica();
    service.provider.failNext(service.provider.error("rejected", "21211"));
    const command = aStartCommand();
    const { metadata } = await startFails(replica, command);
    const signatureId = metadata["signature_id"] ?? "";
    const resend = { caller: "payments", signatureId, channel: undefined, idempotencyKey: "again" };
    const sent = await time.drive(replica.sendChallenge.execute(resend, 20_000));
    expect(await start(replica, command)).toEqual({ signature: sent.signature, replayed: true });
  });

  test("takes up with fresh calls what was given up", async () => {
    const replica = service.replica();
    const command = aStartCommand();
    failCalls(4);
    expect(await startFails(replica, command)).toMatchObject({ reason: "PROVIDER_UNAVAILABLE" });
    failCalls(3);
    const { signature, replayed } = await start(service.replica(), command);
    expect(replayed).toBe(true);
    expect(signature).toMatchObject({ status: "challenge_sent", challenge: { status: "sent" } });
    expect(service.provider.calls.map((call) => call.attempt)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(new Set(service.provider.calls.map((call) => call.text)).size).toBe(1);
    expect(service.messages(command)).toHaveLength(1);
  });

  test("of many in parallel on two replicas, exactly one takes up what was given up; all get its outcome", async () => {
    const replicas = [service.replica(), service.replica()] as const;
    const command = aStartCommand();
    failCalls(4);
    await startFails(replicas[0], command);
    const held = service.provider.holdNext();
    const replays = Array.from({ length: 20 }, (_, n) =>
      (n % 2 === 0 ? replicas[0] : replicas[1]).startSignature.execute(command, 20_000),
    );
    const all = Promise.all(replays);
    all.catch(() => undefined);
    await service.provider.called(5);
    await time.idle();
    held.release();
    const answers = await time.drive(all);
    for (const { signature, replayed } of answers) {
      expect(replayed).toBe(true);
      expect(signature.challenge).toMatchObject({ status: "sent", inProgress: false });
    }
    expect(service.provider.calls).toHaveLength(5);
    expect(service.messages(command)).toHaveLength(1);
  });

  test("waits for a call in flight, within its own deadline", async () => {
    const replica = service.replica();
    const command = aStartCommand();
    const held = service.provider.holdNext();
    const first = replica.startSignature.execute(command, 20_000);
    await service.provider.called(1);
    const early = await start(replica, command, 1000);
    expect(early).toMatchObject({ replayed: true, signature: { challenge: { inProgress: true } } });
    const patient = replica.startSignature.execute(command, 20_000);
    await time.idle();
    held.release();
    expect((await time.drive(patient)).signature.challenge.status).toBe("sent");
    expect((await time.drive(first)).replayed).toBe(false);
    expect(service.messages(command)).toHaveLength(1);
  });

  test("waits for a call in flight on another replica", async () => {
    const command = aStartCommand();
    const held = service.provider.holdNext();
    const first = service.replica().startSignature.execute(command, 20_000);
    await service.provider.called(1);
    const other = service.replica();
    const early = await start(other, command, 1000);
    expect(early).toMatchObject({ replayed: true, signature: { challenge: { inProgress: true } } });
    const patient = other.startSignature.execute(command, 20_000);
    await time.pass(500);
    held.release();
    expect((await time.drive(patient)).signature.challenge).toMatchObject({
      status: "sent",
      inProgress: false,
    });
    await time.drive(first);
    expect(service.messages(command)).toHaveLength(1);
  });

  test.each([
    ["PROVIDER_REJECTED", "21211", "rejected"],
    ["PROVIDER_UNAVAILABLE", "21606", "not_accepted"],
  ] as const)("hears %s of a call in flight on another replica", async (reason, code, outcome) => {
    const command = aStartCommand();
    const held = service.provider.holdNext({ error: service.provider.error(outcome, code, false) });
    const first = failureOf(service.replica().startSignature.execute(command, 20_000));
    await service.provider.called(1);
    const waiting = failureOf(service.replica().startSignature.execute(command, 20_000));
    await time.pass(500);
    held.release();
    const [one, other] = await time.drive(Promise.all([first, waiting]));
    expect(one.reason).toBe(reason);
    expect(other.reason).toBe(reason);
    expect(one.metadata).toMatchObject({ provider_error_code: code });
    expect(other.metadata).toEqual(one.metadata);
  });

  test.each<[what: string, over: Partial<StartSignatureCommand>]>([
    ["customer", { customerId: "somebody else" }],
    ["number", { phoneNumber: aStartCommand().phoneNumber }],
    ["transaction", { transaction: aTransaction({ payee: "Panadería Luna" }) }],
    ["channel", { channel: "sms" }],
    ["locale", { locale: "en" }],
    ["ttl", { ttlMs: 299_999 }],
    ["first factor", { firstFactor: "acr" }],
  ])("with another %s is IDEMPOTENCY_KEY_REUSED", async (_, over) => {
    const replica = service.replica();
    const command = aStartCommand();
    await start(replica, command);
    expect(await startFails(replica, { ...command, ...over })).toMatchObject({
      reason: "IDEMPOTENCY_KEY_REUSED",
    });
    expect(service.provider.calls).toHaveLength(1);
  });

  test("in another form of the same content is the same request", async () => {
    const replica = service.replica();
    const attributes = [
      ["risk_level", "low"],
      ["shop", "42"],
    ] as const;
    const command = aStartCommand({ transaction: aTransaction({ attributes: new Map(attributes) }) });
    await start(replica, command);
    const transaction = aTransaction({ attributes: new Map([...attributes].reverse()) });
    expect((await start(replica, { ...command, transaction })).replayed).toBe(true);
  });

  test("is still answered when the destination is not allowed any more", async () => {
    const command = aStartCommand();
    await start(service.replica(), command);
    const stricter = service.replica({ allowedCountries: new Set(["FR"]) });
    expect((await start(stricter, command)).replayed).toBe(true);
  });

  test("fifty parallel calls with one key on two replicas are one signature, one message and fifty OK", async () => {
    const replicas = [service.replica(), service.replica()] as const;
    const command = aStartCommand();
    const calls = Array.from({ length: 50 }, (_, n) =>
      (n % 2 === 0 ? replicas[0] : replicas[1]).startSignature.execute(command, 20_000),
    );
    const answers = await time.drive(Promise.all(calls));
    expect(new Set(answers.map(({ signature }) => signature.id)).size).toBe(1);
    expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect(answers.every(({ signature }) => signature.challenge.status === "sent")).toBe(true);
    expect(service.messages(command)).toHaveLength(1);
    expect(service.provider.calls).toHaveLength(1);
  });

  test("fifty parallel calls that are refused are told so, all of them", async () => {
    const replicas = [service.replica(), service.replica()] as const;
    const command = aStartCommand();
    service.provider.failNext(service.provider.error("rejected", "21610"));
    const calls = Array.from({ length: 50 }, (_, n) =>
      failureOf((n % 2 === 0 ? replicas[0] : replicas[1]).startSignature.execute(command, 20_000)),
    );
    const failures = await time.drive(Promise.all(calls));
    expect(new Set(failures.map(({ reason }) => reason))).toEqual(new Set(["PROVIDER_REJECTED"]));
    expect(service.provider.calls).toHaveLength(1);
  });
});
