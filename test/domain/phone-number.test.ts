import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Faults } from "../../src/domain/faults.ts";
import { parsePhoneNumber, refuseUnreachable } from "../../src/domain/phone-number.ts";
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
    ["sixteen digits", "+4915112345678901"],
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
    ["a plus alone", "+"],
  ])("is refused with %s", (_, value) => {
    expect(faultsOf((faults) => parsePhoneNumber(faults, "phone_number", value))).toEqual([
      { field: "phone_number", description: "must be a phone number in E.164 form such as +34600000001" },
    ]);
  });

  test.each([
    ["one digit short for Spain", "+3460000000", "has too few digits for its country"],
    ["one digit long for Spain", "+346000000011", "has too many digits for its country"],
    ["one digit short for the United States", "+1202555012", "has too few digits for its country"],
    ["one digit long for the United States", "+120255501234", "has too many digits for its country"],
    ["one digit short for France", "+3361234567", "has too few digits for its country"],
    ["one digit long for France", "+336123456789", "has too many digits for its country"],
    ["a calling code that nobody has", "+999123456789", "must begin with a country's calling code"],
    [
      "the eight digits of Ivory Coast",
      "+22507123456",
      "has the eight digits of before 2021: numbers of Ivory Coast have ten",
    ],
    [
      "an old prefix of Vietnam",
      "+841201234567",
      "has the prefix of before 2018: mobiles of Vietnam have nine digits",
    ],
    [
      "the eight digits of Cameroon",
      "+23777123456",
      "has the eight digits of before 2014: numbers of Cameroon have nine",
    ],
    ["a trunk prefix and no number", "+910987654321", "has a number of digits that its country does not use"],
  ])("is told apart with %s", (_, value, description) => {
    expect(faultsOf((faults) => parsePhoneNumber(faults, "phone_number", value))).toEqual([
      { field: "phone_number", description },
    ]);
  });

  test.each([
    ["Mexico's mobile 1, dropped in 2019", "+5215512345678", "+525512345678"],
    ["Argentina's 15", "+54111512345678", "+5491112345678"],
    ["Brazil's mobile of eight digits", "+551181234567", "+5511981234567"],
    ["Benin's eight digits", "+22997123456", "+2290197123456"],
    ["Mauritius' mobile of seven digits", "+2307123456", "+23057123456"],
    ["Ecuador's mobile of eight digits", "+59398765432", "+593998765432"],
    ["the United Kingdom's trunk 0", "+4407911123456", "+447911123456"],
    ["Russia's trunk 8", "+789161234567", "+79161234567"],
    ["Hungary's trunk 06", "+3606201234567", "+36201234567"],
  ])("with %s is taken in today's form", (_, value, e164) => {
    expect(parse(value)).toEqual({ ...parse(e164), e164 });
  });

  test.each([
    ["of Brazil's trunked radio", "+551171234567"],
    ["of a Brazilian fixed line", "+551131234567"],
    ["of Mexico today", "+525512345678"],
    ["of Benin today", "+2290197123456"],
    ["of Italy, whose 0 belongs to it", "+390612345678"],
  ])("%s stays as it is", (_, value) => {
    expect(parse(value)?.e164).toBe(value);
  });

  test("without Argentina's 9 is refused where a message goes to it, and called where a call does", () => {
    const faultsBy = (channel: "sms" | "voice" | undefined, value: string) =>
      faultsOf((faults) => refuseUnreachable(faults, "phone_number", parse(value)!, channel));
    const fault = {
      field: "phone_number",
      description: "is a fixed line of Argentina: mobile numbers have a 9 after +54",
    };
    expect(faultsBy(undefined, "+541123456789")).toEqual([fault]);
    expect(faultsBy("sms", "+541123456789")).toEqual([fault]);
    expect(faultsBy("voice", "+541123456789")).toEqual([]);
    expect(faultsBy("sms", "+5491123456789")).toEqual([]);
  });

  test("in today's form is read as itself", () => {
    const digits = fc.integer({ min: 0, max: 99_999_999_999 }).map(String);
    fc.assert(
      fc.property(digits, fc.constantFrom("+52", "+54", "+55", "+229", "+44", "+7"), (national, code) => {
        const once = parse(`${code}${national}`);
        if (once !== undefined) expect(parse(once.e164)).toEqual(once);
      }),
      { numRuns: 300 },
    );
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
