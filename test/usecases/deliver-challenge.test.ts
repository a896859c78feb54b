import { describe, expect, test } from "vitest";
import type { StartSignatureCommand } from "../../src/usecases/start-signature-command.ts";
import { failureOf } from "../support/domain.ts";
import type { Replica } from "../support/replica.ts";
import { aStartCommand, useService } from "../support/service.ts";

const service = await useService();
const { time } = service;

const start = (replica: Replica, command: StartSignatureCommand, waitMs = 20_000) =>
  time.drive(replica.startSignature.execute(command, waitMs));
const lost = () => service.provider.error("unknown", "http_500");

describe("a call whose answer was lost", () => {
  test("is looked up after the settling pause and found: SENT with that SID, no second message", async () => {
    const replica = service.replica();
    const command = aStartCommand();
    service.provider.failNext(lost(), { accepted: true });
    const before = time.now();
    const { signature } = await start(replica, command);
    expect(time.now() - before).toBe(2000);
    const [message, ...others] = service.messages(command);
    expect(others).toEqual([]);
    expect(signature.challenge).toMatchObject({
      status: "sent",
      providerChallengeId: message?.providerChallengeId,
      sentAt: new Date(message?.acceptedAt ?? 0),
    });
    expect((await replica.timeline(signature.id)).slice(2)).toEqual([
      "OUTCOME_UNKNOWN",
      "LOOKED_UP",
      "CHALLENGE_SENT",
    ]);
    expect(replica.saw("challenge_sent")).toMatchObject([{ knownBy: "look_up" }]);
    expect(service.provider.calls).toHaveLength(1);
  });

  test("that the list does not show is made again", async () => {
    const replica = service.replica();
    const command = aStartCommand();
    service.provider.failNext(lost());
    const { signature } = await start(replica, command);
    expect(signature.challenge.status).toBe("sent");
    expect((await replica.timeline(signature.id)).slice(2)).toEqual([
      "OUTCOME_UNKNOWN",
      "LOOKED_UP",
      "CHALLENGE_SENT",
    ]);
    expect(service.provider.calls).toHaveLength(2);
    expect(service.messages(command)).toHaveLength(1);
  });

  test("of which the list cannot tell stays PENDING and in progress until a later sweep finds it", async () => {
    const replica = service.replica();
    const command = aStartCommand();
    service.provider.failNext(lost(), { accepted: true });
    for (let n = 0; n < 3; n += 1)
      service.provider.failNextLookUp(service.provider.error("unknown", "http_503"));
    const { signature } = await start(replica, command);
    expect(signature).toMatchObject({
      status: "pending",
      challenge: { status: "pending", inProgress: true },
    });
    expect(await service.row("challenge", signature.challenge.id)).toMatchObject({ lease_parked: true });
    expect(replica.inFlight.size).toBe(0);

    const pauses: number[] = [];
    for (let lookUps = service.provider.lookUps; service.provider.lookUps < 4; ) {
      const parkedAt = time.now();
      while (service.provider.lookUps === lookUps) {
        await time.pass(500);
        await replica.sweep();
      }
      lookUps = service.provider.lookUps;
      pauses.push(time.now() - parkedAt);
    }
    const { signature: found } = await replica.history(signature.id);
    expect(found.challenge).toMatchObject({ status: "sent", inProgress: false });
    expect(pauses).toEqual([...pauses].sort((a, b) => a - b));
    expect(pauses[2]).toBeGreaterThan(pauses[0] ?? 0);
    expect(service.messages(command)).toHaveLength(1);
    expect(service.provider.calls).toHaveLength(1);
    // It stepped aside on purpose: nobody took anything over.
    expect(await replica.timeline(signature.id)).not.toContain("CHALLENGE_TAKEN_OVER");
  });

  test("found twice is recorded as sent once, and as a duplicate", async () => {
    const replica = service.replica();
    const command = aStartCommand();
    service.provider.failNext(lost(), { accepted: true });
    service.provider.failNext(lost(), { accepted: true });
    service.provider.listing = false;
    const call = replica.startSignature.execute(command, 20_000);
    await time.pass(3000);
    expect(service.provider.calls).toHaveLength(2);
    service.provider.listing = true;
    const { signature } = await time.drive(call);
    const sids = service.messages(command).map((message) => message.providerChallengeId);
    expect(sids).toHaveLength(2);
    expect(signature.challenge.providerChallengeId).toBe(sids[0]);
    const timeline = await replica.timeline(signature.id);
    expect(timeline.filter((type) => type === "DUPLICATE_SENT")).toHaveLength(1);
    expect(replica.saw("duplicate_sent")).toMatchObject([{ providerChallengeId: sids[1] }]);
    expect(new Set(service.messages(command).map((message) => message.text)).size).toBe(1);
  });

  test("is looked up among this challenge's messages only", async () => {
    const replica = service.replica();
    const first = aStartCommand();
    await start(replica, first);
    const second = aStartCommand({ phoneNumber: first.phoneNumber });
    service.provider.failNext(lost());
    const { signature } = await start(replica, second);
    expect(service.messages(first)).toHaveLength(2);
    expect(signature.challenge.providerChallengeId).toBe(service.messages(first)[1]?.providerChallengeId);
  });
});

