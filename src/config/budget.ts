import { readFileSync, statSync } from "node:fs";
import { minorDigits } from "../domain/currencies.ts";
import type { BudgetLimits, PriceTable } from "../domain/message-budget.ts";
import { isCountry } from "../domain/phone-number.ts";
import type { Environment } from "./environment.ts";

export interface BudgetConfig {
  /** Of all callers together. */
  readonly limits: BudgetLimits;
  /** Of each caller. */
  readonly callerLimits: BudgetLimits;
  readonly prices: PriceTable;
}

const noPrices: PriceTable = { currency: "", micros: {} };
/** A price list of all countries is some 5 KiB. */
const mostBytes = 256 << 10;
const mostMessages = 1_000_000_000;

export function readBudget(env: Environment): BudgetConfig {
  const file = env.text("SIGNATURE_PRICES_FILE");
  const messages = (name: string) => env.whole(name, 0, 0, mostMessages);
  const cost = (name: string) => {
    const micros = Math.round(env.number(name, 0, 0, mostMessages) * 1e6);
    if (micros > 0 && file === undefined) env.fault(name, "needs SIGNATURE_PRICES_FILE");
    return micros;
  };
  return {
    limits: {
      messages: messages("SIGNATURE_BUDGET_MESSAGES_PER_DAY"),
      micros: cost("SIGNATURE_BUDGET_COST_PER_DAY"),
    },
    callerLimits: {
      messages: messages("SIGNATURE_BUDGET_CALLER_MESSAGES_PER_DAY"),
      micros: cost("SIGNATURE_BUDGET_CALLER_COST_PER_DAY"),
    },
    prices: file === undefined ? noPrices : readPrices(env, file),
  };
}

function readPrices(env: Environment, path: string): PriceTable {
  const name = "SIGNATURE_PRICES_FILE";
  let document: unknown;
  try {
    if (statSync(path).size > mostBytes) {
      env.fault(name, `names a file that is larger than ${mostBytes >> 10} KiB`);
      return noPrices;
    }
    document = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code !== undefined;
    env.fault(
      name,
      missing ? "names a file that cannot be read: check path and rights" : "names a file that is not JSON",
    );
    return noPrices;
  }
  const faults: string[] = [];
  const prices = parsePrices(document, faults);
  for (const fault of faults) env.fault(name, `names a file whose ${fault}`);
  return prices;
}

/** Reads `{"currency":"EUR","providers":{"twilio":{"*":0.09,"ES":0.065}}}`: what one part of a message costs. */
function parsePrices(document: unknown, faults: string[]): PriceTable {
  if (!isObject(document) || !isObject(document["providers"])) {
    faults.push('top level must be an object with "currency" and "providers"');
    return noPrices;
  }
  const { currency, providers, ...rest } = document;
  if (typeof currency !== "string" || minorDigits(currency) === undefined) {
    faults.push("currency must be an ISO 4217 code");
  }
  for (const unknown of Object.keys(rest).slice(0, 10))
    faults.push(`key ${JSON.stringify(unknown)} is not known`);
  const micros: Record<string, Record<string, number>> = {};
  for (const [provider, byCountry] of Object.entries(providers)) {
    micros[provider] = parseCountries(byCountry, `providers.${provider}`, faults);
  }
  return { currency: String(currency), micros };
}

function parseCountries(byCountry: unknown, at: string, faults: string[]): Record<string, number> {
  if (!isObject(byCountry) || byCountry["*"] === undefined) {
    faults.push(`${at} must be an object of prices by country, with "*" for every other country`);
    return {};
  }
  const micros: Record<string, number> = {};
  for (const [country, price] of Object.entries(byCountry)) {
    if (country !== "*" && !isCountry(country)) {
      faults.push(`${at} has ${JSON.stringify(country)}, which is no ISO 3166-1 alpha-2 code`);
    } else if (typeof price !== "number" || !(price >= 0 && price <= 1000)) {
      faults.push(`${at}.${country} must be a number from 0 to 1000`);
    } else {
      micros[country] = Math.round(price * 1e6);
    }
  }
  return micros;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
