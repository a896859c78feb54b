import { describe, expect, test } from "vitest";
import type { DueMessage } from "../../src/domain/upkeep-store.ts";
import type { MessageUpkeep } from "../../src/usecases/sweep.ts";
import type { Replica } from "../support/replica.ts";
import { aStartCommand, codeIn, useService } from "../support/service.ts";

const service = await useService();
const { time } = service;

const close = (replica: Replica, signatureId: string) =>
  replica.abortSignature.execute({ caller: "payments", signatureId, reason: undefined, note: "" });

const phone = async (signatureId: string) => (await service.row("signature", signatureId))["phone_sealed"];

async function started(replica: Replica, over: Parameters<typeof aStartCommand>[0] = {}) {
  const command = aStartCommand(over);
  const { signature } = await time.drive(replica.startSignature.execute(command, 20_000));
  return { signature, code: codeIn(service.messages(command)[0]) };
}

/** A message that the list shows too late, so that another one is sent. */
async function sentTwice(replica: Replica) {
  const command = aStartCommand({ ttlMs: 600_000 });
  service.provider.failNext(service.provider.error("unknown", "http_500"), { accepted: true });
  service.provider.listing = false;
  const { signature } = await time.drive(replica.startSignature.execute(command, 20_000));
  expect(signature.challenge.status).toBe("sent");
  return { signature, command };
}

