import { once } from "node:events";
import { parsePhoneNumber } from "libphonenumber-js/max";
import { describe, expect, it } from "vitest";
import { magicNumbers } from "../../src/sandbox/magic-numbers.ts";
import { ManualTimers } from "../support/manual-timers.ts";
import { create, startTwilio } from "../support/twilio-sandbox.ts";

const longEnough = 60_000;

type Expected = {
  /** What the first call gets: a status, or how it fails. */
  answer: number | "hangs" | "breaks";
  code?: number;
  /** Messages that the first call leaves behind. */
  accepted: number;
  status?: string;
  errorCode?: number;
  /** What a second call with the same text gets, where that differs. */
  again?: number | "hangs" | "breaks";
};

const delivered = { accepted: 1, status: "delivered" };
const refusedWith = (code: number): Expected => ({ answer: 400, code, accepted: 0 });
const lostWith = (status: string, errorCode: number): Expected => ({
  answer: 201,
  accepted: 1,
  status,
  errorCode,
});

const expected: Record<string, Expected> = {
  "9003": lostWith("undelivered", 30003),
  "9005": lostWith("undelivered", 30005),
  "9006": lostWith("undelivered", 30006),
  "9007": lostWith("failed", 30007),
  "9034": lostWith("undelivered", 30034),
  "9036": lostWith("failed", 30036),
  "9211": refusedWith(21211),
  "9408": refusedWith(21408),
  "9610": refusedWith(21610),
  "9612": refusedWith(21612),
  "9614": refusedWith(21614),
  "9635": refusedWith(21635),
  "9267": refusedWith(21267),
  "9606": refusedWith(21606),
  "9611": refusedWith(21611),
  "9659": refusedWith(21659),
  "9660": refusedWith(21660),
  "9661": refusedWith(21661),
  "9704": refusedWith(21704),
  "9010": refusedWith(90010),
  "9307": { answer: 307, accepted: 0 },
  "9401": { answer: 401, code: 20003, accepted: 0 },
  "9429": { answer: 429, code: 20429, accepted: 0 },
  "9430": { answer: 429, code: 20429, accepted: 0, again: 201 },
  "9500": { answer: 500, code: 20500, accepted: 0 },
  "9501": { answer: 500, code: 20500, ...delivered },
  "9502": { answer: 502, accepted: 0 },
  "9503": { answer: 503, code: 20503, accepted: 0 },
  "9700": { answer: 201, ...delivered },
  "9710": { answer: "hangs", accepted: 0 },
  "9711": { answer: "hangs", ...delivered },
  "9712": { answer: "hangs", ...delivered, again: 201 },
  "9720": { answer: "breaks", accepted: 0 },
  "9721": { answer: "breaks", ...delivered },
  "9731": { answer: "breaks", ...delivered },
  "9741": { answer: 201, ...delivered },
  "9751": { answer: 201, ...delivered },
  "9810": { answer: 201, ...delivered },
  "9820": { answer: 201, ...delivered },
  "9830": { answer: 201, ...delivered },
  "9840": { answer: 201, ...delivered },
  "9841": { answer: 201, accepted: 1, status: "sent" },
  "9850": { answer: "hangs", ...delivered, again: 201 },
  "9860": { answer: "hangs", ...delivered, again: 201 },
};

/** A call seen to its end, with time moved on while it waits. */
async function outcomeOf(double: Awaited<ReturnType<typeof startTwilio>>, time: ManualTimers, to: string) {
  const settled = once(double, "answered");
  const called = once(double, "call");
  const controller = new AbortController();
  const outcome = create(double, to, {}, controller.signal).then(
    ({ status, text }) => ({ answer: status, text }),
    () => ({ answer: controller.signal.aborted ? ("hangs" as const) : ("breaks" as const), text: "" }),
  );
  await called;
  time.advance(longEnough);
  const [{ answer }] = await settled;
  if (answer.status === "none") controller.abort();
  const seen = await outcome;
  time.advance(longEnough);
  return seen;
}

describe("magic numbers", () => {
  it("are all tried here", () => {
    expect(magicNumbers.map(({ suffix }) => suffix).sort()).toEqual(Object.keys(expected).sort());
  });

  it.each(magicNumbers.map(({ suffix, meaning }) => [suffix, meaning] as const))(
    "…%s: %s",
    async (suffix, meaning) => {
      const time = new ManualTimers();
      await using double = await startTwilio({ timers: time, clock: time.now });
      const to = `+3460000${suffix}`;
      const wanted = expected[suffix]!;
      const seen = await outcomeOf(double, time, to);

      expect(seen.answer).toBe(wanted.answer);
      if (wanted.code !== undefined) {
        expect(JSON.parse(seen.text).code).toBe(wanted.code);
        expect(meaning).toContain(wanted.answer === 400 ? String(wanted.code) : String(wanted.answer));
      }
      expect(double.messages).toHaveLength(wanted.accepted);
      if (wanted.accepted === 1) {
        expect(double.messages).toMatchObject([
          { status: wanted.status, errorCode: wanted.errorCode ?? null },
        ]);
      }
      expect((await outcomeOf(double, time, to)).answer).toBe(wanted.again ?? wanted.answer);
    },
  );

  it("start over with another text, as the first call of another signature", async () => {
    const time = new ManualTimers();
    await using double = await startTwilio({ timers: time, clock: time.now });
    const status = async (body: string) => (await create(double, "+34600009430", { Body: body })).status;

    expect([await status("one"), await status("one"), await status("two"), await status("two")]).toEqual([
      429, 201, 429, 201,
    ]);
  });

  it("are possible numbers in their country", () => {
    for (const { suffix } of magicNumbers) {
      for (const number of [`+3460000${suffix}`, `+44770090${suffix}`, `+1415555${suffix}`]) {
        expect(parsePhoneNumber(number).isPossible()).toBe(true);
      }
    }
  });

  it("leave +34600000001 to +34600000099 alone, and all numbers when switched off", async () => {
    await using double = await startTwilio();
    for (const last of ["01", "42", "99"]) {
      expect((await create(double, `+346000000${last}`)).status).toBe(201);
    }
    double.behaviour.magicNumbers = false;
    expect((await create(double, "+34600009500")).status).toBe(201);
  });

  it("drip 16 bytes every 200 ms, longer than a patient caller's 5 s", async () => {
    const time = new ManualTimers();
    await using double = await startTwilio({ timers: time, clock: time.now });
    const answered = once(double, "answered");
    const response = create(double, "+34600009751").then(() => "complete");
    await answered;
    time.advance(5_000);
    expect(await Promise.race([response, Promise.resolve("open")])).toBe("open");
    time.advance(15_000);
    expect(await response).toBe("complete");
  });
});
