import {
  type PhoneNumber as ParsedNumber,
  type NumberType as PlanType,
  parsePhoneNumberFromString,
} from "libphonenumber-js/max";

/**
 * What kind of line a number is, by the number plans of libphonenumber. `unassigned-mobile` is in no plan, but stands
 * among mobile numbers: operators hand out such numbers before the tables know them. `unknown` is in no plan at all.
 */
export const numberTypes = [
  "mobile",
  "fixed-line-or-mobile",
  "unassigned-mobile",
  "fixed-line",
  "voip",
  "personal-number",
  "premium-rate",
  "shared-cost",
  "toll-free",
  "pager",
  "uan",
  "voicemail",
  "unknown",
] as const;
export type NumberType = (typeof numberTypes)[number];

/**
 * The types that an SMS reaches at its usual price. Of the others some cannot receive one (landlines, pagers), and some
 * pay their owner for each (premium rate, shared cost, UK 070 personal numbers): GSMA's IRSF lists are made of them.
 */
export const receivesSms: ReadonlySet<NumberType> = new Set([
  "mobile",
  "fixed-line-or-mobile",
  "unassigned-mobile",
]);

const named: Readonly<Record<Exclude<PlanType, undefined>, NumberType>> = {
  MOBILE: "mobile",
  FIXED_LINE_OR_MOBILE: "fixed-line-or-mobile",
  FIXED_LINE: "fixed-line",
  VOIP: "voip",
  PERSONAL_NUMBER: "personal-number",
  PREMIUM_RATE: "premium-rate",
  SHARED_COST: "shared-cost",
  TOLL_FREE: "toll-free",
  PAGER: "pager",
  UAN: "uan",
  VOICEMAIL: "voicemail",
};

/** @param parsed a number of a possible length for its country */
export function numberType(parsed: ParsedNumber): NumberType {
  const type = parsed.getType();
  if (type !== undefined) return named[type];
  return isMobileRange(parsed.countryCallingCode, parsed.nationalNumber) ? "unassigned-mobile" : "unknown";
}

/** Numbers that are tried of a range, spread evenly over it. */
const samples = 25;
/** A range is a mobile one where half of them are: single blocks among landlines do not make one. */
const mobileShare = 0.5;

const ranges = new Map<string, boolean>();

/** Whether most numbers with these first two digits and this length are mobile ones. */
function isMobileRange(callingCode: string, national: string): boolean {
  const [first, restDigits] = [national.slice(0, 2), national.length - 2];
  // At most 100 ranges of some ten lengths for each of the world's 240 calling codes.
  const range = `${callingCode} ${first} ${restDigits}`;
  let mobile = ranges.get(range);
  if (mobile === undefined) {
    const step = 10 ** restDigits / samples;
    let found = 0;
    for (let n = 0; n < samples; n += 1) {
      const rest = String(Math.floor((n + 0.5) * step)).padStart(restDigits, "0");
      if (parsePhoneNumberFromString(`+${callingCode}${first}${rest}`)?.getType() === "MOBILE") found += 1;
    }
    mobile = found >= samples * mobileShare;
    ranges.set(range, mobile);
  }
  return mobile;
}
