import type { Language } from "./message-templates.ts";

// Signs and groups of an amount, as the reader's region writes them: "#.##0,00" in Spain, "#,##0.00" in Mexico,
// "#,##,##0.00" in India. CLDR, by Intl of the Node that composed the text, decides; the pattern then stands in the
// challenge's row, so that another Node makes the same text again. Digits are ASCII and the signs are in GSM-7.
// Thousands are always grouped, also where CLDR leaves four digits together (1250,50 in Spain): in "1.250,50" both
// signs show, and each says what the other is.

/** CLDR's no-break spaces and apostrophes in GSM-7; what stands for itself is not in it. */
const plainSigns: Readonly<Record<string, string>> = {
  "\u00a0": " ",
  "\u202f": " ",
  "\u2009": " ",
  "’": "'",
};
const knownSign = /^[.,' ]$/;

const most = 1000;
const signsOf = new Map<string, Signs>();

interface Signs {
  readonly group: string;
  readonly point: string;
  /** Digits of the groups left of the first. */
  readonly further: number;
}

/** @param locale a canonical BCP 47 tag, or "" for the language alone */
export function amountPattern(locale: string, language: Language, minorDigits: number): string {
  const { group, point, further } = signs(formatLocale(locale, language));
  const groups = further === 3 ? `#${group}` : `#${group}${"#".repeat(further)}${group}`;
  return `${groups}##0${minorDigits === 0 ? "" : point + "0".repeat(minorDigits)}`;
}

/** The first that CLDR knows: the locale's language and region, the text's language there, the text's language. */
function formatLocale(locale: string, language: Language): string {
  const { language: spoken, script, region } = new Intl.Locale(locale === "" ? language : locale);
  const tags = [
    [spoken, script, region],
    [spoken, region],
    [language, region],
  ].map((parts) => parts.filter((part) => part !== undefined).join("-"));
  return tags.find((tag) => Intl.NumberFormat.supportedLocalesOf(tag).length > 0) ?? language;
}

function signs(locale: string): Signs {
  let known = signsOf.get(locale);
  if (known === undefined) {
    known = readSigns(locale);
    // Callers name the locales: what is kept of them is bounded.
    if (signsOf.size >= most) signsOf.clear();
    signsOf.set(locale, known);
  }
  return known;
}

function readSigns(locale: string): Signs {
  const format = new Intl.NumberFormat(locale, {
    ...{ numberingSystem: "latn", useGrouping: "always", minimumFractionDigits: 1 },
  });
  const parts = format.formatToParts(123_456_789.5);
  const sign = (type: "group" | "decimal", other: string) => {
    const value = parts.find((part) => part.type === type)?.value ?? "";
    const plain = plainSigns[value] ?? value;
    return knownSign.test(plain) ? plain : other;
  };
  const point = sign("decimal", ".");
  const integers = parts.filter((part) => part.type === "integer");
  return {
    group: sign("group", point === "," ? "." : ","),
    point,
    further: integers.at(-2)?.value.length ?? 3,
  };
}

const form = /^#([.,' ])(#+\1)?##0(?:([.,])(0+))?$/;

/**
 * An amount after a pattern. It shows at least the pattern's decimals, and more where nanos hold more: an amount is
 * never rounded.
 */
export function formatAmount(pattern: string, units: bigint, nanos: number): string {
  const [, group = ",", further = "", point = group === "," ? "." : ",", zeros = ""] =
    form.exec(pattern) ?? [];
  const size = further === "" ? 3 : further.length - 1;
  const digits = units.toString();
  const first = digits.slice(-3);
  const groups: string[] = [];
  for (let end = digits.length - 3; end > 0; end -= size)
    groups.unshift(digits.slice(Math.max(0, end - size), end));
  const whole = [...groups, first].join(group);
  const exact = nanos.toString().padStart(9, "0");
  const fraction = exact.slice(0, Math.max(exact.replace(/0+$/u, "").length, zeros.length));
  return fraction === "" ? whole : `${whole}${point}${fraction}`;
}
