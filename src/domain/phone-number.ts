import { type CountryCode, isSupportedCountry, parsePhoneNumberFromString } from "libphonenumber-js/max";
import type { Faults } from "./faults.ts";
import { type NumberType, numberType } from "./number-type.ts";

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
 * of plans lag behind the numbers that operators hand out.
 */
export function parsePhoneNumber(faults: Faults, field: string, value: string): PhoneNumber | undefined {
  if (value === "") {
    faults.add(field, "is required");
    return undefined;
  }
  const parsed = form.test(value) ? parsePhoneNumberFromString(value) : undefined;
  if (parsed === undefined || parsed.number !== value || !parsed.isPossible()) {
    faults.add(field, "must be a phone number in E.164 form such as +34600000001");
    return undefined;
  }
  return {
    e164: value,
    countries: parsed.country === undefined ? parsed.getPossibleCountries() : [parsed.country],
    type: numberType(parsed),
    masked: maskPhoneNumber(value, parsed.countryCallingCode),
  };
}

/** Keeps the calling code and the last three digits, as GetSignature shows them. */
function maskPhoneNumber(e164: string, callingCode: string): string {
  return `+${callingCode} *** *** ${e164.slice(-3)}`;
}

/** True for the ISO 3166-1 alpha-2 codes that numbers are found in: GB, not UK, which no number would match. */
export function isCountry(code: string): boolean {
  return isSupportedCountry(code);
}
