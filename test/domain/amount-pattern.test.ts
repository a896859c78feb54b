import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { amountPattern, formatAmount } from "../../src/domain/amount-pattern.ts";
import { measure } from "../../src/domain/gsm7.ts";
import { canonicalLocale } from "../../src/domain/locale.ts";
import { languages } from "../../src/domain/message-templates.ts";

const shown = (locale: string, digits: number, units: bigint, nanos: number) =>
  formatAmount(amountPattern(locale, "es", digits), units, nanos);

describe("an amount", () => {
  test.each([
    ["es-MX", 2, 1250n, 500_000_000, "1,250.50"],
    ["es-MX", 3, 1n, 250_000_000, "1.250"],
    ["es-MX", 3, 1250n, 0, "1,250.000"],
    ["es-ES", 2, 1250n, 500_000_000, "1.250,50"],
    ["es-ES", 3, 1n, 250_000_000, "1,250"],
    ["es-ES", 3, 1250n, 0, "1.250,000"],
    ["es", 2, 1250n, 500_000_000, "1.250,50"],
    ["", 2, 1250n, 500_000_000, "1.250,50"],
    ["es-CR", 2, 1250n, 500_000_000, "1 250,50"],
    ["es-US", 2, 1250n, 500_000_000, "1,250.50"],
    ["es-419", 2, 1250n, 500_000_000, "1,250.50"],
    ["en-ES", 2, 1250n, 500_000_000, "1.250,50"],
    ["en-IN", 2, 1_234_567n, 500_000_000, "12,34,567.50"],
    ["de-CH", 2, 1250n, 500_000_000, "1'250.50"],
    ["fr-FR", 2, 1250n, 500_000_000, "1 250,50"],
    ["ar-EG", 2, 1250n, 500_000_000, "1,250.50"],
    ["fa-IR", 2, 1250n, 500_000_000, "1,250.50"],
    ["ja", 0, 1_234_567n, 0, "1,234,567"],
    ["es-u-nu-arab", 2, 1250n, 0, "1.250,00"],
    ["es-MX-u-ca-gregory-nu-fullwide-x-app", 2, 1250n, 0, "1,250.00"],
    ["und-MX", 2, 1250n, 0, "1,250.00"],
    ["qaa-Latn-MX", 2, 1250n, 0, "1,250.00"],
    ["es-ZZ", 2, 1250n, 0, "1.250,00"],
    ["tlh", 2, 1250n, 0, "1.250,00"],
  ] as const)("in %j with %i decimals: %s and %i nanos is %s", (locale, digits, units, nanos, text) => {
    expect(shown(canonicalLocale(locale) ?? "", digits, units, nanos)).toBe(text);
  });

  test("is never rounded", () => {
    expect(shown("es", 0, 1n, 5_000_000)).toBe("1,005");
    expect(shown("es-MX", 2, 1n, 5_000_000)).toBe("1.005");
  });
});

const subtags = [
  fc.constantFrom(
    ..."es en de fr it pt ca eu gl ar fa hi bn my ne mr ta th zh ja ko ru bg pl sv uk he am dz".split(" "),
  ),
  fc.option(fc.constantFrom("Latn", "Arab", "Cyrl", "Hans"), { nil: undefined }),
  fc.option(fc.constantFrom(..."ES MX AR CH IN ZA CR US GB DE AT LI PT BR EG IR CN 419 150 ZZ".split(" ")), {
    nil: undefined,
  }),
  fc.option(fc.constantFrom("u-nu-arab", "u-ca-buddhist-nu-mymr", "x-private"), { nil: undefined }),
] as const;
const anyLocale = fc
  .tuple(...subtags)
  .map((parts) => canonicalLocale(parts.filter((part) => part !== undefined).join("-")) ?? "");
const anyMoney = fc.integer({ min: 0, max: 4 }).chain((digits) =>
  fc.record({
    digits: fc.constant(digits),
    units: fc.bigInt({ min: 0n, max: 999_999_999_999n }),
    nanos: fc.integer({ min: 0, max: 10 ** digits - 1 }).map((n) => n * 10 ** (9 - digits)),
  }),
);

describe("any amount in any locale", () => {
  test("can be read back without loss, in GSM-7, with two signs that differ", () => {
    fc.assert(
      fc.property(anyLocale, fc.constantFrom(...languages), anyMoney, (locale, language, money) => {
        const pattern = amountPattern(locale, language, money.digits);
        const text = formatAmount(pattern, money.units, money.nanos);
        expect(measure(text)).toMatchObject({ encoding: "GSM-7", units: text.length });
        expect(text).toMatch(/^\d[\d.,' ]*$/);
        const point = pattern.at(-1 - money.digits)!;
        const [whole = "", fraction = ""] = money.digits === 0 ? [text] : text.split(point);
        const groups = whole.split(/\D/);
        expect(BigInt(groups.join(""))).toBe(money.units);
        expect(Number(fraction.padEnd(9, "0"))).toBe(money.nanos);
        expect(fraction).toHaveLength(money.digits);
        expect(groups.slice(1).every((group) => group.length === 3 || group.length === 2)).toBe(true);
        if (groups.length > 1 && money.digits > 0) expect(whole).not.toContain(point);
        // The smallest amount with a group shows it.
        expect(formatAmount(pattern, 1250n, 0)).toMatch(/^1[.,' ]250/);
      }),
      { numRuns: 1000 },
    );
  });

  test("is written with the signs that CLDR has, whatever locale the machine has", () => {
    for (const locale of ["es", "es-MX", "en-IN", "de-CH", "fr", "ar-EG", "sv", "gsw"]) {
      const format = new Intl.NumberFormat(locale, {
        ...{ numberingSystem: "latn", useGrouping: "always", minimumFractionDigits: 2 },
      });
      const cldr = format
        .format(1_234_567.5)
        .replace(/[\u00a0\u202f]/g, " ")
        .replaceAll("’", "'");
      expect([locale, shown(locale, 2, 1_234_567n, 500_000_000)]).toEqual([locale, cldr]);
    }
  });
});
