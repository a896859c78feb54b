import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { minorDigits } from "../../src/domain/currencies.ts";
import { parseMoney } from "../../src/domain/money.ts";
import { faultsOf } from "../support/domain.ts";

const today = new Date("2026-01-15");
const fields = (currencyCode: string, units: bigint, nanos: number) =>
  faultsOf((faults) => parseMoney(faults, "amount", { currencyCode, units, nanos }, today)).map(
    (fault) => fault.field,
  );

describe("money", () => {
  test.each([
    ["JPY", 0],
    ["CLP", 0],
    ["EUR", 2],
    ["USD", 2],
    ["KWD", 3],
    ["BHD", 3],
    ["CLF", 4],
    ["UYW", 4],
  ])("%s has a minor unit of %i digits, and no amount is finer", (currency, digits) => {
    expect(minorDigits(currency)).toBe(digits);
    const step = 10 ** (9 - digits);
    expect(fields(currency, 1n, 0)).toEqual([]);
    if (digits > 0) expect(fields(currency, 0n, step)).toEqual([]);
    if (digits > 0) expect(fields(currency, 999_999_999_999n, 1_000_000_000 - step)).toEqual([]);
    expect(fields(currency, 1n, step / 10)).toEqual(["amount.nanos"]);
    expect(fields(currency, 1n, 1)).toEqual(["amount.nanos"]);
  });

  test.each<[what: string, currency: string, units: bigint, nanos: number, faults: string[]]>([
    ["the smallest amount", "EUR", 0n, 10_000_000, []],
    ["the largest amount", "EUR", 999_999_999_999n, 990_000_000, []],
    ["10^12", "EUR", 1_000_000_000_000n, 0, ["amount.units"]],
    ["the largest int64", "EUR", 2n ** 63n - 1n, 0, ["amount.units"]],
    ["less than nothing", "EUR", -1n, 0, ["amount.units"]],
    ["the smallest int64", "EUR", -(2n ** 63n), 0, ["amount.units"]],
    ["nothing at all", "EUR", 0n, 0, ["amount"]],
    ["negative nanos", "EUR", 1n, -10_000_000, ["amount.nanos"]],
    ["a whole unit of nanos", "EUR", 1n, 1_000_000_000, ["amount.nanos"]],
    ["an unknown currency", "EUX", 1n, 0, ["amount.currency_code"]],
    ["no currency", "", 1n, 0, ["amount.currency_code"]],
    ["a currency in small letters", "eur", 1n, 0, ["amount.currency_code"]],
    ["a currency's number", "978", 1n, 0, ["amount.currency_code"]],
    ["everything at once", "eur", -1n, -1, ["amount.currency_code", "amount.units", "amount.nanos"]],
  ])("%s", (_, currency, units, nanos, faults) => {
    expect(fields(currency, units, nanos)).toEqual(faults);
  });

  test("is kept as it came, and taken only between nothing and 10^12 in whole minor units", () => {
    const any = fc.record({
      currencyCode: fc.constantFrom("JPY", "EUR", "KWD", "CLF"),
      units: fc.bigInt({ min: -2n, max: 10n ** 12n + 1n }),
      nanos: fc.oneof(
        fc.integer({ min: -1, max: 1_000_000_000 }),
        fc.integer({ min: 0, max: 9999 }).map((n) => n * 100_000),
        fc.integer({ min: 0, max: 99 }).map((n) => n * 10_000_000),
      ),
    });
    const digits: Record<string, number> = { JPY: 0, EUR: 2, KWD: 3, CLF: 4 };
    fc.assert(
      fc.property(any, (money) => {
        const fraction = String(money.nanos).padStart(9, "0");
        const inMinorUnits = /^0*$/.test(fraction.slice(digits[money.currencyCode]));
        const sound =
          money.units >= 0n &&
          money.units < 10n ** 12n &&
          money.nanos >= 0 &&
          money.nanos < 1e9 &&
          inMinorUnits &&
          (money.units > 0n || money.nanos > 0);
        const faults = faultsOf((collected) => {
          expect(parseMoney(collected, "amount", money, today)).toEqual(money);
        });
        expect(faults.length === 0).toBe(sound);
      }),
      { numRuns: 500 },
    );
  });
});
