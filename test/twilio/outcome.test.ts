import { describe, expect, test } from "vitest";
import {
  verdictOfAnswer,
  verdictOfDeadMessage,
  verdictOfFailure,
  verdictOfUpkeep,
} from "../../src/twilio/outcome.ts";
import { TransportFailure, type TransportFault } from "../../src/twilio/transport.ts";

const date = "Sun, 22 Nov 2026 12:00:00 GMT";

function answer(status: number, body: string, headers: Record<string, string> = {}) {
  return { status, body, headers: { date, ...headers } };
}

function withCode(code: unknown): string {
  return JSON.stringify({ code, message: "…", more_info: "…", status: 400 });
}

describe("verdictOfAnswer", () => {
  test.each([
    21211, 21214, 21217, 21265, 21408, 21602, 21604, 21610, 21612, 21614, 21617, 21619, 21635, 30007,
  ])("400 with %i is about the message: rejected", (code) => {
    expect(verdictOfAnswer(answer(400, withCode(code)))).toEqual({
      outcome: "rejected",
      retryable: false,
      providerErrorCode: String(code),
    });
  });

  test.each([
    20003, 20005, 20006, 20008, 21212, 21267, 21603, 21606, 21608, 21609, 21611, 21624, 21659, 21660, 21661,
    21701, 21703, 21704, 21705, 30029, 30030, 90010, 99999,
  ])("400 with %i is ours, or unknown: certainly not taken, and not worth another call", (code) => {
    expect(verdictOfAnswer(answer(400, withCode(code)))).toEqual({
      outcome: "not_accepted",
      retryable: false,
      accountAtFault: true,
      providerErrorCode: String(code),
    });
  });

  test.each([
    [200, "", "unknown", true, "unreadable"],
    [201, "", "unknown", true, "unreadable"],
    [201, "<html>", "unknown", true, "unreadable"],
    [201, '{"sid":"S', "unknown", true, "unreadable"],
    [201, '{"code":21211}', "unknown", true, "unreadable"],
    [204, "", "unknown", true, "unreadable"],
    [301, "", "not_accepted", false, "http_301"],
    [307, "<html>", "not_accepted", false, "http_307"],
    [308, "", "not_accepted", false, "http_308"],
    [400, "<html>", "not_accepted", false, "http_400"],
    [400, "", "not_accepted", false, "http_400"],
    [400, withCode("21211"), "not_accepted", false, "http_400"],
    [400, withCode(-1), "not_accepted", false, "http_400"],
    [400, withCode(1e9), "not_accepted", false, "http_400"],
    [400, "null", "not_accepted", false, "http_400"],
    [403, withCode(20006), "not_accepted", false, "20006"],
    [403, "", "not_accepted", false, "http_403"],
    [404, withCode(20404), "not_accepted", false, "20404"],
    [403, withCode(21610), "rejected", false, "21610"],
    [405, withCode(20004), "not_accepted", false, "20004"],
    [408, "", "not_accepted", false, "http_408"],
    [422, "", "not_accepted", false, "http_422"],
    [429, withCode(20429), "not_accepted", true, "20429"],
    [429, "", "not_accepted", true, "http_429"],
    [500, withCode(20500), "unknown", true, "20500"],
    [502, "<html>", "unknown", true, "http_502"],
    [503, withCode(20503), "unknown", true, "20503"],
    [504, "", "unknown", true, "http_504"],
    [599, "", "unknown", true, "http_599"],
    [600, "", "unknown", true, "http_600"],
  ] as const)("%i with %s is %s", (status, body, outcome, retryable, providerErrorCode) => {
    const accountAtFault = outcome === "not_accepted" && !retryable;
    expect(verdictOfAnswer(answer(status, body))).toEqual({
      ...{ outcome, retryable, providerErrorCode },
      ...(accountAtFault && { accountAtFault }),
    });
  });

  test.each([
    ["", "http_401"],
    [withCode(20003), "20003"],
  ])("401 with %s refuses the credentials", (body, providerErrorCode) => {
    expect(verdictOfAnswer(answer(401, body))).toEqual({
      outcome: "not_accepted",
      retryable: false,
      accountAtFault: true,
      credentialsRefused: true,
      providerErrorCode,
    });
  });

  test.each([
    ["7", 7_000],
    [" 7 ", 7_000],
    ["0", 0],
    ["Sun, 22 Nov 2026 12:00:09 GMT", 9_000],
    ["Sun, 22 Nov 2026 11:59:00 GMT", 0],
    ["soon", undefined],
    ["-1", undefined],
    ["", undefined],
  ])("Retry-After %j is a wait of %s ms", (value, retryAfterMs) => {
    for (const status of [429, 503]) {
      const verdict = verdictOfAnswer(answer(status, "", { "retry-after": value }));
      expect(verdict.retryAfterMs).toBe(retryAfterMs);
    }
  });

  test("Retry-After says nothing where another call is no use", () => {
    expect(verdictOfAnswer(answer(400, "", { "retry-after": "7" }))).not.toHaveProperty("retryAfterMs");
  });

  test("a Retry-After date without a Date to count from is left alone", () => {
    const verdict = verdictOfAnswer({ status: 429, body: "", headers: { "retry-after": date } });
    expect(verdict).not.toHaveProperty("retryAfterMs");
  });
});

