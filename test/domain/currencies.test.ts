import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { describe, expect, test } from "vitest";
import { currenciesAt, isCurrency, minorDigits } from "../../src/domain/currencies.ts";
import { isCountry } from "../../src/domain/phone-number.ts";

const require = createRequire(import.meta.url);
const on = (day: string) => new Date(`${day}T12:00:00Z`);

describe("a currency", () => {
  test.each([
    ["XCG", "2025-07-01", "came in 2025"],
    ["EUR", "2026-01-01", "has no end"],
    ["ZWG", "2025-01-01", "came in 2024"],
    ["CLF", "2026-01-01", "is a fund code, in which accounts are held"],
    ["XOF", "2026-01-01", "is of several countries"],
  ])("%s is money on %s: it %s", (code, day) => {
    expect(isCurrency(code, on(day))).toBe(true);
    expect(minorDigits(code)).toBeTypeOf("number");
  });

  test.each([
    ["ANG", "2026-01-01", "ended in June 2025"],
    ["BGN", "2026-06-01", "became EUR"],
    ["HRK", "2026-01-01", "became EUR"],
    ["DEM", "2026-01-01", "became EUR"],
    ["CUC", "2026-01-01", "was taken in 2021"],
    ["SLL", "2026-01-01", "became SLE"],
    ["XXX", "2026-01-01", "is no currency"],
    ["XTS", "2026-01-01", "is for tests"],
    ["XAU", "2026-01-01", "is gold"],
    ["XDR", "2026-01-01", "is a unit of account"],
    ["CNH", "2026-01-01", "is in no standard"],
    ["eur", "2026-01-01", "is in small letters"],
    ["", "2026-01-01", "is nothing"],
  ])("%j is no money on %s: it %s", (code, day) => {
    expect(isCurrency(code, on(day))).toBe(false);
  });

  test("is money up to its last day, and has its digits after it, for texts of then", () => {
    expect(isCurrency("ANG", on("2025-06-30"))).toBe(true);
    expect(isCurrency("ANG", on("2025-07-02"))).toBe(false);
    expect(minorDigits("ANG")).toBe(2);
  });

  test("has digits that CLDR knows where ISO 4217's list is older than the currency", () => {
    const isoKnows = new Set(require("currency-codes").codes());
    expect(currenciesAt(on("2026-01-01")).filter((code) => !isoKnows.has(code))).toEqual(["XCG"]);
    expect(minorDigits("XCG")).toBe(2);
  });
});

/** Two releases a year since CLDR 48 in October 2025. */
const cldrMonth = (version: number) => Date.UTC(2025, 9 + Math.round((version - 48) * 6), 1);
const monthsOld = (then: number) => Math.round((Date.now() - then) / (30.44 * 86_400_000));

test("the tables are kept up to date: none is older than two years", () => {
  const { version: cldr } = JSON.parse(readFileSync("node_modules/cldr-core/package.json", "utf8"));
  const age = {
    // Currencies in use, and until when: `cldr-core` of package.json.
    "cldr-core": monthsOld(cldrMonth(Number.parseInt(cldr, 10))),
    // Signs of amounts: ICU of the Node of package.json.
    "CLDR of Node": monthsOld(cldrMonth(Number.parseInt(process.versions["cldr"]!, 10))),
    // Time zones.
    "tz of Node": monthsOld(Date.UTC(Number.parseInt(process.versions["tz"]!, 10), 0, 1)),
  };
  for (const [table, months] of Object.entries(age)) {
    expect(months, `${table} is ${months} months old: update it`).toBeLessThan(24);
  }
  // Minor units alone: a currency that is newer than the list has CLDR's.
  const publishDate = require("currency-codes/iso-4217-publish-date.js") as string;
  console.info("months since each table:", { ...age, "ISO 4217 list": monthsOld(Date.parse(publishDate)) });
  // Countries are those that libphonenumber knows; Kosovo is in CLDR and there, and in no ISO list.
  expect(["ES", "XK", "CW"].every(isCountry)).toBe(true);
});
