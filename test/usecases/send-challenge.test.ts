import { describe, expect, test } from "vitest";
import type { SendChallengeCommand } from "../../src/usecases/send-challenge.ts";
import type { StartSignatureCommand } from "../../src/usecases/start-signature-command.ts";
import { failureOf } from "../support/domain.ts";
import type { Replica } from "../support/replica.ts";
import { aStartCommand, codeIn, useService } from "../support/service.ts";

const service = await useService();
const { time } = service;

let keys = 0;
function aResend(signatureId: string, over: Partial<SendChallengeCommand> = {}): SendChallengeCommand {
  keys += 1;
  return { caller: "payments", signatureId, channel: undefined, idempotencyKey: `resend-${keys}`, ...over };
}

const send = (replica: Replica, command: SendChallengeCommand) =>
  time.drive(replica.sendChallenge.execute(command, 20_000));
const sendFails = (replica: Replica, command: SendChallengeCommand) =>
  time.drive(failureOf(replica.sendChallenge.execute(command, 20_000)));

async function started(replica: Replica, command: StartSignatureCommand): Promise<string> {
  const { signature } = await time.drive(replica.startSignature.execute(command, 20_000));
  return signature.id;
}

describe("SendChallenge", () => {
  test("sends the same code again after the cooldown, and supersedes the challenge before", async () => {
    const replica = service.replica();
    const command = aStartCommand();
    const id = await started(replica, command);
    const early = await sendFails(replica, aResend(id));
    expect(early).toMatchObject({ reason: "RESEND_TOO_SOON", retryAfterMs: 30_000 });
    await time.pass(29_999);
    expect(await sendFails(replica, aResend(id))).toMatchObject({
      reason: "RESEND_TOO_SOON",
      retryAfterMs: 1,
    });
    await time.pass(1);
    const { signature, replayed } = await send(replica, aResend(id));
    expect(replayed).toBe(false);
    const history = await replica.history(id);
    expect(history.challenges.map((challenge) => challenge.status)).toEqual(["superseded", "sent"]);
    expect(signature.challenge.id).toBe(history.challenges[1]?.id);
    const [first, second] = service.messages(command);
    expect(codeIn(second)).toBe(codeIn(first));
    // The minutes count from the second challenge's own creation.
    expect(first?.text).toContain("5 min");
    expect(second).toMatchObject({ text: expect.stringContaining("4 min"), validitySeconds: 270 });
    expect(signature.challenge.maskedDestination).toBe(`+34 *** *** ${command.phoneNumber.e164.slice(-3)}`);
  });

  test("ends at the ceiling, and every message carries the one code", async () => {
    const replica = service.replica({ resend: { cooldownMs: 1000, most: 5 } });
    const command = aStartCommand();
    const id = await started(replica, command);
    for (let n = 0; n < 5; n += 1) {
      await time.pass(1000);
      await send(replica, aResend(id));
    }
    await time.pass(1000);
    expect(await sendFails(replica, aResend(id))).toMatchObject({ reason: "RESENDS_EXHAUSTED" });
    expect(service.messages(command)).toHaveLength(6);
    expect(new Set(service.messages(command).map(codeIn)).size).toBe(1);
  });

  test("a late message's code still works, and so does the attempt budget", async () => {
    const replica = service.replica();
    const command = aStartCommand();
    const id = await started(replica, command);
    const code = codeIn(service.messages(command)[0]);
    const complete = (entered: string) =>
      replica.completeSignature.execute({
        caller: "payments",
        signatureId: id,
        code: entered,
        transaction: undefined,
      });
    const wrong = code === "000000" ? "000001" : "000000";
    expect((await failureOf(complete(wrong))).metadata).toEqual({ attempts_remaining: "2" });
    await time.pass(30_000);
    await send(replica, aResend(id));
    expect((await failureOf(complete(wrong))).metadata).toEqual({ attempts_remaining: "1" });
    const { signature } = await complete(code);
    expect(signature).toMatchObject({ status: "completed", challenge: { status: "completed" } });
    const { challenges } = await replica.history(id);
    expect(challenges.map((challenge) => challenge.status)).toEqual(["superseded", "completed"]);
  });

  test("is replayed under its key, sends nothing again, and refuses the key for another channel", async () => {
    const replica = service.replica();
    const command = aStartCommand();
    const id = await started(replica, command);
    await time.pass(30_000);
    const resend = aResend(id);
    const first = await send(replica, resend);
    expect(await send(service.replica(), resend)).toEqual({ signature: first.signature, replayed: true });
    expect(await sendFails(replica, { ...resend, channel: "sms" })).toMatchObject({
      reason: "IDEMPOTENCY_KEY_REUSED",
    });
    expect(service.messages(command)).toHaveLength(2);
  });

  test("in parallel under one key is one message; under other keys the others come too soon", async () => {
    const replicas = [service.replica(), service.replica()] as const;
    const command = aStartCommand();
    const id = await started(replicas[0], command);
    await time.pass(30_000);
    const one = aResend(id);
    const same = await time.drive(
      Promise.all(
        Array.from({ length: 20 }, (_, n) =>
          replicas[n % 2 === 0 ? 0 : 1].sendChallenge.execute(one, 20_000),
        ),
      ),
    );
    expect(same.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect(new Set(same.map(({ signature }) => signature.challenge.id)).size).toBe(1);
    await time.pass(30_000);
    const others = await time.drive(
      Promise.allSettled(
        Array.from({ length: 10 }, () => replicas[1].sendChallenge.execute(aResend(id), 20_000)),
      ),
    );
    expect(others.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const other of others) {
      if (other.status === "rejected") expect(other.reason).toMatchObject({ reason: "RESEND_TOO_SOON" });
    }
    expect(service.messages(command)).toHaveLength(3);
  });

  test("comes too soon while a challenge is in flight", async () => {
    const replica = service.replica();
    const command = aStartCommand();
    const held = service.provider.holdNext();
    const call = replica.startSignature.execute(command, 20_000);
    const [message] = await service.provider.called(1);
    await time.pass(1000);
    expect(await sendFails(replica, aResend(message?.signatureId ?? ""))).toMatchObject({
      reason: "RESEND_TOO_SOON",
      retryAfterMs: 19_000,
    });
    held.release();
    await time.drive(call);
    expect(service.messages(command)).toHaveLength(1);
  });

  test.each([
    ["refused", "rejected"],
    ["given up", "not_accepted"],
  ] as const)("needs no cooldown after a challenge that was %s", async (_, outcome) => {
    const replica = service.replica();
    const command = aStartCommand();
    service.provider.failNext(service.provider.error(outcome, "21606", false));
    const failure = await time.drive(failureOf(replica.startSignature.execute(command, 20_000)));
    const { signature } = await send(replica, aResend(failure.metadata["signature_id"] ?? ""));
    expect(signature.challenge.status).toBe("sent");
    expect(service.messages(command)).toHaveLength(1);
  });

  test.each([
    ["found", true, "RESEND_TOO_SOON"],
    ["absent", false, undefined],
  ] as const)("first resolves a challenge whose outcome is unknown: %s", async (_, taken, reason) => {
    const replica = service.replica();
    const command = aStartCommand();
    service.provider.failNext(service.provider.error("unknown", "http_500"), { accepted: taken });
    service.provider.failNextLookUp(service.provider.error("unknown", "http_503"));
    const { signature } = await time.drive(replica.startSignature.execute(command, 20_000));
    expect(signature.challenge.inProgress).toBe(true);
    const resend = replica.sendChallenge.execute(aResend(signature.id), 20_000);
    if (reason === undefined) await time.drive(resend);
    else expect(await time.drive(failureOf(resend))).toMatchObject({ reason });
    const { challenges } = await replica.history(signature.id);
    expect(challenges.map((challenge) => challenge.status)).toEqual(
      taken ? ["sent"] : ["superseded", "sent"],
    );
    expect(service.messages(command)).toHaveLength(1);
  });

  test("is too soon while a look-up cannot tell", async () => {
    const replica = service.replica();
    const command = aStartCommand();
    service.provider.failNext(service.provider.error("unknown", "http_500"), { accepted: true });
    for (let n = 0; n < 2; n += 1)
      service.provider.failNextLookUp(service.provider.error("unknown", "http_503"));
    const { signature } = await time.drive(replica.startSignature.execute(command, 20_000));
    expect(await sendFails(replica, aResend(signature.id))).toMatchObject({ reason: "RESEND_TOO_SOON" });
    expect(service.messages(command)).toHaveLength(1);
  });

  test("reports what the provider did with it", async () => {
    const replica = service.replica();
    const command = aStartCommand();
    const id = await started(replica, command);
    await time.pass(30_000);
    service.provider.failNext(service.provider.error("rejected", "21610"));
    const resend = aResend(id);
    expect(await sendFails(replica, resend)).toMatchObject({ reason: "PROVIDER_REJECTED" });
    expect(await sendFails(replica, resend)).toMatchObject({ reason: "PROVIDER_REJECTED" });
    for (let n = 0; n < 4; n += 1) service.provider.failNext(service.provider.error("not_accepted", "20429"));
    const another = aResend(id);
    // The message before the refused one is 30 s old, and the refused one does not count.
    expect(await sendFails(replica, another)).toMatchObject({ reason: "PROVIDER_UNAVAILABLE" });
    expect((await send(replica, another)).signature.challenge.status).toBe("sent");
    expect(service.messages(command)).toHaveLength(2);
  });

  test.each([
    ["of nobody", "SIGNATURE_NOT_FOUND", {}],
    ["over a channel that nobody serves", "CHANNEL_UNAVAILABLE", { channel: "push" as const }],
    ["of another caller", "SIGNATURE_NOT_FOUND", { caller: "cards" }],
  ])("%s is %s", async (what, reason, over) => {
    const replica = service.replica();
    const id = await started(replica, aStartCommand());
    await time.pass(30_000);
    const target = what === "of nobody" ? "0190a5b8-1111-7222-8333-444444444444" : id;
    expect(await sendFails(replica, aResend(target, over))).toMatchObject({ reason });
  });

  test("of a closed signature says how it ended", async () => {
    const replica = service.replica();
    const aborted = await started(replica, aStartCommand());
    await replica.abortSignature.execute({
      caller: "payments",
      signatureId: aborted,
      reason: undefined,
      note: "",
    });
    expect(await sendFails(replica, aResend(aborted))).toMatchObject({
      reason: "SIGNATURE_CLOSED",
      metadata: { status: "ABORTED" },
    });
    const expired = await started(replica, aStartCommand({ ttlMs: 31_000 }));
    await time.pass(31_000);
    expect(await sendFails(replica, aResend(expired))).toMatchObject({ reason: "SIGNATURE_EXPIRED" });
  });
});
