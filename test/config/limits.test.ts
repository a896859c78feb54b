import { expect, test } from "vitest";
import { Environment } from "../../src/config/environment.ts";
import { readSignature } from "../../src/config/signature.ts";
import { receivesSms } from "../../src/domain/number-type.ts";

function read(variables: Record<string, string>, sandbox = false) {
  const env = new Environment({ SIGNATURE_ALLOWED_COUNTRIES: "*", ...variables });
  return { ...readSignature(env, sandbox), faults: env.faults };
}

test("limits and block have the documented defaults", () => {
  const config = read({});
  expect(config.faults).toEqual([]);
  expect(config.limits).toEqual({ customerPerMinute: 10, phonePer10Minutes: 10, callerPerSecond: 100 });
  expect(config.block).toEqual({ failures: 5, windowMs: 3_600_000, blockMs: 900_000 });
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