describe("with TWILIO_RETRY_UNKNOWN=false", () => {
  test("a lost call is looked up, and found", async () => {
    const replica = service.replica({ retryUnknown: false });
    const command = aStartCommand();
    service.provider.failNext(lost(), { accepted: true });
    expect((await start(replica, command)).signature.challenge.status).toBe("sent");
    expect(service.messages(command)).toHaveLength(1);
  });

  test("one that is absent is never made again: not by the policy, a sweep, or a replay", async () => {
    const replica = service.replica({ retryUnknown: false });
    const command = aStartCommand();
    service.provider.failNext(lost(), { accepted: true });
    service.provider.listing = false;
    const failure = await time.drive(failureOf(replica.startSignature.execute(command, 20_000)));
    expect(failure.reason).toBe("PROVIDER_UNAVAILABLE");
    await time.pass(30_000);
    await replica.sweep();
    const again = await time.drive(failureOf(replica.startSignature.execute(command, 20_000)));
    expect(again.reason).toBe("PROVIDER_UNAVAILABLE");
    expect(service.provider.calls).toHaveLength(1);
    // Once the list shows it after all, a replay finds it.
    service.provider.listing = true;
    const { signature } = await start(replica, command);
    expect(signature.challenge).toMatchObject({
      status: "sent",
      providerChallengeId: service.messages(command)[0]?.providerChallengeId,
    });
    expect(service.messages(command)).toHaveLength(1);
  });

  test("one that was certainly not taken is still retried", async () => {
    const replica = service.replica({ retryUnknown: false });
    const command = aStartCommand();
    service.provider.failNext(service.provider.error("not_accepted", "20429"));
    expect((await start(replica, command)).signature.challenge.status).toBe("sent");
  });
});

describe("a hanging provider", () => {
  test("is called two or three times within the budget, and looked up after each", async () => {
    const replica = service.replica();
    const command = aStartCommand();
    for (let n = 0; n < 4; n += 1) service.provider.holdNext();
    const began = time.now();
    const failure = await time.drive(failureOf(replica.startSignature.execute(command, 60_000)));
    expect(failure.reason).toBe("PROVIDER_UNAVAILABLE");
    expect(service.provider.calls.length).toBeGreaterThanOrEqual(2);
    expect(service.provider.calls.length).toBeLessThanOrEqual(3);
    expect(service.provider.lookUps).toBe(service.provider.calls.length);
    expect(time.now() - began).toBeLessThan(30_000);
  });

  test("a message that shows up late is found when what was given up is taken up again", async () => {
    const replica = service.replica();
    const command = aStartCommand();
    service.provider.listing = false;
    service.provider.failNext(lost(), { accepted: true });
    for (let n = 0; n < 3; n += 1) service.provider.failNext(service.provider.error("not_accepted", "20429"));
    const failure = await time.drive(failureOf(replica.startSignature.execute(command, 20_000)));
    expect(failure.reason).toBe("PROVIDER_UNAVAILABLE");
    await time.pass(30_000);
    service.provider.listing = true;
    service.provider.failNext(lost());
    const { signature } = await start(replica, command);
    expect(signature.challenge.providerChallengeId).toBe(service.messages(command)[0]?.providerChallengeId);
    expect(service.messages(command)).toHaveLength(1);
  });
});

describe("a challenge whose signature closes while it is being sent", () => {
  const aborted = (replica: Replica, signatureId: string) =>
    replica.abortSignature.execute({ caller: "payments", signatureId, reason: undefined, note: "" });

  test("is not called for again", async () => {
    const replica = service.replica();
    service.provider.failNext(service.provider.error("not_accepted", "20429"));
    const call = replica.startSignature.execute(aStartCommand(), 20_000);
    const [message] = await service.provider.called(1);
    await time.idle();
    await aborted(replica, message?.signatureId ?? "");
    expect((await time.drive(call)).signature).toMatchObject({ status: "aborted" });
    expect(service.provider.calls).toHaveLength(1);
  });

  test.each([
    ["accepted", undefined],
    ["refused", "rejected"],
    ["given up", "not_accepted"],
  ] as const)(
    "and whose call then is %s: its end is on record, and the start answers as it is",
    async (_, outcome) => {
      const replica = service.replica();
      const error = outcome && service.provider.error(outcome, "21211", false);
      const held = service.provider.holdNext(error && { error });
      const call = replica.startSignature.execute(aStartCommand(), 20_000);
      const [message] = await service.provider.called(1);
      await aborted(replica, message?.signatureId ?? "");
      held.release();
      const { signature } = await time.drive(call);
      expect(signature).toMatchObject({
        status: "aborted",
        challenge: { status: "cancelled", inProgress: false },
      });
      const facts = { rejected: "CHALLENGE_REFUSED", not_accepted: "CHALLENGE_GIVEN_UP" };
      expect((await replica.timeline(signature.id)).at(-1)).toBe(outcome ? facts[outcome] : "CHALLENGE_SENT");
      expect((await service.row("signature", signature.id))["phone_sealed"]).toBeNull();
    },
  );
});

describe("a shutdown while a second call is in flight", () => {
  test("leaves its outcome open, though the first was found absent", async () => {
    const replica = service.replica();
    const command = aStartCommand();
    service.provider.failNext(lost());
    service.provider.holdNext();
    const call = replica.startSignature.execute(command, 20_000);
    call.catch(() => undefined);
    await time.pass(4000);
    expect(service.provider.calls).toHaveLength(2);
    const message = service.provider.calls.at(-1);
    await time.drive(replica.inFlight.end(0, time));
    const { signature } = await time.drive(call);
    expect(signature.challenge).toMatchObject({
      id: message?.challengeId,
      status: "pending",
      inProgress: true,
    });
  });
});
