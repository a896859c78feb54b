import { measure, type SmsMeasure } from "./gsm7.ts";
import {
  BRAND_AND_HOST_MAX_UNITS,
  BRAND_MAX_UNITS,
  type MessageInput,
  PAYEE_MIN_UNITS,
  renderMessage,
  shownBrand,
  WEBOTP_HOST_MAX_UNITS,
} from "./message.ts";
import { type Language, languages, type MessageTemplates } from "./message-templates.ts";
import { MessageTexts } from "./message-texts.ts";

export interface Finding extends SmsMeasure {
  /** "es/payment", "en/operation/own-script", …, or "brand" and "webotp-host" for what is configured. */
  readonly template: string;
  readonly fault?: string;
}

export interface LintInput {
  readonly brand?: string | undefined;
  readonly webOtpHost?: string | undefined;
  readonly languages?: readonly Language[];
  readonly templates?: MessageTemplates;
}

// The widest that bounds allow: the largest amount in a currency of four minor digits, a name that never
// fits, an account, two-digit minutes.
const LARGEST_AMOUNT = {
  ...{ currencyCode: "UYW", units: 999_999_999_999n, nanos: 999_900_000, minorDigits: 4 },
  // India's groups of two are the most signs.
  pattern: "#,##,##0.0000",
};
const WORST = { code: "000000", payeeAccount: "W".repeat(34), description: "W".repeat(280), minutes: 10 };
const HOST = /^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]$/u;

/**
 * Renders every template with the worst plausible values, and says what each costs. A finding with a fault
 * means that messages would not be one GSM-7 segment that names the payee (two UCS-2 segments where the
 * payee is shown in its own script), or not as configured: the service must not start with it.
 */
export function lintTemplates(input: LintInput): Finding[] {
  return [
    ...lintSettings(input),
    ...(input.languages ?? languages).flatMap((one) => lintLanguage(one, input)),
  ];
}

function lintSettings({ brand, webOtpHost }: LintInput): Finding[] {
  const findings: Finding[] = [];
  if (brand !== undefined) findings.push(finding("brand", brand, brandFault(brand)));
  if (webOtpHost !== undefined) {
    findings.push(finding("webotp-host", webOtpHost, hostFault(webOtpHost, brand ?? "")));
  }
  return findings;
}

function brandFault(brand: string): string | undefined {
  if (brand !== "" && shownBrand(brand) === brand) return undefined;
  return `must be 1 to ${BRAND_MAX_UNITS} GSM-7 characters, without @, #, links, line breaks and six-digit numbers`;
}

function hostFault(host: string, brand: string): string | undefined {
  if (!HOST.test(host) || host.length > WEBOTP_HOST_MAX_UNITS) {
    return `must be a lower-case host name of at most ${WEBOTP_HOST_MAX_UNITS} characters`;
  }
  if (measure(brand).units + host.length <= BRAND_AND_HOST_MAX_UNITS) return undefined;
  return `brand and host together must not exceed ${BRAND_AND_HOST_MAX_UNITS} characters`;
}

function lintLanguage(language: Language, input: LintInput): Finding[] {
  const base = { ...WORST, locale: language, brand: input.brand, webOtpHost: input.webOtpHost };
  const lint = (name: string, values: Pick<MessageInput, "amount" | "payee">) => {
    const texts = new MessageTexts();
    const version = texts.of(texts.current);
    const { text } = renderMessage(
      { ...base, ...values },
      { ...version, templates: input.templates ?? version.templates },
    );
    return finding(`${language}/${name}`, text, messageFault(text, values.payee.charAt(0)));
  };
  return [
    lint("payment", { amount: LARGEST_AMOUNT, payee: "M".repeat(140) }),
    lint("operation", { payee: "M".repeat(140) }),
    lint("payment/own-script", { amount: LARGEST_AMOUNT, payee: "Ж".repeat(140) }),
    lint("operation/own-script", { payee: "Ж".repeat(140) }),
  ];
}

function messageFault(text: string, letter: string): string | undefined {
  const { segments, outside } = measure(text);
  const foreign = outside.filter((character) => character !== letter);
  if (foreign.length > 0) return `leaves GSM-7 with ${foreign.join(" ")}`;
  if (segments > (measure(letter).encoding === "GSM-7" ? 1 : 2)) return `takes ${segments} segments`;
  const payee = new RegExp(`${letter}{2,}(?:\\.{3})?`, "u").exec(text)?.[0] ?? "";
  if (payee.length >= PAYEE_MIN_UNITS) return undefined;
  return `leaves ${payee.length} characters for the payee, fewer than ${PAYEE_MIN_UNITS}`;
}

function finding(template: string, text: string, fault: string | undefined): Finding {
  return { template, ...measure(text), ...(fault !== undefined && { fault }) };
}
