import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { amountPattern } from "../../src/domain/amount-pattern.ts";
import { measure } from "../../src/domain/gsm7.ts";
import { canonicalLocale } from "../../src/domain/locale.ts";
import {
  BRAND_AND_HOST_MAX_UNITS,
  type MessageInput as Input,
  MASKED_CODE,
  maskCode,
  renderMessage as renderVersion,
  shownBrand,
} from "../../src/domain/message.ts";
import { languageOf, languages } from "../../src/domain/message-templates.ts";
import { MessageTexts } from "../../src/domain/message-texts.ts";
import { hostileText, link } from "../support/hostile-text.ts";

type MessageInput = Omit<Input, "amount"> & {
  readonly amount?: Omit<NonNullable<Input["amount"]>, "pattern"> | undefined;
};
const texts = new MessageTexts();

/** In the newest version, with the amount as the locale writes it. */
function renderMessage({ amount, ...values }: MessageInput) {
  const language = languageOf(values.locale, values.defaultLanguage ?? "es");
  const pattern = amount && amountPattern(canonicalLocale(values.locale) ?? "", language, amount.minorDigits);
  const input = { ...values, ...(amount && pattern && { amount: { ...amount, pattern } }) };
  return renderVersion(input, texts.of(texts.current));
}

const amount = { currencyCode: "EUR", units: 1250n, nanos: 0, minorDigits: 2 };
const input: MessageInput = {
  locale: "es-ES",
  code: "482913",
  amount,
  payee: "ACME SL",
  payeeAccount: "ES91 2100 0418 4502 0005 1332",
  minutes: 3,
  brand: "Banco X",
};
const text = (changes: Partial<MessageInput>) => renderMessage({ ...input, ...changes }).text;

