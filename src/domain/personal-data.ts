import { holdsNumber } from "./hidden-numbers.ts";
import { folded, isCalling } from "./number-words.ts";

// A note on an abort stands in the timeline, in evidence and in events to callers for as long as they are kept, and
// nothing in it is ever removed: so it must not say whom it is about.

/** What is no person's: a day, a time of day, an id of ours, a ticket such as INC0012345. */
const impersonal =
  /\b(?:(?:19|20)\p{Nd}\p{Nd}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\p{Nd}|3[01])|(?:0?[1-9]|[12]\p{Nd}|3[01])[/.](?:0?[1-9]|1[0-2])[/.](?:19|20)\p{Nd}\p{Nd})\b|\b[0-2]?\p{Nd}:[0-5]\p{Nd}(?::[0-5]\p{Nd})?\b|\b[0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\b/giu;
const ticket = /\b([A-Z]{2,8})-?\p{Nd}{1,7}\b/gu;
const secret = /^(?:CODE|CODIGO|PIN|OTP|SMS|DNI|NIE|NIF|ID|PAN|CVV|CVC)$/;

const email = /[^\s@]\s?(?:@|[([{]\s?(?:at|arroba)\s?[)\]}])\s?[^\s@]/iu;
const iban = /\b[a-z]{2}\s?\p{Nd}{2}(?:[\s.-]?[a-z\p{Nd}]{1,4}){3,8}\b/giu;
const ibanDigits = 10;

/** The first of a person's data that a text holds; undefined where nothing reads as one. */
export function personalData(text: string): "an e-mail address" | "an IBAN" | "a number" | undefined {
  const plain = text.normalize("NFKC").replaceAll(/\p{Cf}/gu, "");
  if (email.test(plain)) return "an e-mail address";
  const undated = plain.replaceAll(impersonal, " ; ");
  for (const [found] of undated.matchAll(iban)) {
    if ((found.match(/\p{Nd}/gu)?.length ?? 0) >= ibanDigits) return "an IBAN";
  }
  const rest = undated.replaceAll(ticket, (found, letters: string) =>
    secret.test(letters) || isCalling(folded(letters)) ? found : " ; ",
  );
  return holdsNumber(rest) ? "a number" : undefined;
}
