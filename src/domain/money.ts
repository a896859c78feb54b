import { isCurrency, minorDigits } from "./currencies.ts";
import type { Faults } from "./faults.ts";

/** An amount as google.type.Money has it: whole units and billionths of a unit. */
export interface Money {
  readonly currencyCode: string;
  readonly units: bigint;
  readonly nanos: number;
}

const mostUnits = 1_000_000_000_000n;

/** Checks an amount: a currency in use, more than nothing, below 10^12, no finer than the minor unit. */
export function parseMoney(faults: Faults, field: string, money: Money, today: Date): Money {
  const digits = minorDigits(money.currencyCode);
  if (digits === undefined) faults.add(`${field}.currency_code`, "must be an ISO 4217 code such as EUR");
  else if (!isCurrency(money.currencyCode, today)) {
    faults.add(`${field}.currency_code`, "must be a currency that is in use, such as EUR");
  }
  if (money.units < 0n) faults.add(`${field}.units`, "must not be negative");
  else if (money.units >= mostUnits) faults.add(`${field}.units`, "must be below 10^12");
  if (money.nanos < 0 || money.nanos > 999_999_999) {
    faults.add(`${field}.nanos`, "must be from 0 to 999999999");
  } else if (digits !== undefined && money.nanos % 10 ** (9 - digits) !== 0) {
    faults.add(`${field}.nanos`, `must be within the minor unit of ${money.currencyCode} (${digits} digits)`);
  }
  if (money.units === 0n && money.nanos === 0) {
    faults.add(field, "must be more than zero, or left out where nothing is paid");
  }
  return money;
}