describe("renderMessage", () => {
  test("shows brand, code, amount, payee, the account's last four and the minutes in Spanish", () => {
    expect(renderMessage(input)).toEqual({
      text: "Banco X: 482913 firma el pago de 1.250,00 EUR a ACME SL (..1332). Caduca en 3 min. No lo compartas.",
      encoding: "GSM-7",
      segments: 1,
    });
  });

  test("shows the same in English", () => {
    expect(text({ locale: "en" })).toBe(
      "Banco X: 482913 signs the payment of EUR 1,250.00 to ACME SL (..1332). Valid 3 min. Do not share it.",
    );
  });

  test("speaks of the operation where nothing is paid", () => {
    const unpaid = { amount: undefined, payeeAccount: "", brand: undefined };
    expect(text(unpaid)).toBe("482913 firma la operacion con ACME SL. Caduca en 3 min. No lo compartas.");
    expect(text({ ...unpaid, locale: "en" })).toBe(
      "482913 signs the transaction with ACME SL. Valid 3 min. Do not share it.",
    );
  });

  test.each([
    ["es", "firma"],
    ["es-MX", "firma"],
    ["EN-gb", "signs"],
    ["en_US", "signs"],
    ["ca", "firma"],
    ["", "firma"],
    ["esx", "firma"],
  ])("chooses the language of locale %j", (locale, verb) => {
    expect(text({ locale })).toContain(` ${verb} `);
  });

  test("falls back to the configured language", () => {
    expect(text({ locale: "ca", defaultLanguage: "en" })).toContain(" signs ");
    expect(text({ locale: "es", defaultLanguage: "en" })).toContain(" firma ");
  });

  test("ends with the autofill line, one space and no line feed after it", () => {
    expect(text({ webOtpHost: "bancox.es" })).toMatch(/No lo compartas\.\n@bancox\.es #482913$/);
  });

  test("shows the description as far as there is room", () => {
    expect(text({ description: "Factura 2024/118" })).toContain(
      "a ACME SL (..1332): Factura 2024/118. Caduca",
    );
    expect(text({ description: "Cuota de la comunidad de propietarios de mayo" })).toContain(
      "a ACME SL (..1332): Cuota de la comunidad de propietarios... Caduca",
    );
    const long = { payee: "P".repeat(40), description: "Cuota de la comunidad", webOtpHost: "banco.es" };
    expect(text(long)).not.toContain("Cuota");
    expect(text({ description: "Счёт за май" })).toBe(text({}));
  });

  test("gives up the warning before the end of the payee's name", () => {
    const payee = "Comunidad de Propietarios Gran Via 12345";
    const shown = text({ payee, webOtpHost: "particulares.bancox.es", brand: "Banco Extremo" });
    expect(shown).toContain(payee);
    expect(shown).not.toContain("No lo compartas");
  });

  test("cuts a payee of more than forty characters, visibly", () => {
    expect(text({ payee: "x".repeat(41) })).toContain(` a ${"x".repeat(37)}... (..1332). Caduca`);
  });

  test("sends a payee in another script as UCS-2 and says so", () => {
    expect(renderMessage({ ...input, payee: "ООО Ромашка 24" })).toMatchObject({
      text: expect.stringContaining("a ООО Ромашка 24 (..1332)"),
      encoding: "UCS-2",
      segments: 2,
    });
    const short = renderMessage({ ...input, payee: "北京公司", brand: undefined });
    expect(short).toMatchObject({ encoding: "UCS-2", segments: 1 });
  });

  test("gives up the autofill line where a UCS-2 message would need a third segment", () => {
    const long = { payee: "Ж".repeat(30), webOtpHost: "particulares.bancox.es" };
    expect(text(long)).toContain(`a ${"Ж".repeat(30)} (..1332)`);
    expect(text(long)).not.toContain("@");
    expect(text({ ...long, payee: "Ж" })).toContain("\n@particulares.bancox.es #482913");
  });

  test("is one segment also where the cut takes away what lay outside GSM-7", () => {
    const largest = { ...amount, units: 999_999_999_999n };
    const payee = `${"{".repeat(34)}${"北".repeat(20)}`;
    expect(renderMessage({ ...input, brand: "B".repeat(20), amount: largest, payee })).toMatchObject({
      encoding: "GSM-7",
      segments: 1,
    });
  });

  test("keeps what follows a right-to-left name in order", () => {
    expect(text({ payee: "شركة" })).toContain("شركة\u200e (..1332)");
  });

  test("says so where the payee has nothing to show", () => {
    expect(text({ payee: "@\u202e#" })).toContain(" a (sin nombre) (..1332)");
  });

  test("does not double the full stop of a name that ends with one", () => {
    expect(text({ payee: "ACME S.L.", payeeAccount: "" })).toContain("a ACME S.L. Caduca en 3 min.");
  });

  test.each([
    [{ currencyCode: "EUR", units: 0n, nanos: 0, minorDigits: 2 }, "0,00 EUR", "EUR 0.00"],
    [{ currencyCode: "EUR", units: 12n, nanos: 500_000_000, minorDigits: 2 }, "12,50 EUR", "EUR 12.50"],
    [{ currencyCode: "EUR", units: 0n, nanos: 10_000_000, minorDigits: 2 }, "0,01 EUR", "EUR 0.01"],
    [{ currencyCode: "JPY", units: 1_234_567n, nanos: 0, minorDigits: 0 }, "1.234.567 JPY", "JPY 1,234,567"],
    [{ currencyCode: "KWD", units: 1n, nanos: 1_000_000, minorDigits: 3 }, "1,001 KWD", "KWD 1.001"],
    [
      { currencyCode: "EUR", units: 999_999_999_999n, nanos: 990_000_000, minorDigits: 2 },
      "999.999.999.999,99 EUR",
      "EUR 999,999,999,999.99",
    ],
    [{ currencyCode: "JPY", units: 1n, nanos: 5_000_000, minorDigits: 0 }, "1,005 JPY", "JPY 1.005"],
  ])("writes the amount %o as %s and %s", (money, es, en) => {
    expect(text({ amount: money })).toContain(` de ${es} a ACME`);
    expect(text({ amount: money, locale: "en" })).toContain(` of ${en} to ACME`);
  });
});

describe("maskCode", () => {
  test("stars the code out in the text and in the autofill line", () => {
    const masked = maskCode(text({ webOtpHost: "bancox.es" }), "482913");
    expect(masked).toContain("Banco X: ****** firma");
    expect(masked).toMatch(/#\*{6}$/);
    expect(masked).not.toContain("482913");
  });

  test("leaves a longer number that holds the same digits, which says nothing about the code", () => {
    expect(maskCode("482913 a 14829137", "482913")).toBe("****** a 14829137");
  });
});

const code = fc.oneof(
  fc.constant("482913"),
  fc.integer({ min: 0, max: 999_999 }).map((n) => String(n).padStart(6, "0")),
);
const money = fc.record({
  currencyCode: fc.constantFrom("EUR", "JPY", "KWD", "UYW"),
  minorDigits: fc.integer({ min: 0, max: 4 }),
  units: fc.bigInt({ min: 0n, max: 999_999_999_999n }),
  minor: fc.integer({ min: 0, max: 9999 }),
});
const anyAmount = money.map(({ minor, ...rest }) => ({
  ...rest,
  nanos: (minor % 10 ** rest.minorDigits) * 10 ** (9 - rest.minorDigits),
}));
const host = fc.integer({ min: 4, max: 30 }).map((length) => "banco.es".padStart(length, "x"));
const anyInput: fc.Arbitrary<MessageInput> = fc.record(
  {
    locale: fc.constantFrom("es", "en", "fr"),
    code,
    amount: anyAmount,
    payee: hostileText,
    payeeAccount: fc.oneof(
      fc.string({ unit: "binary", maxLength: 34 }),
      fc.constant("ES9121000418450200051332"),
    ),
    description: hostileText,
    minutes: fc.integer({ min: 1, max: 10 }),
    brand: hostileText,
    webOtpHost: host,
  },
  { requiredKeys: ["locale", "code", "payee", "minutes"] },
);

// "1.000.000.000" looks like an address to the pattern of links.
function shownAmount({ locale, amount: money }: MessageInput): string {
  if (money === undefined) return "";
  const language = languageOf(locale, "es");
  const pattern = amountPattern(canonicalLocale(locale) ?? "", language, money.minorDigits);
  return texts.of(texts.current).templates[language].amount({ ...money, pattern });
}

describe("any message", () => {
  test("is one GSM-7 segment, or one or two of UCS-2 that are reported", () => {
    fc.assert(
      fc.property(anyInput, (values) => {
        const message = renderMessage(values);
        const size = measure(message.text);
        expect(message).toMatchObject({ encoding: size.encoding, segments: size.segments });
        expect(size.segments).toBeLessThanOrEqual(size.encoding === "GSM-7" ? 1 : 2);
      }),
      { numRuns: 500 },
    );
  });

  test("begins with brand and code, and has a second line for autofill only", () => {
    fc.assert(
      fc.property(anyInput, (values) => {
        const [body = "", ...rest] = renderMessage(values).text.split(/[\r\n\u2028\u2029\u0085]/u);
        const brand = shownBrand(values.brand ?? "");
        expect(body.startsWith(brand ? `${brand}: ${values.code} ` : `${values.code} `)).toBe(true);
        expect(body).toContain(` ${values.minutes} min.`);
        expect(body).not.toMatch(/[@#]/);
        expect(body.replace(shownAmount(values), "")).not.toMatch(link);
        expect(rest.every((line) => line === `@${values.webOtpHost} #${values.code}`)).toBe(true);
        expect(rest.length).toBeLessThanOrEqual(values.webOtpHost === undefined ? 0 : 1);
      }),
      { numRuns: 500 },
    );
  });

  test("is the same each time it is rendered", () => {
    fc.assert(
      fc.property(anyInput, (values) => {
        expect(renderMessage(values)).toEqual(renderMessage({ ...values }));
      }),
    );
  });

  test("tells nothing of the code once masked, whatever the payee holds", () => {
    fc.assert(
      fc.property(anyInput, (values) => {
        const masked = renderMessage({ ...values, code: MASKED_CODE }).text;
        expect(maskCode(renderMessage(values).text, values.code)).toBe(masked);
      }),
      { numRuns: 500 },
    );
  });
});

test("brand and host at their common limit leave room for the payee", () => {
  const widest = {
    brand: "B".repeat(20),
    webOtpHost: "h".repeat(BRAND_AND_HOST_MAX_UNITS - 20),
    minutes: 10,
  };
  const largest = { currencyCode: "UYW", units: 999_999_999_999n, nanos: 999_900_000, minorDigits: 4 };
  for (const locale of languages) {
    const message = renderMessage({ ...input, ...widest, locale, amount: largest, payee: "P".repeat(140) });
    expect(message).toMatchObject({ encoding: "GSM-7", segments: 1 });
    expect(message.text).toMatch(/ P{13,}\.\.\. \(\.\.1332\)/);
  }
});