describe("the sweeper", () => {
  test("records each expiry once, with the time at which it was due", async () => {
    const replica = service.replica();
    const { signature } = await started(replica, { ttlMs: 60_000 });
    await time.pass(63_000);
    await Promise.all([replica.sweep(), service.replica().sweep()]);
    await replica.sweep();
    const history = await replica.history(signature.id);
    expect(history.signature).toMatchObject({ status: "expired", closedAt: signature.expiresAt });
    expect(history.timeline.filter(({ type }) => type === "SIGNATURE_EXPIRED")).toHaveLength(1);
    expect(await phone(signature.id)).toBeNull();
  });

  test("erases a number that an unknown outcome kept, once that is settled", async () => {
    const replica = service.replica();
    service.provider.failNext(service.provider.error("unknown", "http_500"), { accepted: true });
    service.provider.failNextLookUp(service.provider.error("unknown", "http_503"));
    const { signature } = await time.drive(replica.startSignature.execute(aStartCommand(), 20_000));
    await close(replica, signature.id);
    expect(await phone(signature.id)).not.toBeNull();
    await time.pass(8000);
    await replica.sweep();
    await time.pass(3000);
    expect(await phone(signature.id)).toBeNull();
    expect((await replica.history(signature.id)).challenges[0]).toMatchObject({
      status: "cancelled",
      providerChallengeId: expect.stringMatching(/^SM/),
    });
  });

  test("erases it at most ten minutes after the closure, whatever is known by then", async () => {
    const replica = service.replica();
    service.provider.failNext(service.provider.error("unknown", "http_500"));
    for (let n = 0; n < 100; n += 1)
      service.provider.failNextLookUp(service.provider.error("unknown", "http_503"));
    const { signature } = await time.drive(replica.startSignature.execute(aStartCommand(), 20_000));
    await close(replica, signature.id);
    for (let minutes = 0; minutes < 9; minutes += 1) {
      await time.pass(60_000);
      await replica.sweep();
    }
    await time.pass(50_000);
    expect(await phone(signature.id)).not.toBeNull();
    await time.pass(10_000);
    await replica.sweep();
    await time.pass(10_000);
    expect(await phone(signature.id)).toBeNull();
    expect((await service.row("challenge", signature.challenge.id))["lease_until"]).toBeNull();
    // Nothing is left to do: nobody takes it over any more.
    const before = (await replica.timeline(signature.id)).length;
    await time.pass(120_000);
    await replica.sweep();
    expect(await replica.timeline(signature.id)).toHaveLength(before);
    expect(replica.saw("taken_over")).toHaveLength(0);
  });

  test("confirms a used code at once and redacts a minute later, each until it is done", async () => {
    const asked: string[] = [];
    let confirms: "done" | "later" = "later";
    const replica = service.replica({
      messages: {
        confirm: async ({ providerChallengeId }) => {
          asked.push(`confirm ${providerChallengeId}`);
          return confirms;
        },
        redact: async ({ providerChallengeId }) => {
          asked.push(`redact ${providerChallengeId}`);
          return "done";
        },
      },
    });
    const { signature, code } = await started(replica);
    const sid = signature.challenge.providerChallengeId;
    await replica.completeSignature.execute({
      ...{ caller: "payments", signatureId: signature.id, code, transaction: undefined },
    });
    await replica.sweep();
    expect(asked.splice(0)).toEqual([`confirm ${sid}`]);
    await time.pass(60_000);
    await replica.sweep();
    expect(asked.splice(0)).toEqual([`redact ${sid}`]);
    confirms = "done";
    await time.pass(240_000);
    await replica.sweep();
    expect(asked.splice(0)).toEqual([`confirm ${sid}`]);
    await time.pass(3_600_000);
    await replica.sweep();
    expect(asked).toEqual([]);
  });

  test("looks for the message before the one that was sent again, whoever sent it, and redacts both", async () => {
    const redacted: string[] = [];
    const messages: MessageUpkeep = {
      confirm: async () => "done",
      redact: async ({ providerChallengeId }) => {
        redacted.push(providerChallengeId);
        return "done";
      },
    };
    const [sender, replica] = [service.replica(), service.replica({ messages })];
    const { signature, command } = await sentTwice(sender);
    sender.kill();
    const sids = service.messages(command).map((message) => message.providerChallengeId);
    expect(sids).toHaveLength(2);
    await time.pass(1900);
    await replica.sweep();
    expect(replica.saw("duplicate_sent")).toEqual([]);
    // The list lags more than the settling pause covers; it is read 2, 8, 32 and 128 s after the second message.
    const lookUps: number[] = [];
    for (let seconds = 2; seconds < 300; seconds += 2) {
      const before = service.provider.lookUps;
      await time.pass(seconds === 2 ? 100 : 2000);
      service.provider.listing = seconds > 4;
      await replica.sweep();
      if (service.provider.lookUps > before) lookUps.push(seconds);
    }
    expect(lookUps).toEqual([2, 8, 32, 128]);
    expect(replica.saw("duplicate_sent")).toMatchObject([{ providerChallengeId: sids[0] }]);
    expect((await replica.timeline(signature.id)).filter((type) => type === "DUPLICATE_SENT")).toHaveLength(
      1,
    );
    await close(replica, signature.id);
    await time.pass(60_000);
    await replica.sweep();
    expect(redacted.toSorted()).toEqual(sids);
  });

  test("keeps a closed signature's number for the last look at the list, and no longer", async () => {
    const replica = service.replica();
    const { signature, command } = await sentTwice(replica);
    service.provider.listing = true;
    const code = codeIn(service.messages(command)[0]);
    await replica.completeSignature.execute({
      ...{ caller: "payments", signatureId: signature.id, code, transaction: undefined },
    });
    expect(await phone(signature.id)).not.toBeNull();
    await time.pass(2000);
    await replica.sweep();
    expect(replica.saw("duplicate_sent")).toHaveLength(1);
    for (let seconds = 2; seconds < 128; seconds += 2) {
      expect(await phone(signature.id)).not.toBeNull();
      await time.pass(2000);
      await replica.sweep();
    }
    expect(await phone(signature.id)).toBeNull();
    expect((await service.row("challenge", signature.challenge.id))["last_look_up_due_at"]).toBeNull();
  });

  test("erases the number ten minutes after the closure where the list cannot be read", async () => {
    const replica = service.replica();
    const { signature } = await sentTwice(replica);
    for (let n = 0; n < 100; n += 1)
      service.provider.failNextLookUp(service.provider.error("unknown", "http_503"));
    await close(replica, signature.id);
    for (let minutes = 0; minutes < 9; minutes += 1) {
      await time.pass(60_000);
      await replica.sweep();
    }
    expect(await phone(signature.id)).not.toBeNull();
    expect(replica.saw("upkeep_failed").length).toBeGreaterThan(5);
    await time.pass(60_000);
    await replica.sweep();
    expect(await phone(signature.id)).toBeNull();
    const { lookUps } = service.provider;
    await time.pass(3_600_000);
    await replica.sweep();
    expect(service.provider.lookUps).toBe(lookUps);
  });

  test("takes over what was left while the provider hangs on a message of before", async () => {
    const hanging: DueMessage[] = [];
    const replica = service.replica({
      messages: {
        confirm: (message, signal) => {
          hanging.push(message);
          return new Promise((resolve) => signal.addEventListener("abort", () => resolve("later")));
        },
        redact: async () => "done",
      },
    });
    const { signature, code } = await started(replica);
    await replica.completeSignature.execute({
      ...{ caller: "payments", signatureId: signature.id, code, transaction: undefined },
    });
    const died = service.replica();
    const stall = died.stallAfter("start");
    const command = aStartCommand();
    died.startSignature.execute(command, 20_000).catch(() => undefined);
    await time.idle();
    died.kill();
    stall.resume();
    const stop = new AbortController();
    const sweeping = replica.sweeping(stop.signal);
    await time.pass(25_000);
    expect(hanging).toHaveLength(1);
    expect(service.messages(command)).toHaveLength(1);
    stop.abort();
    await time.drive(sweeping);
  });

  test("goes on with its other steps, and tries again, when one of them fails", async () => {
    const replica = service.replica();
    const { signature } = await started(replica, { ttlMs: 60_000 });
    await time.pass(60_000);
    replica.loseDatabase("takeOver", 1);
    await replica.sweep();
    expect(replica.saw("upkeep_failed")).toMatchObject([{ step: "take_over" }]);
    expect((await replica.timeline(signature.id)).at(-1)).toBe("SIGNATURE_EXPIRED");
  });
});
