import type { LockoutRules } from "../domain/limits.ts";
import { canonicalLocale } from "../domain/locale.ts";
import { languages } from "../domain/message-templates.ts";
import { newestTextVersion } from "../domain/message-texts.ts";
import { type NumberType, numberTypes, receivesSms } from "../domain/number-type.ts";
import { isCountry } from "../domain/phone-number.ts";
import { type BudgetConfig, readBudget } from "./budget.ts";
import type { Environment } from "./environment.ts";

export interface SignatureConfig {
  readonly leaseMs: number;
  readonly sweepMs: number;
  readonly attempts: number;
  readonly resendCooldownMs: number;
  readonly resendMax: number;
  readonly brand: string;
  readonly webOtpHost: string;
  /** A canonical BCP 47 tag whose language is one of the templates'. */
  readonly defaultLocale: string;
  /** Of new texts; older ones are made again as they were. */
  readonly textVersion: number;
  /** ISO 3166-1 alpha-2 codes, or `*`. */
  readonly allowedCountries: ReadonlySet<string> | "*";
  readonly allowedNumberTypes: ReadonlySet<NumberType> | "*";
  readonly keysFile: string | undefined;
  /** Days that closed signatures are kept. */
  readonly retentionDays: number;
  readonly limits: {
    readonly customerPerMinute: number;
    readonly phonePer10Minutes: number;
    readonly callerPerSecond: number;
  };
  readonly pumping: {
    readonly guard: "off" | "alert" | "refuse";
    /** ISO 3166-1 alpha-2 codes. */
    readonly homeCountries: ReadonlySet<string>;
  };
  readonly budget: BudgetConfig;
  readonly lockout: LockoutRules;
}

export function readSignature(env: Environment, sandbox: boolean): SignatureConfig {
  return {
    leaseMs: env.number("SIGNATURE_LEASE_SECONDS", 20, 0.5, 600) * 1000,
    sweepMs: env.number("SIGNATURE_SWEEP_SECONDS", 1, 0.05, 60) * 1000,
    attempts: env.whole("SIGNATURE_ATTEMPTS", 3, 1, 5),
    resendCooldownMs: env.number("SIGNATURE_RESEND_SECONDS", 30, 0, 600) * 1000,
    resendMax: env.whole("SIGNATURE_RESEND_MAX", 5, 0, 100),
    brand: env.text("SIGNATURE_BRAND") ?? "",
    webOtpHost: env.text("SIGNATURE_WEBOTP_HOST") ?? "",
    defaultLocale: readDefaultLocale(env),
    textVersion: env.whole("SIGNATURE_TEXT_VERSION", newestTextVersion, 1, newestTextVersion),
    allowedCountries: readCountries(env, sandbox),
    allowedNumberTypes: readNumberTypes(env),
    keysFile: env.text("SIGNATURE_KEYS_FILE"),
    retentionDays: readRetentionDays(env),
    limits: {
      customerPerMinute: env.whole("SIGNATURE_LIMIT_CUSTOMER_PER_MINUTE", 10, 0, 1000),
      phonePer10Minutes: env.whole("SIGNATURE_LIMIT_PHONE_PER_10_MINUTES", 10, 0, 1000),
      callerPerSecond: env.whole("SIGNATURE_LIMIT_CALLER_PER_SECOND", 100, 0, 100_000),
    },
    pumping: readPumping(env, sandbox),
    budget: readBudget(env),
    lockout: readLockout(env),
  };
}

/** The language of messages without a locale, with the region after which their amounts are written. */
function readDefaultLocale(env: Environment): string {
  const name = "SIGNATURE_DEFAULT_LANGUAGE";
  const locale = canonicalLocale(env.text(name) ?? "es");
  if (locale !== undefined && languages.some((language) => locale.split("-", 1)[0] === language)) {
    return locale;
  }
  env.fault(name, `must be one of ${languages.join(", ")}, with a region or none, such as es-MX`);
  return "es";
}

function readPumping(env: Environment, sandbox: boolean): SignatureConfig["pumping"] {
  const guard = env.oneOf("SIGNATURE_PUMPING_GUARD", ["off", "alert", "refuse"], sandbox ? "off" : "alert");
  const name = "SIGNATURE_HOME_COUNTRIES";
  const homeCountries = new Set(env.list(name) ?? []);
  if (guard === "refuse" && homeCountries.size === 0) {
    env.fault(name, "is required with SIGNATURE_PUMPING_GUARD=refuse: they are never refused");
  }
  if ([...homeCountries].some((country) => !isCountry(country))) {
    env.fault(name, "must be ISO 3166-1 alpha-2 codes separated by commas");
  }
  return { guard, homeCountries };
}

/** Days that closed signatures are kept. */
export function readRetentionDays(env: Environment): number {
  return env.number("SIGNATURE_RETENTION_DAYS", 400, 1, 36_500);
}

function readCountries(env: Environment, sandbox: boolean): ReadonlySet<string> | "*" {
  const name = "SIGNATURE_ALLOWED_COUNTRIES";
  const countries = env.list(name) ?? [];
  if (countries.length === 1 && countries[0] === "*") return "*";
  if (countries.length === 0) {
    if (!sandbox) env.fault(name, "is required: ISO 3166-1 alpha-2 codes separated by commas, or *");
    return "*";
  }
  if (countries.some((country) => !isCountry(country))) {
    env.fault(name, "must be ISO 3166-1 alpha-2 codes separated by commas, or * alone");
  }
  return new Set(countries);
}

function readNumberTypes(env: Environment): ReadonlySet<NumberType> | "*" {
  const name = "SIGNATURE_ALLOWED_NUMBER_TYPES";
  const given = env.list(name);
  if (given === undefined) return receivesSms;
  if (given.length === 1 && given[0] === "*") return "*";
  const types = numberTypes.filter((type) => given.includes(type));
  if (types.length === 0 || types.length < new Set(given).size) {
    env.fault(name, `must be * alone, or some of ${numberTypes.join(", ")}, separated by commas`);
  }
  return new Set(types);
}

const defaultSteps = [900, 3600, 86_400] as const;
/** A lockout that lasts longer than a month is one until the customer is freed. */
const longestStep = 31 * 86_400;

function readLockout(env: Environment): LockoutRules {
  const [stepsName, firstName] = ["SIGNATURE_LOCKOUT_STEPS", "SIGNATURE_BLOCK_SECONDS"] as const;
  const first = env.number(firstName, defaultSteps[0], 1, 86_400);
  const given = env.list(stepsName);
  if (given !== undefined && env.text(firstName) !== undefined) {
    env.fault(stepsName, `and ${firstName} exclude each other: the first step is what ${firstName} says`);
  }
  const steps = given?.map(Number) ?? defaultSteps.map((step) => Math.max(step, first));
  if (given === undefined) steps[0] = first;
  const isGood = (step: number, n: number) =>
    Number.isFinite(step) && step >= 1 && step <= longestStep && step >= (steps[n - 1] ?? 0);
  if (steps.length === 0 || steps.length > 10 || !steps.every(isGood)) {
    env.fault(
      stepsName,
      `must be 1 to 10 numbers of seconds from 1 to ${longestStep}, none below the one before`,
    );
  }
  return {
    failures: env.whole("SIGNATURE_BLOCK_FAILURES", 5, 0, 100),
    windowMs: env.number("SIGNATURE_BLOCK_WINDOW_SECONDS", 3600, 1, 86_400) * 1000,
    stepsMs: steps.map((step) => step * 1000),
  };
}
