import { formatAmount } from "./amount-pattern.ts";

// The wording of a challenge, per language. It stays within GSM-7 (no á í ó ú: "operacion") and is neutral
// about the type of transaction, which is free text.

export const languages = ["es", "en"] as const;
export type Language = (typeof languages)[number];

/** Not negative, units below 10^12; nanos are billionths of a unit; minorDigits as in ISO 4217. */
export interface MessageAmount {
  readonly currencyCode: string;
  readonly units: bigint;
  readonly nanos: number;
  readonly minorDigits: number;
  /** See amount-pattern.ts; "" in texts of version 1. */
  readonly pattern: string;
}

export interface MessageTemplate {
  readonly payment: (code: string, amount: string, payee: string) => string;
  /** Where nothing is paid. */
  readonly operation: (code: string, payee: string) => string;
  readonly validity: (minutes: number) => string;
  readonly warning: string;
  /** Stands for a payee of whom cleaning leaves nothing. */
  readonly namelessPayee: string;
  readonly amount: (amount: MessageAmount) => string;
}

export type MessageTemplates = Readonly<Record<Language, MessageTemplate>>;

/** Of version 1: amounts are written after the language alone. */
export const firstTemplates: MessageTemplates = {
  es: {
    payment: (code, amount, payee) => `${code} firma el pago de ${amount} a ${payee}`,
    operation: (code, payee) => `${code} firma la operacion con ${payee}`,
    validity: (minutes) => `Caduca en ${minutes} min.`,
    warning: "No lo compartas.",
    namelessPayee: "(sin nombre)",
    amount: (amount) => `${decimal(amount, ".", ",")} ${amount.currencyCode}`,
  },
  en: {
    payment: (code, amount, payee) => `${code} signs the payment of ${amount} to ${payee}`,
    operation: (code, payee) => `${code} signs the transaction with ${payee}`,
    validity: (minutes) => `Valid ${minutes} min.`,
    warning: "Do not share it.",
    namelessPayee: "(no name)",
    amount: (amount) => `${amount.currencyCode} ${decimal(amount, ",", ".")}`,
  },
};

/** Of version 2: amounts are written after the region. */
export const messageTemplates: MessageTemplates = {
  es: { ...firstTemplates.es, amount: (amount) => `${byPattern(amount)} ${amount.currencyCode}` },
  en: { ...firstTemplates.en, amount: (amount) => `${amount.currencyCode} ${byPattern(amount)}` },
};

/** The language of a BCP 47 tag by its primary subtag, or the fallback where there is no template for it. */
export function languageOf(locale: string, fallback: Language): Language {
  const primary = locale.split(/[-_]/u, 1)[0]?.toLowerCase();
  return languages.find((language) => language === primary) ?? fallback;
}

function byPattern({ pattern, units, nanos }: MessageAmount): string {
  return formatAmount(pattern, units, nanos);
}

/** Shows at least the minor digits, and more where nanos hold more: an amount is never rounded. */
function decimal(amount: MessageAmount, group: string, point: string): string {
  const whole = amount.units.toString().replace(/\B(?=(?:\d{3})+$)/gu, group);
  const nanos = amount.nanos.toString().padStart(9, "0");
  const significant = nanos.replace(/0+$/u, "").length;
  const fraction = nanos.slice(0, Math.max(significant, amount.minorDigits));
  return fraction === "" ? whole : `${whole}${point}${fraction}`;
}
