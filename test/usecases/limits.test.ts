import { expect, test } from "vitest";
import type { CallerGrants, CallReservation } from "../../src/resilience/caller-limit.ts";
import { FakeTrafficStore } from "../fakes/fake-traffic-store.ts";
import { failureOf } from "../support/domain.ts";
import { aStartCommand, codeIn, useService, wrongCode } from "../support/service.ts";

const service = await useService();
const { time } = service;
const limited = { reason: "RATE_LIMITED", metadata: { limit: "caller" } };

/** So many calls, whoever asks; they may begin so long after they were granted. */
class FewCalls implements CallerGrants {
  left: number;
  readonly asked: CallReservation[] = [];
  readonly #lifeMs: number;

  constructor(left: number, lifeMs = 150) {
    this.left = left;
    this.#lifeMs = lifeMs;
  }

  async reserve(reservation: CallReservation) {
    this.asked.push(reservation);
    const count = Math.min(this.left, reservation.asked);
    this.left -= count;
    return { count, until: new Date(time.date().getTime() + this.#lifeMs), retryAfterMs: 1 };
  }
}

test("starts and sends of new work use up the caller's limit, and replays of both do not", async () => {
  const callerGrants = new FewCalls(2);
  const { startSignature, sendChallenge } = service.replica({
    ...{ callerGrants, callerPerSecond: 100, resend: { cooldownMs: 0 } },
  });
  const command = aStartCommand();
  const { signature } = await time.drive(startSignature.execute(command, 20_000));
  expect(callerGrants.left).toBe(1);
  // What it takes it gives back, and the send below takes that.
  expect(await time.drive(startSignature.execute(command, 20_000))).toMatchObject({ replayed: true });
  const resend = {
    caller: command.caller,
    signatureId: signature.id,
    channel: undefined,
    idempotencyKey: "again",
  };
  await time.drive(sendChallenge.execute(resend, 20_000));
  expect(callerGrants.left).toBe(0);
  // With nothing left, what was done before is answered all the same.
  expect(await time.drive(startSignature.execute(command, 20_000))).toMatchObject({ replayed: true });
  expect(await time.drive(sendChallenge.execute(resend, 20_000))).toMatchObject({ replayed: true });
  expect(await failureOf(startSignature.execute(aStartCommand(), 20_000))).toMatchObject(limited);
  const another = { ...resend, idempotencyKey: "and again" };
  expect(await failureOf(sendChallenge.execute(another, 20_000))).toMatchObject(limited);
});

test("a start that is admitted too late for its grant is refused by the statement", async () => {
  const callerGrants = new FewCalls(100, -1);
  const command = aStartCommand();
  const { startSignature } = service.replica({ callerGrants, callerPerSecond: 100 });
  expect(await failureOf(startSignature.execute(command, 20_000))).toMatchObject(limited);
  expect(service.messages(command)).toEqual([]);
  // Each that came too late is followed by one that is to live longer.
  expect(callerGrants.asked.map(({ extraMs }) => extraMs)).toEqual([0, 250, 500, 1000, 2000]);
});

test("a grant that was heard of too late is followed by one that lives longer in the database, too", async () => {
  const command = aStartCommand({ caller: "slow" });
  const replica = service.replica({ callerPerSecond: 10 });
  const reservation = replica.stallAfter("reserve");
  const begun = replica.startSignature.execute(command, 20_000);
  // The rest of its 150 ms is for the way to the statement.
  await time.pass(80);
  reservation.resume();
  await time.drive(begun);
  const [row] = await service.sql<{ granted_at: Date[] }[]>`
    select granted_at from caller_grants where caller = 'slow'`;
  const extraMs = Number(row?.granted_at.at(-1)) - time.date().getTime();
  expect(extraMs).toBeGreaterThanOrEqual(250);
  expect(replica.calls("start")).toBe(1);
});

test("a country that is not allowed costs the caller nothing", async () => {
  const callerGrants = new FewCalls(1);
  const { startSignature } = service.replica({
    ...{ callerGrants, callerPerSecond: 100, allowedCountries: new Set(["FR"]) },
  });
  expect(await failureOf(startSignature.execute(aStartCommand(), 20_000))).toMatchObject({
    reason: "DESTINATION_NOT_ALLOWED",
  });
  expect(callerGrants.left).toBe(1);
});

test("a blocked customer is refused by the three calls, with the time that is left", async () => {
  const lockout = { failures: 2, windowMs: 3_600_000, stepsMs: [900_000] };
  const replica = service.replica({ lockout, resend: { cooldownMs: 0 } });
  const command = aStartCommand();
  const { signature } = await time.drive(replica.startSignature.execute(command, 20_000));
  const code = codeIn(service.messages(command)[0]);
  const attempt = {
    caller: "payments",
    signatureId: signature.id,
    code: wrongCode(code),
    transaction: undefined,
  };
  for (const attemptsRemaining of ["2", "1"]) {
    expect(await failureOf(replica.completeSignature.execute(attempt))).toMatchObject({
      reason: "CODE_MISMATCH",
      metadata: { attempts_remaining: attemptsRemaining },
    });
  }
  const again = { ...command, idempotencyKey: "another" };
  const resend = { ...attempt, channel: undefined, idempotencyKey: "resend" };
  for (const call of [
    () => replica.completeSignature.execute({ ...attempt, code }),
    () => replica.startSignature.execute(again, 20_000),
    () => replica.sendChallenge.execute(resend, 20_000),
  ]) {
    expect(await failureOf(call)).toMatchObject({ reason: "CUSTOMER_BLOCKED", retryAfterMs: 900_000 });
  }
});

test("messages and completions reach the pumping guard, and what it refuses is not started", async () => {
  const traffic = new FakeTrafficStore();
  const pumping = { guard: "refuse", homeCountries: new Set(["PT"]) } as const;
  const replica = service.replica({ pumping, traffic, resend: { cooldownMs: 0 } });
  const command = aStartCommand();
  const { signature } = await time.drive(replica.startSignature.execute(command, 20_000));
  const ids = { caller: "payments", signatureId: signature.id };
  const resend = { ...ids, channel: undefined, idempotencyKey: "again" };
  await time.drive(replica.sendChallenge.execute(resend, 20_000));
  const code = codeIn(service.messages(command)[0]);
  await replica.completeSignature.execute({ ...ids, code, transaction: undefined });
  await time.pass(120_000);
  const prefix = command.phoneNumber.e164.slice(0, -4);
  await traffic.add([{ prefix, country: "ES", messages: 30, completions: 0 }], []);
  // The sweep is what exchanges counts.
  await replica.sweep();
  expect(traffic.prefixes.get(prefix)).toMatchObject({ messages: 32, completions: 1 });
  expect(traffic.callers.get("payments")).toMatchObject({ messages: 2, completions: 1 });
  expect(await failureOf(replica.startSignature.execute(aStartCommand(), 20_000))).toMatchObject({
    reason: "DESTINATION_NOT_ALLOWED",
  });
  expect(await time.drive(replica.startSignature.execute(command, 20_000))).toMatchObject({ replayed: true });
});

test("a budget of messages counts what is sent, not what is answered again or refused", async () => {
  const limits = { messages: 3, micros: 0 };
  const budget = {
    limits: { messages: 0, micros: 0 },
    callerLimits: limits,
    prices: { currency: "", micros: {} },
  };
  const { startSignature, sendChallenge } = service.replica({ budget, resend: { cooldownMs: 0 } });
  const caller = "budgeted";
  const command = aStartCommand({ caller });
  const { signature } = await time.drive(startSignature.execute(command, 20_000));
  for (let n = 0; n < 3; n += 1) {
    expect(await time.drive(startSignature.execute(command, 20_000))).toMatchObject({ replayed: true });
  }
  await time.drive(startSignature.execute(aStartCommand({ caller }), 20_000));
  const resend = { caller, signatureId: signature.id, channel: undefined, idempotencyKey: "again" };
  await time.drive(sendChallenge.execute(resend, 20_000));
  const refused = { reason: "RATE_LIMITED", metadata: { limit: "caller_messages_per_day" } };
  const another = aStartCommand({ caller });
  expect(await failureOf(startSignature.execute(another, 20_000))).toMatchObject(refused);
  expect(await failureOf(sendChallenge.execute({ ...resend, idempotencyKey: "more" }, 20_000))).toMatchObject(
    refused,
  );
  expect(await service.sql`select from idempotency_key where key = ${another.idempotencyKey}`).toHaveLength(
    0,
  );
  expect(await time.drive(startSignature.execute(command, 20_000))).toMatchObject({ replayed: true });
  await time.drive(startSignature.execute(aStartCommand(), 20_000));
});

test("a caller's own budget goes before that of all callers", async () => {
  const budget = {
    limits: { messages: 0, micros: 0 },
    callerLimits: { messages: 1, micros: 0 },
    prices: { currency: "", micros: {} },
  };
  const ownLimits = (caller: string) =>
    caller === "generous" ? { perSecond: undefined, budget: { messages: 2 } } : undefined;
  const { startSignature } = service.replica({ budget, ownLimits });
  const outcomes = async (caller: string) => {
    const ends: string[] = [];
    for (let n = 0; n < 3; n += 1) {
      const call = time.drive(startSignature.execute(aStartCommand({ caller }), 20_000));
      ends.push(
        await call.then(
          () => "sent",
          (failure) => failure.metadata.limit,
        ),
      );
    }
    return ends;
  };
  expect(await outcomes("plain")).toEqual(["sent", "caller_messages_per_day", "caller_messages_per_day"]);
  expect(await outcomes("generous")).toEqual(["sent", "sent", "caller_messages_per_day"]);
});
