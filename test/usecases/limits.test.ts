import { expect, test } from "vitest";
import type { CallerLimit } from "../../src/domain/caller-limit.ts";
import { Failure } from "../../src/domain/failure.ts";
import type { PrefixTraffic } from "../../src/domain/pumping.ts";
import { PumpingGuard } from "../../src/usecases/pumping-guard.ts";
import { ManualClock } from "../fakes/manual-clock.ts";
import { failureOf } from "../support/domain.ts";
import { aStartCommand, codeIn, useService, wrongCode } from "../support/service.ts";

const service = await useService();
const { time } = service;
const limited = { reason: "RATE_LIMITED", metadata: { limit: "caller" } };

/** So many calls, whoever asks. */
class FewCalls implements CallerLimit {
  left: number;
  readonly #until: () => Date;

  constructor(left: number, until: () => Date) {
    this.left = left;
    this.#until = until;
  }

  async take() {
    if (this.left === 0) {
      throw new Failure("RATE_LIMITED", "too many requests", {
        metadata: { limit: "caller" },
        retryAfterMs: 1,
      });
    }
    this.left -= 1;
    return {
      until: this.#until(),
      giveBack: () => {
        this.left += 1;
      },
    };
  }
}

const few = (left: number) => new FewCalls(left, () => time.date());

test("starts and sends of new work use up the caller's limit, and replays of both do not", async () => {
  const callerLimit = few(2);
  const { startSignature, sendChallenge } = service.replica({ callerLimit, resend: { cooldownMs: 0 } });
  const command = aStartCommand();
  const { signature } = await time.drive(startSignature.execute(command, 20_000));
  expect(callerLimit.left).toBe(1);
  expect(await time.drive(startSignature.execute(command, 20_000))).toMatchObject({ replayed: true });
  expect(callerLimit.left).toBe(1);
  const resend = {
    caller: command.caller,
    signatureId: signature.id,
    channel: undefined,
    idempotencyKey: "again",
  };
  await time.drive(sendChallenge.execute(resend, 20_000));
  expect(callerLimit.left).toBe(0);
  // With nothing left, what was done before is answered all the same.
  expect(await time.drive(startSignature.execute(command, 20_000))).toMatchObject({ replayed: true });
  expect(await time.drive(sendChallenge.execute(resend, 20_000))).toMatchObject({ replayed: true });
  expect(await failureOf(startSignature.execute(aStartCommand(), 20_000))).toMatchObject(limited);
  const another = { ...resend, idempotencyKey: "and again" };
  expect(await failureOf(sendChallenge.execute(another, 20_000))).toMatchObject(limited);
});

test("a start that is admitted too late for its grant is refused by the statement", async () => {
  const callerLimit = new FewCalls(1, () => new Date(time.date().getTime() - 1));
  const command = aStartCommand();
  const { startSignature } = service.replica({ callerLimit });
  expect(await failureOf(startSignature.execute(command, 20_000))).toMatchObject(limited);
  expect(service.messages(command)).toEqual([]);
});

test("a country that is not allowed costs the caller nothing", async () => {
  const callerLimit = few(1);
  const { startSignature } = service.replica({ callerLimit, allowedCountries: new Set(["FR"]) });
  expect(await failureOf(startSignature.execute(aStartCommand(), 20_000))).toMatchObject({
    reason: "DESTINATION_NOT_ALLOWED",
  });
  expect(callerLimit.left).toBe(1);
});

test("a blocked customer is refused by the three calls, with the time that is left", async () => {
  const block = { failures: 2, windowMs: 3_600_000, blockMs: 900_000 };
  const replica = service.replica({ block, resend: { cooldownMs: 0 } });
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
  const added: PrefixTraffic[] = [];
  const suspected: PrefixTraffic[] = [];
  const clock = new ManualClock();
  const traffic = {
    add: async (counts: readonly PrefixTraffic[]) => void added.push(...counts),
    suspected: async () => suspected,
  };
  const observer = { observe: () => undefined };
  const homeCountries = new Set(["PT"]);
  const pumping = new PumpingGuard({ traffic, clock, observer, mode: "refuse", homeCountries });
  const replica = service.replica({ pumping, resend: { cooldownMs: 0 } });
  const command = aStartCommand();
  const { signature } = await time.drive(replica.startSignature.execute(command, 20_000));
  const ids = { caller: "payments", signatureId: signature.id };
  const resend = { ...ids, channel: undefined, idempotencyKey: "again" };
  await time.drive(replica.sendChallenge.execute(resend, 20_000));
  const code = codeIn(service.messages(command)[0]);
  await replica.completeSignature.execute({ ...ids, code, transaction: undefined });
  await clock.advance(120_000);
  const prefix = command.phoneNumber.e164.slice(0, -4);
  suspected.push({ prefix, messages: 20, completions: 0 });
  // The sweep is what exchanges counts.
  await replica.sweep();
  expect(added).toEqual([{ prefix, messages: 2, completions: 1 }]);
  expect(await failureOf(replica.startSignature.execute(aStartCommand(), 20_000))).toMatchObject({
    reason: "DESTINATION_NOT_ALLOWED",
  });
  expect(await time.drive(replica.startSignature.execute(command, 20_000))).toMatchObject({ replayed: true });
});
