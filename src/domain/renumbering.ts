import { type PhoneNumber, parsePhoneNumberFromString } from "libphonenumber-js/max";

/** Old forms that have one new form: digits were added or dropped, and nobody else got what they were. */
const rewritten: readonly (readonly [old: RegExp, now: string])[] = [
  // Mexico, 2019: the 1 after the calling code, which mobiles had, is gone.
  [/^\+521(\d{10})$/, "+52$1"],
  // Brazil, 2012 to 2016: mobiles got a 9 after the area code. 7 stays, where trunked radio has eight digits.
  [/^\+55(\d\d)([689]\d{7})$/, "+55$19$2"],
  // Benin, 2024: 01 before every number.
  [/^\+229(\d{8})$/, "+22901$1"],
  // Mauritius, 2013, and Ecuador, 2012: a digit before every mobile.
  [/^\+230([79]\d{6})$/, "+2305$1"],
  [/^\+593([89]\d{7})$/, "+5939$1"],
];

/** Old forms whose new one depends on the operator, and what is wrong with them. */
const outdated: readonly (readonly [old: RegExp, fault: string])[] = [
  [/^\+225\d{8}$/, "has the eight digits of before 2021: numbers of Ivory Coast have ten"],
  [
    /^\+841(?:2\d|6[2-9]|8[68]|99)\d{7}$/,
    "has the prefix of before 2018: mobiles of Vietnam have nine digits",
  ],
  [/^\+237\d{8}$/, "has the eight digits of before 2014: numbers of Cameroon have nine"],
];

/**
 * The number in today's form: without a trunk prefix after the calling code (+44 07911 123456), with Argentina's 15
 * as the 9 that it is from abroad, and renumbered. The same where that leads to no number.
 */
export function renumbered(e164: string): PhoneNumber | undefined {
  const asWritten = parsePhoneNumberFromString(e164);
  const [old, now] = rewritten.find(([form]) => form.test(e164)) ?? [];
  if (old === undefined || now === undefined) return withoutTrunkPrefix(e164, asWritten);
  // What is in a plan as it is was not renumbered.
  if (asWritten?.isValid()) return asWritten;
  const today = parsePhoneNumberFromString(e164.replace(old, now));
  return today?.isValid() || (today?.isPossible() && !asWritten?.isPossible()) ? today : asWritten;
}

function withoutTrunkPrefix(e164: string, parsed: PhoneNumber | undefined): PhoneNumber | undefined {
  return parsed?.number === e164 || parsed?.isValid() ? parsed : undefined;
}

/** What is wrong with a number that was valid once; undefined where that is not known. */
export function outdatedFault(e164: string): string | undefined {
  return outdated.find(([form]) => form.test(e164))?.[1];
}
