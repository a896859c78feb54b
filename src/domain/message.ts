import { GSM7_SEGMENT_UNITS, measure, type SmsEncoding, toGsm7 } from "./gsm7.ts";
import { clean, cutTo } from "./message-cleaning.ts";
import { type Language, languageOf, type MessageAmount, type MessageTemplate } from "./message-templates.ts";
import type { TextVersion } from "./message-texts.ts";
import type { ShownText } from "./shown-text.ts";

/** Limits, in septets. Within them every message whose payee is readable in GSM-7 is one segment. */
export const BRAND_MAX_UNITS = 20;
export const WEBOTP_HOST_MAX_UNITS = 40;
/** Together they must leave PAYEE_MIN_UNITS beside the largest amount. */
export const BRAND_AND_HOST_MAX_UNITS = 50;
export const PAYEE_MIN_UNITS = 16;
/** A longer name is cut even where there is room, so that it cannot tell a story of its own. */
export const PAYEE_MAX_UNITS = 40;
export const DESCRIPTION_MAX_UNITS = 40;
/** Less room than this is not worth a cut description. */
const DESCRIPTION_MIN_UNITS = 10;

export const MASKED_CODE = "******";

export interface MessageInput {
  /** BCP 47. */
  readonly locale: string;
  /** Where the locale's language has no template; "es" unless given. */
  readonly defaultLanguage?: Language | undefined;
  /** Six digits. */
  readonly code: string;
  readonly amount?: MessageAmount | undefined;
  readonly payee: string;
  readonly payeeAccount?: string | undefined;
  readonly description?: string | undefined;
  /** The life of the code, counted from the challenge's creation, so that each rendering is the same. */
  readonly minutes: number;
  readonly brand?: string | undefined;
  readonly webOtpHost?: string | undefined;
}

export interface RenderedMessage {
  readonly text: string;
  readonly encoding: SmsEncoding;
  readonly segments: number;
}

interface Layout {
  readonly segments: number;
  readonly warning: boolean;
  readonly autofill: boolean;
}

// Tried in this order until the whole payee fits; in the last one the payee is cut.
const GSM7_LAYOUTS: readonly Layout[] = [
  { segments: 1, warning: true, autofill: true },
  { segments: 1, warning: false, autofill: true },
];
const UCS2_LAYOUTS: readonly Layout[] = [
  ...GSM7_LAYOUTS,
  { segments: 2, warning: true, autofill: true },
  { segments: 2, warning: false, autofill: true },
  { segments: 2, warning: false, autofill: false },
];

/**
 * The text of a challenge, a pure function of its input: brand, code, amount, payee, last four of the
 * account, minutes, and the autofill line where a host is given. One GSM-7 segment; where the payee is shown
 * in its own script, UCS-2 in one segment or two. When room is short the description goes first, then the
 * warning, then the end of the payee's name (and in UCS-2, before it, the autofill line).
 */
export function renderMessage(input: MessageInput, version: TextVersion): RenderedMessage {
  const template = version.templates[languageOf(input.locale, input.defaultLanguage ?? "es")];
  const payee = cutTo(version.readable(input.payee).text, PAYEE_MAX_UNITS) || template.namelessPayee;
  const compose = composer(input, template);
  const layout = layoutsFor(compose(payee, GSM7_LAYOUTS[0]!)).find((candidate) =>
    fits(compose(payee, candidate), candidate),
  );
  if (layout === undefined) return rendered(withCutPayee(payee, compose));
  const text = compose(payee, layout);
  if (!layout.warning) return rendered(text);
  return rendered(withDescription(text, version.readable(input.description ?? ""), payee, layout, compose));
}

/** The text with the code starred out, the same for every code: what digests of the text are made of. */
export function maskCode(text: string, code: string): string {
  // Digits around it make it another number: only the code itself ever stands alone.
  return text.replace(new RegExp(`(?<!\\p{Nd})${code}(?!\\p{Nd})`, "gu"), MASKED_CODE);
}

type Compose = (payee: string, layout: Layout, description?: string) => string;

function composer(input: MessageInput, template: MessageTemplate): Compose {
  const brand = shownBrand(input.brand ?? "");
  const account = lastFour(input.payeeAccount ?? "");
  const amount = input.amount && template.amount(input.amount);
  const autofill = input.webOtpHost ? autofillLine(input.webOtpHost, input.code) : "";
  return (payee, layout, description = "") => {
    const name = leftToRight(payee);
    const statement =
      (brand && `${brand}: `) +
      (amount === undefined
        ? template.operation(input.code, name)
        : template.payment(input.code, amount, name)) +
      (account && ` (..${account})`) +
      (description && `: ${description}`);
    const sentence = statement.endsWith(".") ? statement : `${statement}.`;
    const warning = layout.warning ? ` ${template.warning}` : "";
    return `${sentence} ${template.validity(input.minutes)}${warning}${layout.autofill ? autofill : ""}`;
  };
}

function layoutsFor(text: string): readonly Layout[] {
  return measure(text).encoding === "GSM-7" ? GSM7_LAYOUTS : UCS2_LAYOUTS;
}

function fits(text: string, layout: Layout): boolean {
  const { encoding, segments } = measure(text);
  return segments <= (encoding === "GSM-7" ? 1 : layout.segments);
}

function withCutPayee(payee: string, compose: Compose): string {
  const layout = layoutsFor(compose(payee, GSM7_LAYOUTS[0]!)).at(-1)!;
  for (let room = measure(payee).units - 1; room > 0; room -= 1) {
    const text = compose(cutTo(payee, room), layout);
    if (fits(text, layout)) return text;
  }
  return compose("", layout);
}

/** The description is shown only in GSM-7, and only as far as the one segment has room. */
function withDescription(
  text: string,
  shown: ShownText,
  payee: string,
  layout: Layout,
  compose: Compose,
): string {
  const size = measure(text);
  if (shown.text === "" || shown.ownScript || size.encoding !== "GSM-7") return text;
  const room = Math.min(DESCRIPTION_MAX_UNITS, GSM7_SEGMENT_UNITS - size.units - ": ".length);
  if (measure(shown.text).units > room && room < DESCRIPTION_MIN_UNITS) return text;
  const longer = compose(payee, layout, cutTo(shown.text, room));
  return fits(longer, layout) ? longer : text;
}

/** The brand as messages show it; a configured brand that differs from this is refused at start. */
export function shownBrand(brand: string): string {
  return cutTo(clean(toGsm7(brand)), BRAND_MAX_UNITS);
}

/** Origin-bound one-time code (WICG sms-one-time-codes): the last line, nothing before @ or after the code. */
function autofillLine(host: string, code: string): string {
  return `\n@${host} #${code}`;
}

function lastFour(account: string): string {
  return account.replace(/[^0-9A-Za-z]/gu, "").slice(-4);
}

/** A left-to-right mark keeps the account and the minutes in order behind a right-to-left name. */
function leftToRight(name: string): string {
  return /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u.test(name)
    ? `${name}\u200e`
    : name;
}

function rendered(text: string): RenderedMessage {
  const { encoding, segments } = measure(text);
  return { text, encoding, segments };
}
