import { describe, expect, test } from "vitest";
import { failureOf } from "../support/domain.ts";
import { aStartCommand, useService } from "../support/service.ts";

const service = await useService();
const { time } = service;

describe.each([
  ["refused", "rejected", "21211", "PROVIDER_REJECTED", "CHALLENGE_REFUSED"],
  ["giveUp", "not_accepted", "21606", "PROVIDER_UNAVAILABLE", "CHALLENGE_GIVEN_UP"],
] as const)("an end that the store records by %s", (method, outcome, code, reason, event) => {
  const failNext = () => service.provider.failNext(service.provider.error(outcome, code, false));

  test("is recorded and answered once the database is back", async () => {
    const replica = service.replica();
    const command = aStartCommand();
    failNext();
    replica.loseDatabase(method, 4);
    const failure = await time.drive(failureOf(replica.startSignature.execute(command, 20_000)));
    expect(failure).toMatchObject({ reason, metadata: { provider_error_code: code } });
    const { signatureId } = await service.idsOf(command);
    expect((await replica.timeline(signatureId)).slice(2)).toEqual([event]);
    expect(replica.saw("sending_failed")).toHaveLength(1);
    expect(replica.saw("upkeep_failed")).toHaveLength(4);
    expect(replica.saw("upkeep_failed")[0]).toMatchObject({ step: "record_failure" });
  });

  test("is tried for as long as the lease lasts, and then left to whoever takes over", async () => {
    const replica = service.replica();
    const command = aStartCommand();
    failNext();
    replica.loseDatabase(method, 1000);
    const began = time.now();
    const { signature } = await time.drive(replica.startSignature.execute(command, 60_000));
    expect(time.now() - began).toBeLessThanOrEqual(20_000);
    expect(time.now() - began).toBeGreaterThan(18_000);
    expect(signature.challenge).toMatchObject({ status: "pending", inProgress: true });
    const other = service.replica();
    await service.takenOver(other);
    expect((await other.history(signature.id)).signature.challenge.status).toBe("sent");
    expect(service.messages(command)).toHaveLength(1);
  });

  test("is tried once more at a shutdown, which does not wait", async () => {
    const replica = service.replica();
    const command = aStartCommand();
    failNext();
    replica.loseDatabase(method, 6);
    const answer = failureOf(replica.startSignature.execute(command, 60_000));
    await time.pass(2000);
    const began = time.now();
    await time.drive(replica.inFlight.end(0, time));
    expect(time.now()).toBe(began);
    expect(await time.drive(answer)).toMatchObject({ reason });
    const { signatureId } = await service.idsOf(command);
    expect((await replica.timeline(signatureId)).slice(2)).toEqual([event]);
  });
});
