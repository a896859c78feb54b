import { describe, expect, test } from "vitest";
import { failureOf } from "../support/domain.ts";
import { aStartCommand, useService } from "../support/service.ts";

const service = await useService();
const { time } = service;

describe("a lease that has run out", () => {
  test("is not taken over a moment earlier", async () => {
    await service.diedInCall(aStartCommand(), false);
    const other = service.replica();
    await time.pass(19_999);
    await other.sweep();
    expect(other.saw("taken_over")).toHaveLength(0);
    await time.pass(1);
    await other.sweep();
    expect(other.saw("taken_over")).toHaveLength(1);
  });

  test("is taken over: what the provider took is found, and not sent again", async () => {
    const command = aStartCommand();
    const { signatureId, challengeId } = await service.diedInCall(command, true);
    const other = service.replica();
    await service.takenOver(other);
    const { signature } = await other.history(signatureId);
    expect(signature.challenge).toMatchObject({
      status: "sent",
      inProgress: false,
      providerChallengeId: service.messages(command)[0]?.providerChallengeId,
    });
    expect((await other.timeline(signatureId)).slice(2)).toEqual([
      "CHALLENGE_TAKEN_OVER",
      "LOOKED_UP",
      "CHALLENGE_SENT",
    ]);
    expect(service.messages(command)).toHaveLength(1);
    expect(await service.row("challenge", challengeId)).toMatchObject({ lease_epoch: 2, lease_until: null });
  });

  test("is taken over: what nobody took is sent, with the same text and one call fewer", async () => {
    const command = aStartCommand();
    const { signatureId, challengeId } = await service.diedInCall(command, false);
    const other = service.replica();
    await time.pass(20_000);
    await other.sweep();
    await time.pass(1999);
    expect(service.provider.calls).toHaveLength(1);
    await time.pass(1);
    expect(service.provider.calls.map((call) => [call.attempt, call.validitySeconds])).toEqual([
      [1, 300],
      [2, 278],
    ]);
    expect(new Set(service.provider.calls.map((call) => call.text)).size).toBe(1);
    expect((await other.timeline(signatureId)).slice(2)).toEqual([
      "CHALLENGE_TAKEN_OVER",
      "LOOKED_UP",
      "CHALLENGE_SENT",
    ]);
    expect(await service.row("challenge", challengeId)).toMatchObject({ calls: 2, calls_left: 2 });
    expect(service.messages(command)).toHaveLength(1);
  });

  test("is taken over by one of two replicas that sweep at once", async () => {
    const command = aStartCommand();
    const { signatureId } = await service.diedInCall(command, false);
    const [one, other] = [service.replica(), service.replica()];
    await time.pass(20_000);
    await Promise.all([one.sweep(), other.sweep()]);
    await time.pass(5000);
    const timeline = await one.timeline(signatureId);
    expect(timeline.filter((type) => type === "CHALLENGE_TAKEN_OVER")).toHaveLength(1);
    expect(service.messages(command)).toHaveLength(1);
  });

  test("gives a budget of 15 s anew, and the calls that are left", async () => {
    const command = aStartCommand();
    const { challengeId } = await service.diedInCall(command, false);
    for (let n = 0; n < 3; n += 1) service.provider.failNext(service.provider.error("not_accepted", "20429"));
    await service.takenOver(service.replica());
    expect(service.provider.calls).toHaveLength(4);
    const row = await service.row("challenge", challengeId);
    expect(row).toMatchObject({ status: "pending", lease_until: null, calls: 4, calls_left: 0 });
  });

  test.each<[ttlMs: number, goneMs: number, isSent: boolean]>([
    // 30 s are left, less than a third: enough.
    [120_000, 88_000, true],
    [120_000, 88_001, false],
    // A third of a short life is less than 30 s.
    [60_000, 38_000, true],
    [60_000, 38_001, false],
  ])("of a life of %i ms is sent %i ms later: %s", async (ttlMs, goneMs, isSent) => {
    const command = aStartCommand({ ttlMs });
    const { signatureId } = await service.diedInCall(command, false);
    const other = service.replica();
    // The look-up comes 2 s after the take-over.
    await service.takenOver(other, goneMs);
    expect(service.messages(command)).toHaveLength(isSent ? 1 : 0);
    const { signature } = await other.history(signatureId);
    expect(signature.challenge).toMatchObject({ status: isSent ? "sent" : "pending", inProgress: false });
    expect((await other.timeline(signatureId)).at(-1)).toBe(isSent ? "CHALLENGE_SENT" : "CHALLENGE_GIVEN_UP");
  });

  test("is looked up but never sent where unknown outcomes are not", async () => {
    const command = aStartCommand();
    const { signatureId } = await service.diedInCall(command, false);
    const other = service.replica({ retryUnknown: false });
    await service.takenOver(other);
    expect(service.provider.calls).toHaveLength(1);
    expect((await other.timeline(signatureId)).slice(2)).toEqual([
      "CHALLENGE_TAKEN_OVER",
      "LOOKED_UP",
      "CHALLENGE_GIVEN_UP",
    ]);
  });

  test("of a closed signature is looked up and let go; its number is erased", async () => {
    const command = aStartCommand();
    const { signatureId, challengeId } = await service.diedInCall(command, true);
    const other = service.replica();
    await other.abortSignature.execute({ caller: "payments", signatureId, reason: undefined, note: "" });
    expect((await service.row("signature", signatureId))["phone_sealed"]).not.toBeNull();
    await service.takenOver(other);
    expect((await service.row("signature", signatureId))["phone_sealed"]).toBeNull();
    expect(await service.row("challenge", challengeId)).toMatchObject({
      status: "cancelled",
      lease_until: null,
    });
    expect((await other.timeline(signatureId)).at(-1)).toBe("CHALLENGE_SENT");
    expect(service.provider.calls).toHaveLength(1);
  });

  test("may be taken over again when the second owner dies too", async () => {
    const command = aStartCommand();
    const { signatureId } = await service.diedInCall(command, false);
    const second = service.replica();
    const stall = second.stallAfter("takeOver");
    await time.pass(20_000);
    const sweeping = second.sweep();
    sweeping.catch(() => undefined);
    await time.idle();
    second.kill();
    stall.resume();
    const third = service.replica();
    await service.takenOver(third);
    expect((await third.history(signatureId)).signature.challenge.status).toBe("sent");
    const timeline = await third.timeline(signatureId);
    expect(timeline.filter((type) => type === "CHALLENGE_TAKEN_OVER")).toHaveLength(2);
    expect(service.messages(command)).toHaveLength(1);
  });
});

describe("a start whose process died", () => {
  test("is replayed on another replica, which waits for whoever takes it over", async () => {
    const command = aStartCommand();
    await service.diedInCall(command, false);
    const other = service.replica();
    const stop = new AbortController();
    const sweeping = other.sweeping(stop.signal);
    const { signature, replayed } = await time.drive(other.startSignature.execute(command, 60_000));
    expect({ replayed, status: signature.challenge.status }).toEqual({ replayed: true, status: "sent" });
    expect(service.messages(command)).toHaveLength(1);
    stop.abort();
    await time.drive(sweeping);
  });

  test("and whose message is refused afterwards is PROVIDER_REJECTED to the replay that waits", async () => {
    const command = aStartCommand();
    await service.diedInCall(command, false);
    service.provider.failNext(service.provider.error("rejected", "21610"));
    const other = service.replica();
    const stop = new AbortController();
    const sweeping = other.sweeping(stop.signal);
    const failure = await time.drive(failureOf(other.startSignature.execute(command, 60_000)));
    expect(failure).toMatchObject({
      reason: "PROVIDER_REJECTED",
      metadata: { provider_error_code: "21610" },
    });
    stop.abort();
    await time.drive(sweeping);
  });
});