describe("verdictOfDeadMessage", () => {
  test.each([
    [30007, "rejected", false],
    [30006, "rejected", false],
    [30002, "not_accepted", true],
    [30034, "not_accepted", true],
    [30999, "not_accepted", true],
    [30008, "not_accepted", false],
    [undefined, "not_accepted", false],
  ] as const)("a 201 that calls the message failed with %s is %s", (code, outcome, accountAtFault) => {
    const verdict = verdictOfDeadMessage(code);
    expect(verdict).toMatchObject({ outcome, retryable: false, providerErrorCode: String(code ?? "other") });
    expect(verdict.accountAtFault ?? false).toBe(accountAtFault);
  });
});

describe("verdictOfUpkeep", () => {
  test("a 400 speaks of the message, whatever its code; everything else as ever", () => {
    expect(verdictOfUpkeep(answer(400, withCode(20422)))).toMatchObject({ outcome: "rejected" });
    expect(verdictOfUpkeep(answer(403, withCode(20006)))).toMatchObject({ outcome: "not_accepted" });
    expect(verdictOfUpkeep(answer(429, ""))).toMatchObject({ outcome: "not_accepted", retryable: true });
    expect(verdictOfUpkeep(answer(500, ""))).toMatchObject({ outcome: "unknown" });
  });
});

describe("verdictOfFailure", () => {
  test.each([
    ["connection", false, undefined, "not_accepted", true, "connection"],
    ["timeout", false, undefined, "not_accepted", true, "timeout"],
    ["connection", true, undefined, "unknown", true, "connection"],
    ["timeout", true, undefined, "unknown", true, "timeout"],
    ["unreadable", true, 201, "unknown", true, "unreadable"],
    ["timeout", true, 201, "unknown", true, "timeout"],
    ["unreadable", true, 307, "not_accepted", false, "http_307"],
    ["unreadable", true, 400, "not_accepted", false, "http_400"],
    ["timeout", true, 429, "not_accepted", true, "http_429"],
    ["unreadable", true, 500, "unknown", true, "http_500"],
  ] as const satisfies [TransportFault, boolean, number | undefined, string, boolean, string][])(
    "%s, written %s, status %s is %s",
    (fault, written, status, outcome, retryable, providerErrorCode) => {
      const verdict = verdictOfFailure(new TransportFailure(fault, written, status));
      const accountAtFault = outcome === "not_accepted" && !retryable;
      expect(verdict).toEqual({
        outcome,
        retryable,
        providerErrorCode,
        ...(accountAtFault && { accountAtFault }),
      });
    },
  );
});
