import currencyData from "cldr-core/supplemental/currencyData.json" with { type: "json" };
import currencyCodes from "currency-codes";

// Which currencies are money, and until when, is CLDR's (XCG since 2025, ANG no more): `cldr-core` follows its
// releases. ISO 4217's list has the minor units, which CLDR rounds to what shops use (2 for COP, not 0).

interface Use {
  readonly _to?: string;
  /** "false" of fund codes (CLF), and of what is no money (XXX) or in no standard (CNH). */
  readonly _tender?: string;
}
type Region = readonly Readonly<Record<string, Use>>[];

/** CLDR's region of what belongs to no country: XXX, XTS, gold, bond units, XDR. */
const nowhere = "ZZ";

/** The last day of each currency that some country has or had; Infinity while none is set. */
const lastDays: ReadonlyMap<string, number> = readLastDays(
  currencyData.supplemental.currencyData.region as Readonly<Record<string, Region>>,
);

function readLastDays(regions: Readonly<Record<string, Region>>): ReadonlyMap<string, number> {
  const days = new Map<string, number>();
  const noMoney = new Set(regions[nowhere]?.flatMap((use) => Object.keys(use)));
  for (const uses of Object.values(regions)) {
    for (const [code, { _to, _tender }] of uses.flatMap((use) => Object.entries(use))) {
      if (noMoney.has(code) || (_tender === "false" && currencyCodes.code(code) === undefined)) continue;
      // To the end of that day wherever it is.
      const last = _to === undefined ? Number.POSITIVE_INFINITY : Date.parse(_to) + 36 * 3_600_000;
      days.set(code, Math.max(last, days.get(code) ?? 0));
    }
  }
  return days;
}

/** True for the ISO 4217 code of a currency, fund codes included, that is money somewhere at that instant. */
export function isCurrency(code: string, at: Date): boolean {
  return (lastDays.get(code) ?? 0) > at.getTime();
}

/** Codes that are words, too: "TOP 40" is no amount. */
const wordCodes = new Set(
  "ALL AMD ANG ARS BAM BIF BOB BOV CAD COP COU CUP DOP GEL GIP LAK MAD MOP MUR NIO PEN RON SAR SOS TND TOP TRY".split(
    " ",
  ),
);

/** True for a code that beside a number reads as an amount, of a withdrawn currency, too. */
export function isCurrencyCode(code: string): boolean {
  return lastDays.has(code) && !wordCodes.has(code);
}

/** Every code that is money at that instant. */
export function currenciesAt(at: Date): string[] {
  return [...lastDays.keys()].filter((code) => isCurrency(code, at)).sort();
}

/** Digits of the minor unit, e.g. 2 for EUR, of withdrawn currencies, too; undefined for an unknown code. */
export function minorDigits(code: string): number | undefined {
  // The library looks codes up in any case; the contract has upper case only.
  if (!/^[A-Z]{3}$/.test(code)) return undefined;
  return currencyCodes.code(code)?.digits ?? (lastDays.has(code) ? cldrDigits(code) : undefined);
}

function cldrDigits(code: string): number {
  const fractions: Readonly<Record<string, { readonly _digits: string }>> =
    currencyData.supplemental.currencyData.fractions;
  return Number((fractions[code] ?? fractions["DEFAULT"])?._digits ?? 2);
}
