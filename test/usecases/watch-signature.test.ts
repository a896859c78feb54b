import { describe, expect, test } from "vitest";
import type { Signature } from "../../src/domain/signature.ts";
import { aReceipt, failureOf } from "../support/domain.ts";
import type { Replica } from "../support/replica.ts";
import { aStartCommand, codeIn, useService } from "../support/service.ts";

const service = await useService();
const { time } = service;

/** Watches in the background, and keeps what it saw. */
function watch(replica: Replica, signatureId: string, signal = new AbortController().signal) {
  const seen: Signature[] = [];
  const ended = (async () => {
    for await (const signature of replica.watchSignature.execute(
      { caller: "payments", signatureId },
      signal,
    )) {
      seen.push(signature);
    }
  })();
  return {
    seen,
    ended,
    statuses: () => seen.map(({ status, challenge }) => `${status} ${challenge.status}`),
  };
}

describe("WatchSignature", () => {
  test("shows the signature now, each change that another replica makes within a second, and ends with it", async () => {
    const replica = service.replica();
    const command = aStartCommand();
    const held = service.provider.holdNext();
    const call = replica.startSignature.execute(command, 20_000);
    const [message] = await service.provider.called(1);
    const id = message?.signatureId ?? "";
    const watcher = watch(service.replica(), id);
    await time.pass(1000);
    expect(watcher.statuses()).toEqual(["pending pending"]);
    held.release();
    await time.pass(1000);
    expect(watcher.statuses().slice(1)).toEqual(["challenge_sent sent"]);
    const sid = service.messages(command)[0]?.providerChallengeId ?? "";
    await replica.recordReceipt.execute(aReceipt(message?.challengeId ?? "", sid));
    await time.pass(1000);
    expect(watcher.statuses().slice(2)).toEqual(["challenge_sent delivered"]);
    await replica.completeSignature.execute({
      ...{ caller: "payments", signatureId: id, code: codeIn(message), transaction: undefined },
    });
    await time.pass(1000);
    await watcher.ended;
    expect(watcher.statuses().slice(3)).toEqual(["completed completed"]);
    await time.drive(call);
  });

  test("shows that what was given up is taken up again", async () => {
    const replica = service.replica({ retryDelaysMs: [] });
    const command = aStartCommand();
    service.provider.failNext(service.provider.error("not_accepted", "20429"));
    await time.drive(failureOf(replica.startSignature.execute(command, 20_000)));
    const { signatureId } = await service.idsOf(command);
    const leaves = new AbortController();
    const watcher = watch(service.replica(), signatureId, leaves.signal);
    await time.pass(1000);
    const held = service.provider.holdNext();
    const again = replica.startSignature.execute(command, 20_000);
    await time.pass(1000);
    held.release();
    await time.drive(again);
    await time.pass(1000);
    leaves.abort();
    await watcher.ended;
    expect(watcher.seen.map(({ challenge }) => [challenge.status, challenge.inProgress])).toEqual([
      ["pending", false],
      ["pending", true],
      ["sent", false],
    ]);
    expect((await replica.timeline(signatureId)).slice(2)).toEqual([
      ...["CHALLENGE_GIVEN_UP", "CHALLENGE_TAKEN_OVER", "CHALLENGE_SENT"],
    ]);
  });

  test("ends with the expiry, whether the sweeper came or not", async () => {
    const replica = service.replica();
    const { signature } = await time.drive(
      replica.startSignature.execute(aStartCommand({ ttlMs: 30_000 }), 20_000),
    );
    const watcher = watch(replica, signature.id);
    await time.pass(31_000);
    await watcher.ended;
    expect(watcher.statuses()).toEqual(["challenge_sent sent", "expired expired"]);
    expect(await replica.timeline(signature.id)).not.toContain("SIGNATURE_EXPIRED");
  });

  test("of a closed signature shows it once, and ends", async () => {
    const replica = service.replica();
    const { signature } = await time.drive(replica.startSignature.execute(aStartCommand(), 20_000));
    await replica.abortSignature.execute({
      ...{ caller: "payments", signatureId: signature.id, reason: undefined, note: "" },
    });
    const watcher = watch(replica, signature.id);
    await time.drive(watcher.ended);
    expect(watcher.statuses()).toEqual(["aborted cancelled"]);
  });

  test("ends when its signal fires, and leaves nothing behind", async () => {
    const replica = service.replica();
    const { signature } = await time.drive(replica.startSignature.execute(aStartCommand(), 20_000));
    const leaves = new AbortController();
    const watcher = watch(replica, signature.id, leaves.signal);
    await time.pass(1000);
    leaves.abort();
    await time.drive(watcher.ended);
    expect(watcher.seen).toHaveLength(1);
    await time.pass(1000);
    expect(time.sleeping).toBe(0);
  });

  test("asks the database once for all who watch, and goes on after it was away", async () => {
    const replica = service.replica();
    const watchers = [];
    for (let n = 0; n < 20; n += 1) {
      const { signature } = await time.drive(replica.startSignature.execute(aStartCommand(), 20_000));
      watchers.push({ id: signature.id, ...watch(replica, signature.id), ...watch(replica, signature.id) });
    }
    const before = replica.calls("versions");
    await time.pass(1000);
    expect(replica.calls("versions") - before).toBeLessThanOrEqual(5);
    replica.loseDatabase("versions", 2);
    await time.pass(500);
    expect(replica.saw("upkeep_failed")).toHaveLength(2);
    for (const { id } of watchers) {
      await replica.abortSignature.execute({
        caller: "payments",
        signatureId: id,
        reason: undefined,
        note: "",
      });
    }
    await time.pass(1000);
    for (const { ended, seen } of watchers) {
      await ended;
      expect(seen).toHaveLength(2);
    }
  });

  test("of nobody's or another caller's signature is SIGNATURE_NOT_FOUND", async () => {
    const replica = service.replica();
    const { signature } = await time.drive(replica.startSignature.execute(aStartCommand(), 20_000));
    for (const query of [
      { caller: "cards", signatureId: signature.id },
      { caller: "payments", signatureId: "0190a5b8-1111-7222-8333-444444444444" },
    ]) {
      const first = replica.watchSignature.execute(query, new AbortController().signal).next();
      expect(await failureOf(first)).toMatchObject({ reason: "SIGNATURE_NOT_FOUND" });
      expect(await failureOf(replica.getSignature.execute(query))).toMatchObject({
        reason: "SIGNATURE_NOT_FOUND",
      });
    }
  });
});
