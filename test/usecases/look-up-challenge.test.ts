import { describe, expect, test } from "vitest";
import { aReceipt } from "../support/domain.ts";
import type { Replica } from "../support/replica.ts";
import { aStartCommand, useService, wrongCode } from "../support/service.ts";

const service = await useService();
const { time } = service;
const lost = () => service.provider.error("unknown", "http_500");

/** The settling pause of the replicas, and the time between two looks at the database. */
const [settleMs, pollMs] = [2000, 250];

/** A start whose message was taken, and whose answer was lost: so many ms of its pause are over. */
async function inPause(replica: Replica, goneMs: number) {
  const command = aStartCommand();
  service.provider.failNext(lost(), { accepted: true });
  const calls = service.provider.calls.length;
  const began = time.now();
  const answer = replica.startSignature.execute(command, 20_000);
  answer.catch(() => undefined);
  await service.provider.called(calls + 1);
  await time.pass(goneMs);
  const ids = await service.idsOf(command);
  const sid = service.messages(command)[0]?.providerChallengeId ?? "";
  return { command, answer, sid, ...ids, tookMs: () => time.now() - began };
}

describe("the pause before an unknown outcome is looked up", () => {
  test.each([
    ["this replica", false],
    ["another replica", true],
  ])("ends once %s records a receipt, and nobody is asked or called", async (_, elsewhere) => {
    const replica = service.replica();
    const call = await inPause(replica, 500);
    const reached = elsewhere ? service.replica() : replica;
    await reached.recordReceipt.execute(aReceipt(call.challengeId, call.sid, { status: "accepted" }));
    const { signature } = await time.drive(call.answer);
    expect(call.tookMs()).toBe(500 + pollMs);
    expect(signature.challenge).toMatchObject({
      ...{
        status: "sent",
        providerChallengeId: call.sid,
        providerProof: "proof of a receipt",
        inProgress: false,
      },
    });
    expect(service.provider.lookUps).toBe(0);
    expect(service.provider.calls).toHaveLength(1);
    expect((await replica.timeline(call.signatureId)).slice(2)).toEqual([
      ...["OUTCOME_UNKNOWN", "CHALLENGE_SENT", "PROVIDER_REPORTED"],
    ]);
    expect(reached.saw("challenge_sent")).toMatchObject([{ knownBy: "receipt" }]);
    if (elsewhere) expect(replica.saw("challenge_sent")).toEqual([]);
    await time.pass(settleMs);
    expect(time.sleeping).toBe(0);
  });

  test("is none where the receipt came before the call had failed", async () => {
    const replica = service.replica();
    const held = service.provider.holdNext({ error: lost(), accepted: true });
    const answer = replica.startSignature.execute(aStartCommand(), 20_000);
    const [message] = await service.provider.called(1);
    const sid = `SM${String(service.provider.accepted.length + 1).padStart(32, "0")}`;
    await service.replica().recordReceipt.execute(aReceipt(message?.challengeId ?? "", sid));
    const began = time.now();
    held.release();
    const { signature } = await time.drive(answer);
    expect(time.now()).toBe(began);
    expect(signature.challenge).toMatchObject({ status: "delivered", providerChallengeId: sid });
    expect(service.provider.lookUps).toBe(0);
    expect(replica.calls("standing")).toBe(0);
    expect((await replica.timeline(signature.id)).slice(2)).toEqual([
      ...["CHALLENGE_SENT", "CHALLENGE_DELIVERED", "OUTCOME_UNKNOWN"],
    ]);
  });

  test("is as long as what is measured says, which knows how long the code lives", async () => {
    const asked: number[] = [];
    const currentMs = (lifeLeftMs: number) => {
      asked.push(lifeLeftMs);
      return 2 * settleMs;
    };
    const call = await inPause(service.replica({ settling: { currentMs } }), 500);
    expect((await time.drive(call.answer)).signature.challenge.status).toBe("sent");
    expect(call.tookMs()).toBe(2 * settleMs);
    const [lifeLeftMs = 0] = asked;
    expect(lifeLeftMs).toBeGreaterThan(290_000);
    expect(lifeLeftMs).toBeLessThanOrEqual(300_000);
  });

  test("is kept to its end by any other change of the signature, which costs one query", async () => {
    const replica = service.replica();
    const call = await inPause(replica, 500);
    const code = wrongCode(/\d{6}/.exec(service.messages(call.command)[0]?.text ?? "")?.[0] ?? "");
    const { signatureId } = call;
    const completion = { caller: "payments", signatureId, code, transaction: undefined };
    await service
      .replica()
      .completeSignature.execute(completion)
      .catch(() => undefined);
    expect((await time.drive(call.answer)).signature.challenge.status).toBe("sent");
    expect(call.tookMs()).toBe(settleMs);
    expect(replica.calls("standing")).toBe(1);
    expect(service.provider.lookUps).toBe(1);
    expect((await replica.timeline(signatureId)).slice(2)).toEqual([
      ...["OUTCOME_UNKNOWN", "CODE_REJECTED", "LOOKED_UP", "CHALLENGE_SENT"],
    ]);
  });

  test("is kept where the signature closes: the message is looked up and on record", async () => {
    const replica = service.replica();
    const call = await inPause(replica, 500);
    const { signatureId } = call;
    await replica.abortSignature.execute({ caller: "payments", signatureId, reason: undefined, note: "" });
    const { signature } = await time.drive(call.answer);
    expect(call.tookMs()).toBe(settleMs);
    expect(signature).toMatchObject({
      status: "aborted",
      challenge: { status: "cancelled", providerChallengeId: call.sid },
    });
    expect((await replica.timeline(signatureId)).slice(-2)).toEqual(["LOOKED_UP", "CHALLENGE_SENT"]);
  });

  test("is kept while the database is away", async () => {
    const replica = service.replica();
    const call = await inPause(replica, 500);
    for (const method of ["standing", "get"]) replica.loseDatabase(method, 1);
    await replica.recordReceipt.execute(aReceipt(call.challengeId, call.sid, { status: "accepted" }));
    expect((await time.drive(call.answer)).signature.challenge.status).toBe("sent");
    expect(call.tookMs()).toBe(settleMs);
    expect(replica.saw("upkeep_failed")).toMatchObject([{ step: "watch" }]);
  });

  test("ends at a shutdown, and the challenge is handed on", async () => {
    const replica = service.replica();
    const call = await inPause(replica, 500);
    await time.drive(replica.inFlight.end(0, time));
    expect(call.tookMs()).toBe(500);
    expect(await service.row("challenge", call.challengeId)).toMatchObject({
      ...{ status: "pending", lease_parked: true, lease_until: time.date() },
    });
    expect(service.provider.lookUps).toBe(0);
    await time.pass(settleMs);
    expect(time.sleeping).toBe(0);
  });

  test("of a hundred calls at once costs one query for each look at the database", async () => {
    const replica = service.replica();
    const calls = [];
    for (let n = 0; n < 100; n += 1) {
      service.provider.failNext(lost(), { accepted: true });
      calls.push(replica.startSignature.execute(aStartCommand(), 20_000));
    }
    await time.drive(Promise.all(calls));
    expect(replica.calls("standing")).toBe(0);
    expect(replica.calls("versions")).toBeLessThanOrEqual(settleMs / pollMs);
  });

  test("ends early for whoever took the challenge over, too", async () => {
    const command = aStartCommand();
    const { signatureId, challengeId } = await service.diedInCall(command, true);
    const other = service.replica();
    await time.pass(20_000);
    await other.sweep();
    const sid = service.messages(command)[0]?.providerChallengeId ?? "";
    await service.replica().recordReceipt.execute(aReceipt(challengeId, sid, { status: "accepted" }));
    await time.pass(pollMs);
    expect(other.inFlight.size).toBe(0);
    await time.pass(settleMs);
    expect(service.provider.lookUps).toBe(0);
    expect((await other.timeline(signatureId)).slice(2)).toEqual([
      ...["CHALLENGE_TAKEN_OVER", "CHALLENGE_SENT", "PROVIDER_REPORTED"],
    ]);
  });

  test("is over when the receipt comes: a list that shows nothing is not believed, and nothing is sent", async () => {
    const replica = service.replica();
    service.provider.listing = false;
    const call = await inPause(replica, 1999);
    await replica.recordReceipt.execute(aReceipt(call.challengeId, call.sid, { status: "accepted" }));
    const { signature } = await time.drive(call.answer);
    expect(call.tookMs()).toBe(settleMs);
    expect(signature.challenge.status).toBe("sent");
    expect(service.provider.calls).toHaveLength(1);
    expect((await replica.timeline(call.signatureId)).slice(2)).toEqual([
      ...["OUTCOME_UNKNOWN", "CHALLENGE_SENT", "PROVIDER_REPORTED", "LOOKED_UP"],
    ]);
  });
});
