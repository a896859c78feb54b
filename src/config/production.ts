import { statSync } from "node:fs";
import type { Config } from "../config.ts";
import { parseAddress } from "../postgres/address.ts";
import { type Environment, isLoopback } from "./environment.ts";

/** What NODE_ENV=production refuses, each with the name that allows it in SIGNATURE_PRODUCTION_ALLOW. */
const risks = {
  "plain-grpc": "without the TLS files every process on this machine is the caller `local`, with every RPC",
  "plain-database":
    "the way to a database elsewhere is not encrypted: say sslmode=verify-full in the address, with sslrootcert",
  "ops-on-all-interfaces": "metrics and health are for a private network: name one address of this machine",
  "readable-tls-key": "the key is readable by everybody: chmod 0440, and give the service its group",
  "unverified-tls": "every certificate is taken for good, Twilio's and Vault's too: leave it out",
  inspector: "whoever reaches Node's inspector reads every key: leave --inspect out",
  "no-customer-limit": "one customer may be sent any number of messages",
  "no-phone-limit": "one number may be sent any number of messages",
  "no-caller-limit": "one caller may take the whole service",
  "no-message-rate": "a burst runs into Twilio's own limits",
  "no-lockout": "codes may be guessed without end, against RTS Art. 4(3)(b)",
  "no-breaker": "a Twilio that hangs is called all the same",
  "no-pumping-guard": "messages to paid ranges go unseen",
  "all-countries": "messages may be pumped to any country: list those of your customers",
  "debug-log": "it costs time and storage",
} as const;

export type Risk = keyof typeof risks;

/** A risk that was allowed by name and is there, with the variable that makes it. */
export interface AllowedRisk {
  readonly risk: Risk;
  readonly variable: string;
}

const allowVariable = "SIGNATURE_PRODUCTION_ALLOW";

/** Adds a fault for each risk that is not allowed by name. @returns those that are, for the log */
export function checkProduction(
  env: Environment,
  config: Omit<Config, "allowed">,
  node: { readonly flags: readonly string[]; readonly verifiesTls: boolean },
): AllowedRisk[] {
  const allowed = readAllowed(env);
  // The sandbox is refused as a whole.
  if (!config.production || config.sandbox) return [];
  requireDatabase(env, config.database);
  const { grpc, ops, signature, twilio } = config;
  const keyFile = grpc.tls?.keyFile;
  return judged(env, allowed, [
    ["plain-grpc", "GRPC_LISTEN", grpc.tls === undefined],
    ["readable-tls-key", "TLS_KEY_FILE", keyFile !== undefined && isReadableByAll(keyFile)],
    ["ops-on-all-interfaces", "OPS_LISTEN", isEverywhere(ops.host)],
    ...databaseRisks(config.database),
    ["unverified-tls", "NODE_TLS_REJECT_UNAUTHORIZED", !node.verifiesTls],
    ["inspector", "NODE_OPTIONS", node.flags.some((flag) => /^--inspect(?!-publish)/.test(flag))],
    ["no-customer-limit", "SIGNATURE_LIMIT_CUSTOMER_PER_MINUTE", signature.limits.customerPerMinute === 0],
    ["no-phone-limit", "SIGNATURE_LIMIT_PHONE_PER_10_MINUTES", signature.limits.phonePer10Minutes === 0],
    ["no-caller-limit", "SIGNATURE_LIMIT_CALLER_PER_SECOND", signature.limits.callerPerSecond === 0],
    ["no-message-rate", "TWILIO_MESSAGES_PER_SECOND", twilio.messagesPerSecond === 0],
    ["no-lockout", "SIGNATURE_BLOCK_FAILURES", signature.lockout.failures === 0],
    ["no-breaker", "TWILIO_BREAKER_FAILURE_RATE", twilio.breaker === undefined],
    ["no-pumping-guard", "SIGNATURE_PUMPING_GUARD", signature.pumping.guard === "off"],
    ["all-countries", "SIGNATURE_ALLOWED_COUNTRIES", signature.allowedCountries === "*"],
    ["debug-log", "LOG_LEVEL", config.logLevel === "debug"],
  ]);
}

/** The same for tools, which reach the database alone. */
export function checkProductionDatabase(env: Environment, database: Config["database"]): void {
  const allowed = readAllowed(env);
  if (!isProduction(env)) return;
  requireDatabase(env, database);
  judged(env, allowed, databaseRisks(database));
}

export function isProduction(env: Environment): boolean {
  return env.text("NODE_ENV")?.toLowerCase() === "production";
}

/** Nothing allows an embedded server in production. */
function requireDatabase(env: Environment, { url }: Config["database"]): void {
  if (url === undefined) {
    env.fault("DATABASE_URL", "is required in production, which starts no embedded server");
  }
}

type Judgement = readonly [risk: Risk, variable: string, isThere: boolean];

function judged(env: Environment, allowed: ReadonlySet<string>, all: readonly Judgement[]): AllowedRisk[] {
  const there = all.filter(([, , isThere]) => isThere);
  for (const [risk, variable] of there) {
    if (allowed.has(risk)) continue;
    env.fault(variable, `is refused in production: ${risks[risk]}; or allow it by ${allowVariable}=${risk}`);
  }
  return there.flatMap(([risk, variable]) => (allowed.has(risk) ? [{ risk, variable }] : []));
}

function readAllowed(env: Environment): ReadonlySet<string> {
  const names = env.list(allowVariable) ?? [];
  if (names.some((name) => !Object.hasOwn(risks, name))) {
    env.fault(allowVariable, `must be names separated by commas, of ${Object.keys(risks).join(", ")}`);
  }
  return new Set(names);
}

function databaseRisks({ url, migrationUrl }: Config["database"]): Judgement[] {
  const isPlain = (address: string | undefined) => {
    if (address === undefined) return false;
    const { hosts, ssl } = parseAddress(address).address;
    // `prefer` takes a refusal for an answer, which anybody on the way may give.
    const encrypted = ssl !== "disable" && ssl !== "prefer";
    return !encrypted && hosts.some(({ host }) => !host.startsWith("/") && !isLoopback(host));
  };
  return [
    ["plain-database", "DATABASE_URL", isPlain(url?.reveal())],
    ["plain-database", "DATABASE_MIGRATION_URL", isPlain(migrationUrl?.reveal())],
  ];
}

/** As the system reads a host, which takes "0" and "0x0" for 0.0.0.0, too. */
function isEverywhere(host: string): boolean {
  const name = URL.parse(`http://${host.includes(":") ? `[${host}]` : host}`)?.hostname;
  return name === "0.0.0.0" || name === "[::]" || name === "[::ffff:0:0]";
}

/** A file that is not there is said elsewhere. */
function isReadableByAll(path: string): boolean {
  const mode = statSync(path, { throwIfNoEntry: false })?.mode ?? 0;
  return (mode & 0o004) !== 0;
}
