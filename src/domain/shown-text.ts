import { measure, toGsm7 } from "./gsm7.ts";
import { hideNumbers } from "./hidden-numbers.ts";
import { hideCodes, withoutLinks } from "./message-cleaning.ts";
import { mixesScripts } from "./scripts.ts";

/** A text from outside as it may stand in a message. */
export interface ShownText {
  readonly text: string;
  /** It is not in GSM-7. */
  readonly ownScript: boolean;
}

/**
 * A text from outside as messages of version 2 show it: in GSM-7 where no letter and no digit is lost, else as it is,
 * in UCS-2 (accents are dropped, "á" is "a"; a name is never shown with letters missing). Links, codes, telephone
 * numbers and amounts are hidden. Empty where neither letter nor digit is left.
 */
export function shownText(text: string): ShownText {
  const shown = hidden(plainText(text));
  return tells(shown)
    ? { text: shown, ownScript: measure(shown).encoding === "UCS-2" }
    : { text: "", ownScript: false };
}

/**
 * What a caller should know of a text: something is hidden in it or nothing of it can be shown, or its letters are of
 * scripts that do not mix.
 */
export function judgeText(text: string): { readonly altered: boolean; readonly mixedScripts: boolean } {
  const plain = plainText(text);
  const shown = hidden(plain);
  const lost = /\S/u.test(text) && !tells(shown);
  return { altered: shown !== plain || lost, mixedScripts: mixesScripts(text) };
}

function tells(shown: string): boolean {
  return /[\p{L}\p{N}]/u.test(shown);
}

/** In the script that it goes out in, without what is not to be seen. */
function plainText(text: string): string {
  const visible = text
    .normalize("NFKC")
    .replace(/[\p{Cc}\p{Z}\u2800]/gu, " ")
    .replace(/[\p{Cf}\p{Co}\p{Cs}\p{Cn}\p{Default_Ignorable_Code_Point}]/gu, "");
  return oneLine(losesLetters(visible) ? inOwnScript(visible) : toGsm7(visible));
}

function losesLetters(text: string): boolean {
  for (const [character] of text.matchAll(/(?![\0-\x7f])[\p{L}\p{Nd}]/gu)) {
    if (toGsm7(character) === "") return true;
  }
  return false;
}

/** Letters, their marks and digits as they are, and of all else only what GSM-7 has: no emoji, no odd digits. */
function inOwnScript(text: string): string {
  return text.replace(/[^\p{L}\p{M}\p{Nd}\0-\x7f]/gu, (sign) => toGsm7(sign) || " ");
}

function hidden(plain: string): string {
  const safe = oneLine(withoutLinks(plain.replace(/[@#]/gu, " ")));
  return oneLine(hideCodes(hideNumbers(safe)));
}

function oneLine(text: string): string {
  return text.replace(/\s+/gu, " ").trim();
}
