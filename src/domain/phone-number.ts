import { type CountryCode, isSupportedCountry, validatePhoneNumberLength } from "libphonenumber-js/max";
import type { Channel } from "./challenge.ts";
import type { Faults } from "./faults.ts";
import { type NumberType, numberType } from "./number-type.ts";
import { outdatedFault, renumbered } from "./renumbering.ts";

export interface PhoneNumber {
  readonly e164: string;
  /** ISO 3166-1 alpha-2 of every country that the number may be in; several where they share a calling code. */
  readonly countries: readonly CountryCode[];
  readonly type: NumberType;
  /** What may be shown and logged, e.g. "+34 *** *** 001". */
  readonly masked: string;
}

const form = /^\+[1-9]\d{6,14}$/;

/**
 * Checks a number by form (E.164) and by the lengths of its country, not by number plan: the tables
 * of plans lag behind the numbers that operators hand out. A number that has only one reading is taken in today's
 * form (see renumbering.ts): limits, blocks and the comparison of repeated requests know that one alone.
 */
export function parsePhoneNumber(faults: Faults, field: string, value: string): PhoneNumber | undefined {
  if (value === "") {
    faults.add(field, "is required");
    return undefined;
  }
  if (!form.test(value)) {
    faults.add(field, "must be a phone number in E.164 form such as +34600000001");
    return undefined;
  }
  const number = renumbered(value);
  const fault = outdatedFault(value) ?? (number?.isPossible() ? undefined : lengthFault(value));
  if (number === undefined || fault !== undefined) {
    faults.add(field, fault ?? "has a trunk prefix after its calling code, and no number follows");
    return undefined;
  }
  return {
    e164: number.number,
    countries: number.country === undefined ? number.getPossibleCountries() : [number.country],
    type: numberType(number),
    masked: maskPhoneNumber(number.number, number.countryCallingCode),
  };
}

function lengthFault(value: string): string {
  switch (validatePhoneNumberLength(value)) {
    case "INVALID_COUNTRY":
    case "NOT_A_NUMBER":
      return "must begin with a country's calling code";
    case "TOO_SHORT":
      return "has too few digits for its country";
    case "TOO_LONG":
      return "has too many digits for its country";
    default:
      return "has a number of digits that its country does not use";
  }
}

/**
 * In Argentina the 9 after +54 tells a mobile number from a fixed line, and a message without it does not arrive.
 * Which of the two was meant cannot be seen, so it is not added.
 */
export function refuseUnreachable(
  faults: Faults,
  field: string,
  number: PhoneNumber,
  channel: Channel | undefined,
): void {
  if (channel !== "voice" && /^\+54[^9]/.test(number.e164)) {
    faults.add(field, "is a fixed line of Argentina: mobile numbers have a 9 after +54");
  }
}

/** Keeps the calling code and the last three digits, as GetSignature shows them. */
function maskPhoneNumber(e164: string, callingCode: string): string {
  return `+${callingCode} *** *** ${e164.slice(-3)}`;
}

/** True for the ISO 3166-1 alpha-2 codes that numbers are found in: GB, not UK, which no number would match. */
export function isCountry(code: string): boolean {
  return isSupportedCountry(code);
}
