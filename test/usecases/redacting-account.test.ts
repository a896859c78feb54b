import { describe, expect, test } from "vitest";
import type { StartSignatureCommand } from "../../src/usecases/start-signature-command.ts";
import type { Replica } from "../support/replica.ts";
import { aStartCommand, useService } from "../support/service.ts";

const service = await useService();
const { time } = service;

const start = (replica: Replica, command: StartSignatureCommand) =>
  time.drive(replica.startSignature.execute(command, 20_000));
const lost = () => service.provider.error("unknown", "http_500");

describe("on an account that lists no texts", () => {
  test("two signatures in flight to one number end with a message each, and nothing is sent twice", async () => {
    service.provider.listsTexts = false;
    const [slow, quick] = [service.replica(), service.replica()];
    const command = aStartCommand();
    const other = aStartCommand({ phoneNumber: command.phoneNumber });
    for (let n = 0; n < 2; n += 1) service.provider.failNext(lost(), { accepted: true });
    // One has seen the list with both in it, unclaimed, when the other claims the first.
    const stall = slow.stallAfter("knownElsewhere");
    const calls = [
      slow.startSignature.execute(command, 20_000),
      quick.startSignature.execute(other, 20_000),
    ] as const;
    await time.drive(calls[1]);
    stall.resume();
    const started = await Promise.all(calls.map((call) => time.drive(call)));
    const sids = service.messages(command).map((message) => message.providerChallengeId);
    const challenges = started.map(({ signature }) => signature.challenge);
    expect(challenges.map(({ status }) => status)).toEqual(["sent", "sent"]);
    expect(challenges.map((challenge) => challenge.providerChallengeId).toSorted()).toEqual(sids);
    expect(service.provider.calls).toHaveLength(2);
    for (const replica of [slow, quick]) {
      expect(replica.saw("duplicate_sent")).toEqual([]);
      expect(replica.saw("upkeep_failed")).toEqual([]);
    }
  });

  test("one whose only message another signature claims is looked for and never sent again by itself", async () => {
    service.provider.listsTexts = false;
    const [slow, quick] = [service.replica(), service.replica()];
    const command = aStartCommand();
    const other = aStartCommand({ phoneNumber: command.phoneNumber });
    service.provider.failNext(lost(), { accepted: true });
    service.provider.failNext(lost());
    const stall = slow.stallAfter("knownElsewhere");
    const call = slow.startSignature.execute(command, 20_000);
    // It has seen the list, and nobody's claim on what stands there.
    while (slow.calls("knownElsewhere") === 0) await time.pass(100);
    await time.idle();
    const { signature: claimant } = await start(quick, other);
    expect(claimant.challenge.status).toBe("sent");
    stall.resume();
    const { signature } = await time.drive(call);
    expect(signature.challenge).toMatchObject({ status: "pending", inProgress: true });
    for (let n = 0; n < 30; n += 1) {
      await time.pass(1000);
      await quick.sweep();
    }
    expect((await quick.history(signature.id)).signature.challenge).toMatchObject({
      status: "pending",
      inProgress: false,
    });
    expect(service.provider.calls).toHaveLength(2);
    expect(slow.saw("upkeep_failed")).toEqual([]);
  });
});
