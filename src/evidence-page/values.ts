import type { Language, Words } from "./words.ts";

// Values of a pack as people read them. A pack is a text from outside: what cannot be seen in it is made visible.

/** Characters without a shape of their own (directions, zero widths, controls) as their code points. */
export function visible(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu,
    (sign) =>
      sign === "\n" ? sign : `⟨U+${sign.codePointAt(0)?.toString(16).toUpperCase().padStart(4, "0")}⟩`,
  );
}

export function timeIn(language: Language, time: string): string {
  const form = new Intl.DateTimeFormat(language === "en" ? "en-GB" : "es-ES", {
    ...({ dateStyle: "long", timeStyle: "medium", timeZone: "UTC" } as const),
  });
  return `${form.format(new Date(time))} UTC`;
}

interface PackedAmount {
  readonly currency_code: string;
  readonly units: string;
  readonly nanos: string;
}

/** Exact: from decimal strings, never through a float. */
export function amountIn(language: Language, amount: unknown): string {
  const { currency_code: code, units, nanos } = (amount ?? {}) as Partial<PackedAmount>;
  const isWhole = /^-?\d{1,19}$/.test(String(units)) && /^-?\d{1,9}$/.test(String(nanos));
  if (!isWhole || !/^[A-Z]{3}$/.test(String(code))) return visible(JSON.stringify(amount));
  const sign = `${units}${nanos}`.includes("-") ? "-" : "";
  const digits = (part: unknown) => String(part).replace("-", "");
  const decimal = `${sign}${digits(units)}.${digits(nanos).padStart(9, "0")}` as `${number}`;
  const locale = language === "en" ? "en-GB" : "es-ES";
  const form = { style: "currency", currency: String(code), currencyDisplay: "code" } as const;
  return new Intl.NumberFormat(locale, { ...form, maximumFractionDigits: 9 }).format(decimal);
}

export function statusIn(words: Words, status: string): string {
  if (status === "failed") return words.failedStatus;
  return wordFor(words, ["completed", "expired", "aborted", "pending", "challenge_sent"], status);
}

export function messageStatusIn(words: Words, status: string): string {
  // Of a message it says that its challenge was answered, which the signature's own result tells.
  if (status === "failed") return words.failedStatus;
  return wordFor(
    words,
    ["completed", "pending", "sent", "delivered", "superseded", "cancelled", "expired"],
    status,
  );
}

export function wordFor(words: Words, known: readonly (keyof Words)[], value: string): string {
  return known.some((word) => word === value) ? words[value as keyof Words] : visible(value);
}
