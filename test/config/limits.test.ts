import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { Environment } from "../../src/config/environment.ts";
import { readSignature } from "../../src/config/signature.ts";
import { receivesSms } from "../../src/domain/number-type.ts";

function read(variables: Record<string, string>, sandbox = false) {
  const env = new Environment({ SIGNATURE_ALLOWED_COUNTRIES: "*", ...variables });
  return { ...readSignature(env, sandbox), faults: env.faults };
}

test("limits and lockout have the documented defaults", () => {
  const config = read({});
  expect(config.faults).toEqual([]);
  expect(config.limits).toEqual({ customerPerMinute: 10, phonePer10Minutes: 10, callerPerSecond: 100 });
  expect(config.lockout).toEqual({
    ...{ failures: 5, windowMs: 3_600_000 },
    stepsMs: [900_000, 3_600_000, 86_400_000],
  });
  expect(config.pumping).toEqual({ guard: "alert", homeCountries: new Set() });
  expect(read({}, true).pumping.guard).toBe("off");
});

test("a guard that refuses needs the home countries, which it never refuses", () => {
  expect(read({ SIGNATURE_PUMPING_GUARD: "refuse" }).faults).toEqual([
    expect.stringContaining("SIGNATURE_HOME_COUNTRIES is required"),
  ]);
  const config = read({ SIGNATURE_PUMPING_GUARD: "refuse", SIGNATURE_HOME_COUNTRIES: "ES, PT" });
  expect(config.faults).toEqual([]);
  expect(config.pumping).toEqual({ guard: "refuse", homeCountries: new Set(["ES", "PT"]) });
  expect(read({ SIGNATURE_PUMPING_GUARD: "on" }).faults).toHaveLength(1);
});

test("allowed countries are required outside the sandbox", () => {
  expect(read({ SIGNATURE_ALLOWED_COUNTRIES: "" }).faults).toHaveLength(1);
  expect(read({ SIGNATURE_ALLOWED_COUNTRIES: "" }, true)).toMatchObject({
    allowedCountries: "*",
    faults: [],
  });
  expect(read({ SIGNATURE_ALLOWED_COUNTRIES: "ES,GB" }).allowedCountries).toEqual(new Set(["ES", "GB"]));
});

test.each(["UK", "es", "EU", "ZZ", "Spain", "*,ES", "ES,"])("the country code %s is a fault", (code) => {
  expect(read({ SIGNATURE_ALLOWED_COUNTRIES: `FR,${code}` }).faults).toHaveLength(1);
  expect(read({ SIGNATURE_HOME_COUNTRIES: `FR,${code}` }).faults).toHaveLength(1);
});

test("types of numbers are those that receive an SMS, unless named", () => {
  expect(read({}, true).allowedNumberTypes).toBe(receivesSms);
  expect(read({ SIGNATURE_ALLOWED_NUMBER_TYPES: "*" }, true).allowedNumberTypes).toBe("*");
  const named = read({ SIGNATURE_ALLOWED_NUMBER_TYPES: "mobile, voip" }, true);
  expect(named).toMatchObject({ allowedNumberTypes: new Set(["mobile", "voip"]), faults: [] });
  for (const value of ["", "cell", "mobile,*", "mobile,MOBILE"]) {
    expect(read({ SIGNATURE_ALLOWED_NUMBER_TYPES: value }, true).faults, value).toHaveLength(1);
  }
});

test("a budget of money needs prices, and prices are a country's or everybody's", () => {
  expect(read({}, true).budget).toMatchObject({
    limits: { messages: 0, micros: 0 },
    callerLimits: { messages: 0, micros: 0 },
  });
  expect(read({ SIGNATURE_BUDGET_COST_PER_DAY: "500" }, true).faults).toEqual([
    "SIGNATURE_BUDGET_COST_PER_DAY needs SIGNATURE_PRICES_FILE",
  ]);
  const folder = mkdtempSync(join(tmpdir(), "prices-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "prices.json");
  const withPrices = (document: unknown) => {
    writeFileSync(path, typeof document === "string" ? document : JSON.stringify(document));
    return read(
      {
        SIGNATURE_PRICES_FILE: path,
        SIGNATURE_BUDGET_MESSAGES_PER_DAY: "90000",
        SIGNATURE_BUDGET_CALLER_COST_PER_DAY: "12.5",
      },
      true,
    );
  };
  const prices = { currency: "EUR", providers: { twilio: { "*": 0.09, ES: 0.065 } } };
  expect(withPrices(prices)).toMatchObject({
    faults: [],
    budget: {
      limits: { messages: 90_000, micros: 0 },
      callerLimits: { messages: 0, micros: 12_500_000 },
      prices: { currency: "EUR", micros: { twilio: { "*": 90_000, ES: 65_000 } } },
    },
  });
  const faulty = withPrices({
    ...{ currency: "Euro", extra: 1 },
    providers: { twilio: { ES: 0.065 }, other: { "*": "free", UK: 1 } },
  });
  expect(
    faulty.faults.map((fault) => fault.replace("SIGNATURE_PRICES_FILE names a file whose ", "")),
  ).toEqual([
    "currency must be an ISO 4217 code",
    'key "extra" is not known',
    'providers.twilio must be an object of prices by country, with "*" for every other country',
    "providers.other.* must be a number from 0 to 1000",
    'providers.other has "UK", which is no ISO 3166-1 alpha-2 code',
  ]);
  expect(withPrices("{").faults).toEqual(["SIGNATURE_PRICES_FILE names a file that is not JSON"]);
  expect(withPrices(`"${"x".repeat(300_000)}"`).faults).toEqual([
    "SIGNATURE_PRICES_FILE names a file that is larger than 256 KiB",
  ]);
  rmSync(path);
  expect(read({ SIGNATURE_PRICES_FILE: path }, true).faults).toEqual([
    "SIGNATURE_PRICES_FILE names a file that cannot be read: check path and rights",
  ]);
});

test("lockouts grow by steps of which the first has a variable of its own", () => {
  const steps = (variables: Record<string, string>) => {
    const { faults, lockout } = read(variables, true);
    return faults.length > 0 ? faults : lockout.stepsMs;
  };
  expect(steps({ SIGNATURE_BLOCK_SECONDS: "60" })).toEqual([60_000, 3_600_000, 86_400_000]);
  expect(steps({ SIGNATURE_BLOCK_SECONDS: "7200" })).toEqual([7_200_000, 7_200_000, 86_400_000]);
  expect(steps({ SIGNATURE_LOCKOUT_STEPS: "1.5, 60" })).toEqual([1_500, 60_000]);
  for (const value of ["", "60,30", "0", "x", "60,", "1,2,3,4,5,6,7,8,9,10,11", "1e99"]) {
    expect(steps({ SIGNATURE_LOCKOUT_STEPS: value }), value).toEqual([
      expect.stringContaining("SIGNATURE_LOCKOUT_STEPS must be"),
    ]);
  }
  expect(steps({ SIGNATURE_LOCKOUT_STEPS: "60", SIGNATURE_BLOCK_SECONDS: "60" })).toEqual([
    expect.stringContaining("exclude each other"),
  ]);
});
