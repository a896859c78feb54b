import { describe, expect, test } from "vitest";
import { Faults } from "../../src/domain/faults.ts";
import { type NumberType, receivesSms } from "../../src/domain/number-type.ts";
import { parsePhoneNumber } from "../../src/domain/phone-number.ts";
import { checkNumberType } from "../../src/domain/routing.ts";
import { failureOf } from "../support/domain.ts";

function number(e164: string) {
  const parsed = parsePhoneNumber(new Faults(), "phone_number", e164);
  if (parsed === undefined) throw new Error(`${e164} is no phone number`);
  return parsed;
}

describe("the type of a number", () => {
  test.each<[e164: string, type: NumberType]>([
    ["+34600000001", "mobile"],
    ["+34712345678", "mobile"],
    ["+447400123456", "mobile"],
    ["+351912345678", "mobile"],
    ["+12025550123", "fixed-line-or-mobile"],
    // In no plan, among mobile numbers: Ofcom's numbers for drama.
    ["+447700900123", "unassigned-mobile"],
    ["+34911234567", "fixed-line"],
    ["+34803123456", "premium-rate"],
    ["+34806123456", "premium-rate"],
    ["+34905123456", "unknown"],
    ["+34511234567", "uan"],
    ["+34000000000", "unknown"],
    ["+34799123456", "unknown"],
    ["+34700123456", "personal-number"],
    ["+447012345678", "personal-number"],
    ["+448712345678", "premium-rate"],
    ["+449012345678", "premium-rate"],
    ["+18005551212", "toll-free"],
    ["+8821612345678", "voip"],
  ])("%s: %s", (e164, type) => {
    expect(number(e164).type).toBe(type);
  });
});

describe("the types that messages may go to", () => {
  test("are those that receive an SMS at its usual price, unless configured", async () => {
    for (const e164 of ["+34600000001", "+12025550123", "+447700900123"]) {
      checkNumberType(receivesSms, number(e164));
    }
    for (const e164 of ["+34803123456", "+34905123456", "+34911234567", "+34511234567", "+34000000000"]) {
      const refused = await failureOf(() => checkNumberType(receivesSms, number(e164)));
      expect(refused).toMatchObject({ reason: "DESTINATION_NOT_ALLOWED" });
      expect(refused.metadata["number_type"]).toBe(number(e164).type);
      expect(refused.message).not.toContain(e164);
      checkNumberType("*", number(e164));
    }
  });
});
