import { describe, expect, test } from "vitest";
import type { StartSignatureCommand } from "../../src/usecases/start-signature-command.ts";
import { aReceipt } from "../support/domain.ts";
import type { Replica } from "../support/replica.ts";
import { aStartCommand, useService } from "../support/service.ts";

const service = await useService();
const { time } = service;

/** When a caller who waits begins to look at the database, and how often. */
const [quietMs, pollMs] = [1000, 250];

/** A start whose call was taken, and hangs. */
async function hanging(replica: Replica, command: StartSignatureCommand) {
  const sid = `SM${String(service.provider.accepted.length + 1).padStart(32, "0")}`;
  const error = service.provider.error("unknown", "timeout");
  const { release } = service.provider.holdNext({ error, accepted: true });
  const calls = service.provider.calls.length;
  const answer = replica.startSignature.execute(command, 20_000);
  answer.catch(() => undefined);
  await service.provider.called(calls + 1);
  return { answer, release, sid, ...(await service.idsOf(command)) };
}

describe("a caller who waits for a call that hangs", () => {
  test("is told that the message was sent as soon as a receipt says so; the call ends as it may", async () => {
    const replica = service.replica();
    const call = await hanging(replica, aStartCommand());
    const began = time.now();
    await service.replica().recordReceipt.execute(aReceipt(call.challengeId, call.sid));
    const { signature } = await time.drive(call.answer);
    expect(time.now() - began).toBe(quietMs + pollMs);
    expect(signature).toMatchObject({
      status: "challenge_sent",
      challenge: { status: "delivered", providerChallengeId: call.sid, inProgress: false },
    });
    expect(replica.inFlight.size).toBe(1);
    call.release();
    await time.idle();
    expect(replica.inFlight.size).toBe(0);
    expect(service.provider.calls).toHaveLength(1);
    expect(service.provider.lookUps).toBe(0);
    await time.pass(1000);
    expect(time.sleeping).toBe(0);
  });

  test("is told so when the call comes again meanwhile, too", async () => {
    const replica = service.replica();
    const command = aStartCommand();
    const call = await hanging(replica, command);
    const replay = replica.startSignature.execute(command, 20_000);
    await time.pass(1500);
    await replica.recordReceipt.execute(aReceipt(call.challengeId, call.sid, { status: "accepted" }));
    const [first, again] = await time.drive(Promise.all([call.answer, replay]));
    expect(again).toEqual({ signature: first.signature, replayed: true });
    expect(first.signature.challenge.status).toBe("sent");
    call.release();
  });

  test("costs no query in the first second, and one for all who wait after that", async () => {
    const replica = service.replica();
    const calls = [];
    for (let n = 0; n < 20; n += 1) calls.push(await hanging(replica, aStartCommand()));
    await time.pass(quietMs);
    expect(replica.calls("versions")).toBe(0);
    await time.pass(1000);
    expect(replica.calls("versions")).toBe(1000 / pollMs);
    expect(replica.calls("get")).toBe(0);
    for (const { release } of calls) release();
    await time.drive(Promise.all(calls.map(({ answer }) => answer)));
  });

  test("waits on for the call where the database is away, or the signature closes", async () => {
    const replica = service.replica();
    const away = await hanging(replica, aStartCommand());
    const closed = await hanging(replica, aStartCommand());
    replica.loseDatabase("get", 1);
    await time.pass(1500);
    await replica.recordReceipt.execute(aReceipt(away.challengeId, away.sid, { status: "accepted" }));
    await time.pass(pollMs);
    const { signatureId } = closed;
    await replica.abortSignature.execute({ caller: "payments", signatureId, reason: undefined, note: "" });
    await time.pass(1000);
    expect(replica.inFlight.size).toBe(2);
    away.release();
    expect((await time.drive(away.answer)).signature.challenge.status).toBe("sent");
    closed.release();
    const { signature } = await time.drive(closed.answer);
    expect(signature).toMatchObject({ status: "aborted", challenge: { status: "cancelled" } });
  });
});
