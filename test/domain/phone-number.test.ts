import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Faults } from "../../src/domain/faults.ts";
import { parsePhoneNumber } from "../../src/domain/phone-number.ts";
import { faultsOf } from "../support/domain.ts";

const parse = (value: string) => parsePhoneNumber(new Faults(), "phone_number", value);

describe("a phone number", () => {
  test.each([
    ["+34600000001", ["ES"], "+34 *** *** 001"],
    ["+12025550123", ["US"], "+1 *** *** 123"],
    ["+14165550123", ["CA"], "+1 *** *** 123"],
    ["+79161234567", ["RU"], "+7 *** *** 567"],
    ["+77011234567", ["KZ"], "+7 *** *** 567"],
    ["+447624123456", ["IM"], "+44 *** *** 456"],
    ["+262692123456", ["RE"], "+262 *** *** 456"],
  ])("%s is in %j and shows as %s", (value, countries, masked) => {
    expect(parse(value)).toMatchObject({ e164: value, countries, masked });
  });

  test("of a plan that shares its calling code may be in each of its countries", () => {
    expect(parse("+447700900123")?.countries).toEqual(expect.arrayContaining(["GB", "GG", "IM", "JE"]));
    expect(parse("+15555550123")?.countries).toEqual(expect.arrayContaining(["US", "CA", "JM"]));
    expect(parse("+70001234567")?.countries).toEqual(expect.arrayContaining(["RU", "KZ"]));
  });

  test("of no country is in none", () => {
    expect(parse("+80012345678")?.countries).toEqual([]);
  });

  test("is not checked against the number plan, whose tables lag", () => {
    // No range of Spain begins with 0 or 1, and none of the UK's mobiles with 70.
    expect(parse("+34000000001")).toBeDefined();
    expect(parse("+34100000001")).toBeDefined();
    expect(parse("+447000000001")).toBeDefined();
  });

  test.each([
    ["one digit short for Spain", "+3460000000"],
    ["one digit long for Spain", "+346000000011"],
    ["one digit short for the United States", "+1202555012"],
    ["one digit long for the United States", "+120255501234"],
    ["one digit short for France", "+3361234567"],
    ["one digit long for France", "+336123456789"],
    ["sixteen digits", "+4915112345678901"],
    ["a calling code that nobody has", "+999123456789"],
    ["a calling code that begins with 0", "+0346000000"],
    ["a national number", "600000001"],
    ["the prefix 00", "0034600000001"],
    ["blanks", "+34 600 000 001"],
    ["dashes", "+34-600-000-001"],
    ["letters", "+3460000000A"],
    ["an extension", "+34600000001;ext=5"],
    ["the form tel:", "tel:+34600000001"],
    ["digits of another script", "+٣٤٦٠٠٠٠٠٠٠١"],
    ["a full-width plus", "＋34600000001"],
    ["two numbers", "+34600000001+34600000002"],
    ["a line break at the end", "+34600000001\n"],
    ["a national prefix inside", "+4407911123456"],
    ["a plus alone", "+"],
  ])("is refused with %s", (_, value) => {
    expect(faultsOf((faults) => parsePhoneNumber(faults, "phone_number", value))).toEqual([
      { field: "phone_number", description: "must be a phone number in E.164 form such as +34600000001" },
    ]);
  });

  test("is required", () => {
    expect(faultsOf((faults) => parsePhoneNumber(faults, "phone_number", ""))).toEqual([
      { field: "phone_number", description: "is required" },
    ]);
  });

  test("is never shown beyond its calling code and last three digits, nor in a fault", () => {
    const digits = fc.integer({ min: 0, max: 999_999_999 }).map((n) => String(n).padStart(9, "0"));
    fc.assert(
      fc.property(digits, fc.constantFrom("+34", "+1", "+44"), (national, code) => {
        const value = `${code}${national}`;
        const number = parse(value);
        if (number !== undefined) expect(number.masked).toBe(`${code} *** *** ${value.slice(-3)}`);
        for (const fault of faultsOf((faults) => parsePhoneNumber(faults, "phone_number", value))) {
          expect(JSON.stringify(fault)).not.toContain(national);
        }
      }),
    );
  });
});
