import { describe, expect, test } from "vitest";
import { longestSettleMs } from "../../src/config/timing.ts";
import { readConfig } from "../../src/config.ts";

const live = {
  TWILIO_ACCOUNT_SID: `AC${"0".repeat(32)}`,
  TWILIO_AUTH_TOKEN: "token",
  TWILIO_FROM_NUMBER: "+34910000000",
  SIGNATURE_ALLOWED_COUNTRIES: "*",
};

/** What the configuration says against these variables. */
function faults(variables: Record<string, string>): string[] {
  try {
    readConfig({ ...live, ...variables });
    return [];
  } catch (error) {
    return (error as Error).message.split("\n").filter((line) => /[A-Z]+_[A-Z]+ is /.test(line));
  }
}

interface Pair {
  readonly pair: string;
  /** The variable that is moved over the border, and where that lies. */
  readonly name: string;
  readonly border: number;
  readonly step: number;
  /** Where it fits: from the border upwards, or down. */
  readonly fits: "from" | "to" | "below";
  readonly rest: Readonly<Record<string, string>>;
  /** Both values and the cure, as the message has them just over the border. */
  readonly says: readonly string[];
}

const patient = { TWILIO_BUDGET_SECONDS: "300" };

const pairs: readonly Pair[] = [
  {
    pair: "lease and settling pause",
    name: "SIGNATURE_LEASE_SECONDS",
    border: 36.5,
    step: 0.001,
    fits: "from",
    rest: { TWILIO_SETTLE_MS: "30000", ...patient },
    says: [
      "is 36.499",
      "at least 36.5",
      "TWILIO_SETTLE_MS (30000)",
      "TWILIO_TIMEOUT_SECONDS (5)",
      "raise the lease",
    ],
  },
  {
    pair: "settling pause and lease",
    name: "TWILIO_SETTLE_MS",
    border: 13_500,
    step: 1,
    fits: "to",
    rest: patient,
    says: ["SIGNATURE_LEASE_SECONDS is 20", "at least 20.001", "TWILIO_SETTLE_MS (13501)", "lower them"],
  },
  {
    pair: "lease and timeout",
    name: "SIGNATURE_LEASE_SECONDS",
    border: 6.5,
    step: 0.001,
    fits: "from",
    rest: { TWILIO_SETTLE_MS: "0", TWILIO_RETRY_DELAYS_MS: "" },
    says: ["is 6.499", "at least 6.5", "TWILIO_TIMEOUT_SECONDS (5)"],
  },
  {
    pair: "timeout and lease",
    name: "TWILIO_TIMEOUT_SECONDS",
    border: 15.5,
    step: 0.001,
    fits: "to",
    rest: patient,
    says: ["SIGNATURE_LEASE_SECONDS is 20", "at least 20.001", "TWILIO_TIMEOUT_SECONDS (15.501)"],
  },
  {
    pair: "lease and the longest wait between two calls",
    name: "SIGNATURE_LEASE_SECONDS",
    border: 37.5,
    step: 0.001,
    fits: "from",
    rest: { TWILIO_RETRY_DELAYS_MS: "10,30000,20", ...patient },
    says: ["is 37.499", "at least 37.5", "TWILIO_RETRY_DELAYS_MS (30000)", "2 s until"],
  },
  {
    pair: "lease and wait, where no rate is kept",
    name: "SIGNATURE_LEASE_SECONDS",
    border: 36.5,
    step: 0.001,
    fits: "from",
    rest: { TWILIO_RETRY_DELAYS_MS: "30000", TWILIO_MESSAGES_PER_SECOND: "0", ...patient },
    says: ["is 36.499", "at least 36.5", "1 s until"],
  },
  {
    pair: "lease and the life of a code",
    name: "SIGNATURE_LEASE_SECONDS",
    border: 261,
    step: 0.001,
    fits: "to",
    rest: {},
    says: [
      "is 261.001",
      "at most 261",
      "SIGNATURE_SWEEP_SECONDS (1)",
      "TWILIO_SETTLE_MS (2000)",
      "lower one",
    ],
  },
  {
    pair: "sweep and the life of a code",
    name: "SIGNATURE_SWEEP_SECONDS",
    border: 42,
    step: 0.001,
    fits: "to",
    rest: { SIGNATURE_LEASE_SECONDS: "220" },
    says: ["SIGNATURE_LEASE_SECONDS is 220", "at most 219.999", "SIGNATURE_SWEEP_SECONDS (42.001)"],
  },
  {
    pair: "budget and the waits between calls",
    name: "TWILIO_BUDGET_SECONDS",
    border: 3.5,
    step: 0.001,
    fits: "from",
    rest: { TWILIO_RETRY_UNKNOWN: "false" },
    says: ["is 3.499", "at least 3.5", "TWILIO_RETRY_DELAYS_MS are 3500 ms", "raise the budget"],
  },
  {
    pair: "budget, timeout and settling pause",
    name: "TWILIO_BUDGET_SECONDS",
    border: 7.5,
    step: 0.001,
    fits: "from",
    rest: {},
    says: [
      ...["is 7.499", "at least 7.5", "TWILIO_TIMEOUT_SECONDS (5)", "TWILIO_SETTLE_MS (2000)"],
      "TWILIO_RETRY_UNKNOWN=false",
    ],
  },
  {
    pair: "resend and the life of a code",
    name: "SIGNATURE_RESEND_SECONDS",
    border: 300,
    step: 0.001,
    fits: "below",
    rest: {},
    says: ["is 300", "less than 300", "SIGNATURE_RESEND_MAX (5) to 0"],
  },
  {
    pair: "breaker's calls and window",
    name: "TWILIO_BREAKER_MIN_CALLS",
    border: 100,
    step: 1,
    fits: "to",
    rest: {},
    says: ["is 101", "at most TWILIO_BREAKER_WINDOW_CALLS (100)", "lower it"],
  },
];

