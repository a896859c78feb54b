import { describe, expect, test } from "vitest";
import { failureOf } from "../support/domain.ts";
import { aStartCommand, useService } from "../support/service.ts";

const service = await useService();
const { time } = service;

// What src/config/timing.ts refuses and takes, in the life of a code that its first owner left behind.
describe.each([
  { fit: "a lease that the settling pause outlasts, which is refused", leaseMs: 20_000, sent: false },
  { fit: "the shortest lease that is taken for this pause", leaseMs: 36_500, sent: true },
])("$fit", ({ leaseMs, sent }) => {
  test(`what a crash left is ${sent ? "taken over once and sent" : "taken over again and again, and never sent"}`, async () => {
    const command = aStartCommand();
    const { signatureId } = await service.diedInCall(command, false);
    const stop = new AbortController();
    const other = service.replica({ leaseMs, settleMs: 30_000, budgetMs: 300_000 });
    const sweeping = other.sweeping(stop.signal);
    await time.pass(110_000);
    stop.abort();
    await time.drive(sweeping);
    const timeline = await other.timeline(signatureId);
    const takenOver = timeline.filter((type) => type === "CHALLENGE_TAKEN_OVER").length;
    expect(service.messages(command)).toHaveLength(sent ? 1 : 0);
    if (sent) expect(takenOver).toBe(1);
    else expect(takenOver).toBeGreaterThan(3);
  });
});

test("a pause that the provider asks for and the lease has no room for ends the run, with the caller told", async () => {
  const replica = service.replica({ budgetMs: 60_000 });
  const command = aStartCommand();
  const busy = service.provider.error("not_accepted", "20429");
  service.provider.failNext(Object.assign(busy, { retryAfterMs: 18_001 }));
  const failure = await time.drive(failureOf(replica.startSignature.execute(command, 60_000)));
  expect(failure.reason).toBe("PROVIDER_UNAVAILABLE");
  const { signatureId, challengeId } = await service.idsOf(command);
  expect(await service.row("challenge", challengeId)).toMatchObject({ lease_until: null, calls: 1 });
  await time.pass(30_000);
  await replica.sweep();
  expect((await replica.timeline(signatureId)).at(-1)).toBe("CHALLENGE_GIVEN_UP");
});

test("one that the lease has room for is waited for", async () => {
  const replica = service.replica({ budgetMs: 60_000 });
  const command = aStartCommand();
  const busy = service.provider.error("not_accepted", "20429");
  service.provider.failNext(Object.assign(busy, { retryAfterMs: 18_000 }));
  const { signature } = await time.drive(replica.startSignature.execute(command, 60_000));
  expect(signature.challenge.status).toBe("sent");
  expect(replica.saw("taken_over")).toHaveLength(0);
});
