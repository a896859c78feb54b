import { expect, test } from "vitest";
import type { Admission } from "../../src/domain/caller-limit.ts";
import { Failure } from "../../src/domain/failure.ts";
import { type CallerGrant, type CallerGrants, SharedCallerLimit } from "../../src/resilience/caller-limit.ts";
import { ManualClock } from "../fakes/manual-clock.ts";

const grant = (count: number, retryAfterMs = 0): CallerGrant => ({ count, until: new Date(0), retryAfterMs });

/** A limit whose reservations the test answers, one after the other. */
function aLimit(perSecond = 10) {
  const clock = new ManualClock();
  const asked: number[] = [];
  const open: PromiseWithResolvers<CallerGrant>[] = [];
  const extra: number[] = [];
  const grants: CallerGrants = {
    reserve({ asked: count, extraMs }) {
      asked.push(count);
      extra.push(extraMs);
      const reservation = Promise.withResolvers<CallerGrant>();
      open.push(reservation);
      return reservation.promise;
    },
  };
  const shared = new SharedCallerLimit({ clock, grants, perSecond: () => perSecond });
  const limit = {
    take(caller: string): Promise<Admission> {
      const call = shared.take(caller);
      // Looked at later: a refusal may come before anybody asks for it.
      call.catch(() => undefined);
      return call;
    },
  };
  const answer = async (reply: CallerGrant | Error) => {
    const reservation = open.shift();
    if (reply instanceof Error) reservation?.reject(reply);
    else reservation?.resolve(reply);
    await clock.settle();
  };
  return { clock, limit, asked, extra, answer };
}

async function ended(calls: readonly Promise<Admission>[]): Promise<string[]> {
  const results = await Promise.allSettled(calls);
  return results.map((result) => {
    if (result.status === "fulfilled") return "admitted";
    if (!(result.reason instanceof Failure)) throw result.reason;
    return `${result.reason.reason} ${result.reason.metadata["limit"]} ${result.reason.retryAfterMs}`;
  });
}

test("one reservation is under way at a time and covers whoever waits", async () => {
  const { limit, asked, answer } = aLimit();
  const calls = [limit.take("payments")];
  calls.push(limit.take("payments"), limit.take("payments"));
  expect(asked).toEqual([1]);
  await answer(grant(1));
  expect(asked).toEqual([1, 2]);
  await answer(grant(2));
  expect(await ended(calls)).toEqual(["admitted", "admitted", "admitted"]);
});

test("a busy caller's reservations ask for calls to come, which then wait for nothing", async () => {
  const { limit, asked, answer, clock } = aLimit();
  const first = Array.from({ length: 8 }, () => limit.take("payments"));
  await answer(grant(1));
  await answer(grant(7));
  await ended(first);
  await clock.advance(10);
  const second = [limit.take("payments")];
  expect(asked.at(-1)).toBe(5);
  await answer(grant(5));
  second.push(limit.take("payments"), limit.take("payments"));
  expect(await ended(second)).toEqual(["admitted", "admitted", "admitted"]);
  expect(asked).toHaveLength(3);
});

test("what was granted is not handed out once its time is over", async () => {
  const { limit, asked, answer, clock } = aLimit();
  void limit.take("payments");
  await answer(grant(5));
  await clock.advance(75);
  const late = limit.take("payments");
  expect(asked).toHaveLength(2);
  await answer(grant(0, 400));
  expect(await ended([late])).toEqual(["RATE_LIMITED caller 400"]);
});

test("a call whose grant was heard of too late gets one that lives longer, and no refusal", async () => {
  const { limit, asked, extra, answer, clock } = aLimit();
  const call = limit.take("payments");
  await clock.advance(80);
  await answer(grant(1));
  expect(asked).toHaveLength(2);
  await clock.advance(100);
  await answer(grant(1));
  expect(await ended([call])).toEqual(["admitted"]);
  expect(extra).toEqual([0, 250]);
});

test("an exhausted caller is refused without asking until there may be more", async () => {
  const { limit, asked, answer, clock } = aLimit();
  const first = limit.take("payments");
  await answer(grant(0, 300));
  expect(await ended([first])).toEqual(["RATE_LIMITED caller 300"]);
  await clock.advance(299.5);
  expect(await ended([limit.take("payments")])).toEqual(["RATE_LIMITED caller 1"]);
  expect(asked).toHaveLength(1);
  await clock.advance(0.5);
  const later = limit.take("payments");
  await answer(grant(1));
  expect(await ended([later])).toEqual(["admitted"]);
});

test("a call given back is another one's, once", async () => {
  const { limit, asked, answer } = aLimit();
  const first = limit.take("payments");
  await answer(grant(1));
  const admission = await first;
  admission.giveBack();
  admission.giveBack();
  expect(await ended([limit.take("payments")])).toEqual(["admitted"]);
  void limit.take("payments");
  expect(asked).toHaveLength(2);
});

test("callers have limits of their own", async () => {
  const { limit, answer } = aLimit();
  const payments = limit.take("payments");
  await answer(grant(0, 300));
  await ended([payments]);
  const cards = limit.take("cards");
  await answer(grant(1));
  expect(await ended([cards])).toEqual(["admitted"]);
});

test("a reservation that fails fails who waited for it, and no one after", async () => {
  const { limit, answer } = aLimit();
  const first = limit.take("payments");
  await Promise.all([expect(first).rejects.toThrow("away"), answer(new Error("away"))]);
  const second = limit.take("payments");
  await answer(grant(1));
  expect(await ended([second])).toEqual(["admitted"]);
});

test("without a limit nothing is asked for", async () => {
  const { limit, asked } = aLimit(0);
  expect(await limit.take("payments")).toMatchObject({ until: undefined });
  expect(asked).toEqual([]);
});
