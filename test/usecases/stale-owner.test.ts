import { describe, expect, test } from "vitest";
import type { StartSignatureCommand } from "../../src/usecases/start-signature-command.ts";
import { aStartCommand, useService } from "../support/service.ts";

const service = await useService();
const { time } = service;

/** A start whose process stops once it has committed, before it calls anybody. */
async function stalledBeforeCall(command: StartSignatureCommand) {
  const replica = service.replica();
  const stall = replica.stallAfter("start");
  const answer = replica.startSignature.execute(command, 20_000);
  await time.idle();
  return { stall, answer };
}

describe("a stale owner that wakes up after a take-over", () => {
  test("before its first call makes no call", async () => {
    const command = aStartCommand();
    const stale = await stalledBeforeCall(command);
    const other = service.replica();
    await service.takenOver(other);
    expect(service.messages(command)).toHaveLength(1);
    stale.stall.resume();
    const { signature } = await time.drive(stale.answer);
    expect(signature.challenge.status).toBe("sent");
    expect(service.provider.calls).toHaveLength(1);
  });

  test("makes no call either when nobody has taken over yet, but its call no longer fits into the lease", async () => {
    const command = aStartCommand();
    const stale = await stalledBeforeCall(command);
    await time.pass(15_001);
    stale.stall.resume();
    const { signature } = await time.drive(stale.answer);
    expect(signature.challenge).toMatchObject({ status: "pending", inProgress: true });
    expect(service.provider.calls).toHaveLength(0);
    const other = service.replica();
    await service.takenOver(other);
    expect(service.messages(command)).toHaveLength(1);
  });

  test("still calls while the whole call fits into its lease", async () => {
    const command = aStartCommand();
    const stale = await stalledBeforeCall(command);
    await time.pass(15_000);
    stale.stall.resume();
    expect((await time.drive(stale.answer)).signature.challenge.status).toBe("sent");
  });

  test("between two calls may not begin the second, though the new owner is still in its own", async () => {
    const command = aStartCommand();
    // A short lease, so that the stale owner still has a budget when it wakes up.
    const replica = service.replica({ leaseMs: 6000 });
    service.provider.failNext(service.provider.error("unknown", "http_500"));
    const stall = replica.stallAfter("unknown");
    const answer = replica.startSignature.execute(command, 60_000);
    await service.provider.called(1);
    await time.idle();
    const held = service.provider.holdNext();
    const other = service.replica();
    await time.pass(6000);
    await other.sweep();
    await time.pass(2000);
    expect(service.provider.calls).toHaveLength(2);
    // The stale owner finds nothing in the list, waits, and would send again.
    stall.resume();
    await time.pass(2500);
    expect(service.provider.calls).toHaveLength(2);
    held.release();
    await time.idle();
    expect(service.messages(command)).toHaveLength(1);
    const { signature } = await time.drive(answer);
    const { challenges } = await other.history(signature.id);
    expect(challenges).toMatchObject([{ status: "sent", inProgress: false }]);
  });

  test("may not give up, park or erase what another owner works on", async () => {
    const command = aStartCommand();
    const replica = service.replica({ retryDelaysMs: [] });
    service.provider.failNext(service.provider.error("unknown", "http_500"));
    const stall = replica.stallAfter("unknown");
    const answer = replica.startSignature.execute(command, 60_000);
    await service.provider.called(1);
    await time.idle();
    const other = service.replica();
    service.provider.holdNext();
    service.provider.holdNext();
    await time.pass(20_000);
    await other.sweep();
    await time.pass(2500);
    const { challengeId } = await service.idsOf(command);
    const before = await service.row("challenge", challengeId);
    service.provider.listing = false;
    stall.resume();
    await time.pass(2500);
    const after = await service.row("challenge", challengeId);
    expect(after).toMatchObject({
      lease_epoch: 2,
      lease_parked: false,
      status: "pending",
      calls: before["calls"],
    });
    expect(after["lease_until"]).toEqual(before["lease_until"]);
    other.kill();
    await time.drive(answer.catch(() => undefined));
  });

  test("has its answer recorded all the same", async () => {
    const command = aStartCommand();
    const replica = service.replica();
    const stall = replica.stallAfter("accepted");
    service.provider.listing = false;
    const answer = replica.startSignature.execute(command, 60_000);
    await service.provider.called(1);
    await time.idle();
    stall.resume();
    const { signature } = await time.drive(answer);
    expect(signature.challenge.status).toBe("sent");
    const other = service.replica();
    await service.takenOver(other);
    expect(other.saw("taken_over")).toHaveLength(0);
  });
});
