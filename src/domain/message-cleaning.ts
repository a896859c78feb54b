import { measure, toGsm7 } from "./gsm7.ts";

// Names and descriptions come from outside the bank and stand in a message the customer trusts. They must
// not be able to end a line, open a link, bind a code to a host (WebOTP reads @ and #) or pass for a code.

const ELLIPSIS = "...";
const LABEL = String.raw`[\p{L}\p{N}\p{M}-]`;
const DOT = "[.。｡]";
// No pattern may start again within what it has passed over: each begins where a run of its characters begins,
// else a run of n characters takes n² steps.
const URL_WITH_SCHEME = /(?:(?<![\p{L}\p{N}+.-])[\p{L}\p{N}+.-]+:)?\/\/+([^\s/?:]*)\S*/gu;
const DOMAIN_WITH_PATH = new RegExp(
  `(?<!${LABEL}${DOT}?)(${LABEL}+(?:${DOT}${LABEL}+)*${DOT}\\p{L}${LABEL}+)(?::\\d+)?[/?]\\S*`,
  "gu",
);
const DOT_BEFORE_TOP_LEVEL_DOMAIN = new RegExp(`${DOT}(?=\\p{L}${LABEL})`, "gu");
const IPV4_ADDRESS = /(?<!\d)\d+(?:\.\d+){3,}/gu;
const SIX_DIGITS = /(?<!\p{Nd})\p{Nd}{6}(?!\p{Nd})|(?<!\p{Nd}[ -]?)\p{Nd}{3}[ -]\p{Nd}{3}(?![ -]?\p{Nd})/gu;

/**
 * A text from outside as it may stand in a message: in GSM-7 where that tells as much, else in its own
 * script (NFKC). It is kept in its own script when GSM-7 lacks more than half of its letters, or would leave
 * neither letter nor digit: of "ООО Ромашка 24" the "24" alone would mislead, while "Li Ning 李宁" loses
 * nothing as "Li Ning". Empty when there is nothing to show.
 */
export function readable(text: string): { readonly text: string; readonly ownScript: boolean } {
  const transliterated = clean(toGsm7(text));
  const letters = text.normalize("NFKC").match(/\p{L}/gu) ?? [];
  const lost = letters.filter((letter) => letter > "\x7f" && toGsm7(letter) === "").length;
  if (lost * 2 <= letters.length && /[\p{L}\p{N}]/u.test(transliterated)) {
    return { text: transliterated, ownScript: false };
  }
  const own = clean(text.normalize("NFKC"));
  return { text: own, ownScript: measure(own).encoding === "UCS-2" };
}

/** Without controls, invisible characters, line breaks, @, # and links; white space is single. */
export function clean(text: string): string {
  const plain = text
    .replace(/[\p{Cc}\p{Z}\u2800@#]/gu, " ")
    .replace(/[\p{Cf}\p{Co}\p{Cs}\p{Cn}\p{Default_Ignorable_Code_Point}]/gu, "");
  return hideCodes(withoutLinks(plain).replace(/ +/gu, " ").trim());
}

/**
 * Scheme, path and port go, the dots of the host become spaces: nothing is left to tap, yet "Booking.com"
 * is still to be recognised. "S.L." is no domain and stays.
 */
export function withoutLinks(text: string): string {
  return text
    .replace(URL_WITH_SCHEME, (_, host: string) => ` ${host.replace(/[.。｡]/gu, " ")} `)
    .replace(DOMAIN_WITH_PATH, "$1 ")
    .replace(/www\./giu, " ")
    .replace(DOT_BEFORE_TOP_LEVEL_DOMAIN, " ")
    .replace(IPV4_ADDRESS, (address) => address.replaceAll(".", " "));
}

/**
 * A number of six digits ("123456", "123-456") is shown as "..3456", as accounts are: "123456 es tu codigo"
 * must not make the customer, or the phone's autofill, take it for the code. Longer and shorter numbers stay.
 */
export function hideCodes(text: string): string {
  return text.replace(
    SIX_DIGITS,
    (number) =>
      `..${number
        .match(/\p{Nd}/gu)
        ?.slice(-4)
        .join("")}`,
  );
}

/**
 * Cuts to a number of units (septets; UTF-16 units where the text is outside GSM-7), the closing "..."
 * included, never within a character and its marks, nor within a number while something is left before it.
 */
export function cutTo(text: string, units: number): string {
  const size = measure(text);
  if (size.units <= units) return text;
  let kept = "";
  let used = ELLIPSIS.length;
  for (const piece of text.match(/.\p{M}*/gsu) ?? []) {
    used += size.encoding === "GSM-7" ? measure(piece).units : piece.length;
    if (used > units) break;
    kept += piece;
  }
  if (/^\p{Nd}/u.test(text.slice(kept.length))) {
    const before = kept.replace(/(?<!\p{Nd})\p{Nd}+$/u, "");
    if (/[\p{L}\p{N}].*\P{Nd}$/su.test(before)) kept = before;
  }
  kept = hideCodes(kept.replace(/(?<![\s.,;:(-])[\s.,;:(-]+$/u, ""));
  return kept === "" ? "" : `${kept}${ELLIPSIS}`;
}
