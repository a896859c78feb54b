import type { MessageInput } from "../../src/domain/message.ts";

// What the texts of each version are held to: names, amounts and settings in which a changed word, sign or rule shows.

const payees = [
  ...[
    "ACME SL",
    "Panadería Núñez, S.L.",
    "Construcciones J. García S.A.U.",
    "ACME\u200b\u202eSL",
    "@\u202e#",
  ],
  ...[
    "ООО Ромашка 24",
    "北京公司",
    "شركة",
    "Li Ning 李宁",
    "Iberdr\u043ela",
    "ΑΒΓ Δέλτα",
    "Ж".repeat(60),
    "😀 Café",
  ],
  ...["http://x.y/z", "www.evil.com", "bit.ly/abc", "Booking.com", "192.168.0.1/x", "me@bank.es #482913"],
  ...[
    "123456 es tu codigo",
    "123-456 o 123 456",
    "Tel. 912 345 678",
    "+34 911 23 45 67",
    "9.1.1.2.3.4.5.6.7",
  ],
  ...[
    "5,00 EUR",
    "EUR 5",
    "nueve uno uno dos tres cuatro cinco",
    "Gran Via 12345",
    "x".repeat(140),
    "1-800-FLOWERS",
  ],
];
const amounts = [
  { currencyCode: "EUR", units: 1250n, nanos: 500_000_000, minorDigits: 2, pattern: "#.##0,00" },
  { currencyCode: "MXN", units: 1250n, nanos: 500_000_000, minorDigits: 2, pattern: "#,##0.00" },
  { currencyCode: "KWD", units: 1n, nanos: 250_000_000, minorDigits: 3, pattern: "#,##0.000" },
  { currencyCode: "INR", units: 1_234_567n, nanos: 0, minorDigits: 2, pattern: "#,##,##0.00" },
  { currencyCode: "JPY", units: 999_999_999_999n, nanos: 0, minorDigits: 0, pattern: "# ##0" },
  undefined,
];
const settings = [
  { minutes: 5 },
  { minutes: 1, brand: "Banco X", webOtpHost: "bancox.es", description: "Factura 2024/118, señal" },
  {
    minutes: 10,
    brand: "B".repeat(20),
    payeeAccount: "ES9121000418450200051332",
    description: "Llame al 911234567",
  },
];

/** Inputs of messages in both languages, always in the same order. */
export function textCorpus(): MessageInput[] {
  return ["es", "en"].flatMap((locale) =>
    payees.flatMap((payee) =>
      amounts.flatMap((amount) => settings.map((one) => ({ ...one, locale, code: "482913", payee, amount }))),
    ),
  );
}