describe("settings that have to fit each other", () => {
  test("do so by default", () => {
    expect(faults({})).toEqual([]);
  });

  test.each(pairs)("$pair: at the border, and to one side of it only", (one) => {
    const { name, border, step, fits, rest, says } = one;
    const at = (value: number) => faults({ ...rest, [name]: String(Number(value.toFixed(3))) });
    const [under, on, over] = [at(border - step), at(border), at(border + step)];
    expect({ under: under.length, on: on.length, over: over.length }).toEqual({
      under: fits === "from" ? 1 : 0,
      on: fits === "below" ? 1 : 0,
      over: fits === "from" ? 0 : 1,
    });
    const [said] = fits === "from" ? under : fits === "below" ? on : over;
    for (const part of says) expect(said).toContain(part);
  });

  test("are not asked for where one of them is off", () => {
    expect(faults({ TWILIO_RETRY_DELAYS_MS: "", TWILIO_BUDGET_SECONDS: "0.1" })).toEqual([]);
    expect(faults({ SIGNATURE_RESEND_SECONDS: "600", SIGNATURE_RESEND_MAX: "0" })).toEqual([]);
    expect(faults({ SIGNATURE_BLOCK_FAILURES: "1", SIGNATURE_ATTEMPTS: "5" })).toEqual([]);
    expect(faults({ TWILIO_BREAKER_FAILURE_RATE: "0", TWILIO_BREAKER_MIN_CALLS: "500" })).toEqual([]);
  });

  test("are all named in one message", () => {
    expect(faults({ SIGNATURE_LEASE_SECONDS: "5", TWILIO_BUDGET_SECONDS: "1" })).toHaveLength(4);
  });
});

describe("the settling pause, where it follows what is measured", () => {
  const longest = (variables: Record<string, string> = {}) =>
    longestSettleMs(readConfig({ ...live, ...variables }));

  test("leaves the budget room for the retry after a time-out, and the lease for the look-up", () => {
    expect(longest()).toBe(8_500);
    expect(longest({ TWILIO_RETRY_UNKNOWN: "false" })).toBe(13_500);
    expect(longest({ TWILIO_BUDGET_SECONDS: "60" })).toBe(13_500);
    expect(longest({ TWILIO_BUDGET_SECONDS: "60", SIGNATURE_LEASE_SECONDS: "40" })).toBe(33_500);
    expect(longest({ TWILIO_SETTLE_MS: "9500" })).toBe(9_500);
  });

  test("fits the lease at its longest: the configuration takes the same pause as a setting", () => {
    for (const lease of ["10", "20", "40"]) {
      const variables = { SIGNATURE_LEASE_SECONDS: lease, TWILIO_BUDGET_SECONDS: "60" };
      expect(faults({ ...variables, TWILIO_SETTLE_MS: String(longest(variables)) })).toEqual([]);
    }
  });
});
