import { describe, expect, test } from "vitest";
import { Faults } from "../../src/domain/faults.ts";
import { parsePhoneNumber } from "../../src/domain/phone-number.ts";
import { checkDestination, chooseRoute } from "../../src/domain/routing.ts";
import { failureOf } from "../support/domain.ts";

const sms = { channel: "sms", provider: "twilio" } as const;
const voice = { channel: "voice", provider: "other" } as const;

function isAllowed(allowed: string, value: string): boolean {
  const number = parsePhoneNumber(new Faults(), "phone_number", value);
  if (number === undefined) throw new Error(`${value} is no phone number`);
  try {
    checkDestination(allowed === "*" ? "*" : new Set(allowed.split(",")), number);
    return true;
  } catch (error) {
    expect(error).toMatchObject({ reason: "DESTINATION_NOT_ALLOWED" });
    return false;
  }
}

describe("the route of a challenge", () => {
  test("is the channel that was asked for, else the first there is", () => {
    expect(chooseRoute([sms, voice], undefined)).toBe(sms);
    expect(chooseRoute([sms, voice], "voice")).toBe(voice);
  });

  test("that nobody serves is CHANNEL_UNAVAILABLE", async () => {
    expect(await failureOf(() => chooseRoute([sms], "push"))).toMatchObject({
      reason: "CHANNEL_UNAVAILABLE",
    });
    expect(await failureOf(() => chooseRoute([], undefined))).toMatchObject({
      reason: "CHANNEL_UNAVAILABLE",
    });
  });
});

describe("the countries that messages may go to", () => {
  test.each<[allowed: string, number: string, expected: boolean]>([
    ["*", "+34600000001", true],
    ["*", "+80012345678", true],
    ["ES", "+34600000001", true],
    ["ES,PT", "+351912345678", true],
    ["ES", "+33612345678", false],
    ["ES", "+80012345678", false],
    // +1: a number of one country, and one that may be in any of the plan.
    ["US", "+12025550123", true],
    ["US", "+14165550123", false],
    ["US", "+18765550123", false],
    ["US,CA", "+14165550123", true],
    ["US", "+15555550123", false],
    ["US,CA", "+15555550123", false],
    // +7
    ["RU", "+79161234567", true],
    ["RU", "+77011234567", false],
    ["KZ", "+77011234567", true],
    ["RU", "+70001234567", false],
    ["RU,KZ", "+70001234567", true],
    // +44
    ["GB", "+447400123456", true],
    ["GB", "+447624123456", false],
    ["GB", "+447797123456", false],
    ["GB", "+447700900123", false],
    ["GB,GG,IM,JE", "+447700900123", true],
  ])("%s: %s is allowed: %s", (allowed, number, expected) => {
    expect(isAllowed(allowed, number)).toBe(expected);
  });

  test("an empty list allows nothing", () => {
    expect(isAllowed("", "+34600000001")).toBe(false);
  });
});
