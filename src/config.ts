import { type CheckpointSinksConfig, readCheckpointSinks } from "./config/checkpoint-sinks.ts";
import { ConfigError } from "./config/config-error.ts";
import { type DatabaseConfig, readDatabase } from "./config/database.ts";
import { type Address, Environment, isLoopback, type Variables } from "./config/environment.ts";
import { type GrpcQuotas, readQuotas } from "./config/grpc.ts";
import {
  type AllowedRisk,
  checkProduction,
  checkProductionDatabase,
  isProduction,
} from "./config/production.ts";
import { readRetentionDays, readSignature, type SignatureConfig } from "./config/signature.ts";
import { checkTiming } from "./config/timing.ts";
import { readTwilio, type TwilioConfig } from "./config/twilio.ts";
import { readVault, type VaultConfig } from "./config/vault.ts";
import { lintTemplates } from "./domain/message-linter.ts";

export interface TlsPaths {
  readonly certFile: string;
  readonly keyFile: string;
  readonly clientCaFile: string;
  readonly callersFile: string;
}

export interface Config {
  /** Everything on one machine, with doubles for Twilio and generated keys. */
  readonly sandbox: boolean;
  readonly production: boolean;
  /** What production refuses and SIGNATURE_PRODUCTION_ALLOW allowed by name. */
  readonly allowed: readonly AllowedRisk[];
  readonly grpc: {
    readonly listen: Address;
    readonly reflection: boolean;
    /** Between two pings, and between two messages of a watch on which nothing changes. */
    readonly keepaliveMs: number;
    readonly quotas: GrpcQuotas;
    readonly tls: TlsPaths | undefined;
  };
  readonly http: Address;
  /** How long HTTP_LISTEN keeps a connection on which nothing comes. */
  readonly httpKeepAliveMs: number;
  readonly ops: Address;
  /** Names, in lower case, by which scrapers may ask OPS_LISTEN for metrics. */
  readonly opsHosts: readonly string[];
  readonly database: DatabaseConfig;
  readonly dataDir: string;
  /** Where Twilio reaches the HTTP listener; without it there are no receipts. */
  readonly publicUrl: string | undefined;
  /** Undefined: no Vault. */
  readonly vault: VaultConfig | undefined;
  readonly twilio: TwilioConfig;
  readonly signature: SignatureConfig;
  readonly checkpoints: CheckpointSinksConfig;
  readonly logLevel: "debug" | "info" | "warn" | "error";
  readonly drainMs: number;
  /** The OTEL_* variables, which the OpenTelemetry SDK defines, but for the headers. */
  readonly otel: Readonly<Record<string, string | undefined>>;
}

/** Variables that hold secrets; they leave the environment once they were read. */
export const secretVariables = [
  "DATABASE_URL",
  "DATABASE_MIGRATION_URL",
  "TWILIO_AUTH_TOKEN",
  "TWILIO_API_KEY_SECRET",
  "VAULT_SECRET_ID",
  "VAULT_TOKEN",
] as const;

/** Credentials of the collector, which the OpenTelemetry SDK reads itself; they leave the environment after it. */
export const headerVariables = [
  "OTEL_EXPORTER_OTLP_HEADERS",
  "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
  "OTEL_EXPORTER_OTLP_METRICS_HEADERS",
  "OTEL_EXPORTER_OTLP_LOGS_HEADERS",
] as const;

/**
 * Reads the configuration from the environment, as the README's table has it.
 * @throws ConfigError that names every fault at once
 */
export function readConfig(variables: Variables): Config {
  const env = new Environment(variables);
  const vault = readVault(env);
  const secretsInVault = env.text("VAULT_ADDR") !== undefined;
  const twilio = readTwilio(env, secretsInVault);
  const sandbox = twilio.credentials === undefined && !secretsInVault;
  const tls = readTls(env);
  const grpcListen = env.address("GRPC_LISTEN", { host: "127.0.0.1", port: 50_051 });
  const config: Omit<Config, "allowed"> = {
    sandbox,
    production: isProduction(env),
    grpc: {
      listen: grpcListen,
      reflection: env.oneOf("GRPC_REFLECTION", ["on", "off"], "on") === "on",
      keepaliveMs: env.number("GRPC_KEEPALIVE_SECONDS", 30, 1, 3600) * 1000,
      quotas: readQuotas(env),
      tls,
    },
    http: env.address("HTTP_LISTEN", { host: "127.0.0.1", port: 8080 }),
    httpKeepAliveMs: env.number("HTTP_KEEP_ALIVE_SECONDS", 620, 5, 7200) * 1000,
    opsHosts: (env.list("OPS_HOSTS") ?? []).map((name) => name.toLowerCase()),
    ops: env.address("OPS_LISTEN", { host: "127.0.0.1", port: 9464 }),
    database: readDatabase(env),
    dataDir: env.text("DATA_DIR") ?? ".data",
    publicUrl: env.url("PUBLIC_URL"),
    vault,
    twilio,
    signature: readSignature(env, sandbox),
    checkpoints: readCheckpointSinks(env),
    logLevel: env.oneOf("LOG_LEVEL", ["debug", "info", "warn", "error"], "info"),
    drainMs: env.number("DRAIN_SECONDS", 30, 0, 600) * 1000,
    otel: readOtel(variables),
  };
  checkListeners(env, config);
  checkSandbox(env, config);
  checkTemplates(env, config.signature);
  checkTiming(env, config);
  const allowed = checkProduction(env, config, {
    flags: [...process.execArgv, ...(variables["NODE_OPTIONS"]?.split(/\s+/) ?? [])],
    verifiesTls: variables["NODE_TLS_REJECT_UNAUTHORIZED"] !== "0",
  });
  env.refuseUnknown(
    ["TWILIO_", "SIGNATURE_"],
    [
      "TWILIO_",
      "SIGNATURE_",
      "VAULT_",
      "GRPC_",
      "HTTP_L",
      "HTTP_K",
      "OPS_",
      "DATABASE_",
      "DATA_",
      "TLS_",
      "PUBLIC_",
      "DRAIN_",
      "LOG_",
      "CALLERS_",
    ],
  );
  if (env.faults.length > 0) throw new ConfigError(env.faults);
  return deepFreeze({ ...config, allowed });
}

/**
 * The part of the configuration that a tool needs which works on the database alone.
 * @throws ConfigError
 */
export function readDatabaseConfig(variables: Variables): Pick<Config, "database" | "dataDir"> {
  const env = new Environment(variables);
  const config = { database: readDatabase(env), dataDir: env.text("DATA_DIR") ?? ".data" };
  checkProductionDatabase(env, config.database);
  if (env.faults.length > 0) throw new ConfigError(env.faults);
  return deepFreeze(config);
}

/**
 * The part of the configuration that operators' commands need.
 * @throws ConfigError
 */
export function readAdminConfig(
  variables: Variables,
): Pick<Config, "database" | "dataDir"> & { readonly retentionDays: number } {
  const env = new Environment(variables);
  const retentionDays = readRetentionDays(env);
  const config = { database: readDatabase(env), dataDir: env.text("DATA_DIR") ?? ".data", retentionDays };
  checkProductionDatabase(env, config.database);
  if (env.faults.length > 0) throw new ConfigError(env.faults);
  return deepFreeze(config);
}

export interface EvidenceConfig extends Pick<Config, "database" | "dataDir" | "vault" | "checkpoints"> {
  readonly keysFile: string | undefined;
  readonly retentionDays: number;
}

/**
 * The part of the configuration that exporting and auditing evidence needs: the database and the keys.
 * @throws ConfigError
 */
export function readEvidenceConfig(variables: Variables): EvidenceConfig {
  const env = new Environment(variables);
  const config = {
    database: readDatabase(env),
    dataDir: env.text("DATA_DIR") ?? ".data",
    vault: readVault(env),
    keysFile: env.text("SIGNATURE_KEYS_FILE"),
    checkpoints: readCheckpointSinks(env),
    retentionDays: readRetentionDays(env),
  };
  checkProductionDatabase(env, config.database);
  if (env.faults.length > 0) throw new ConfigError(env.faults);
  return deepFreeze(config);
}

/** Headers hold the collector's credentials: the SDK reads them itself, and nobody else needs them. */
function readOtel(variables: Variables): Config["otel"] {
  const isOurs = (name: string) => name.startsWith("OTEL_") && !name.endsWith("_HEADERS");
  return Object.fromEntries(Object.entries(variables).filter(([name]) => isOurs(name)));
}

function readTls(env: Environment): TlsPaths | undefined {
  const names = ["TLS_CERT_FILE", "TLS_KEY_FILE", "TLS_CLIENT_CA_FILE", "CALLERS_FILE"] as const;
  const [certFile, keyFile, clientCaFile, callersFile] = names.map((name) => env.text(name));
  const missing = names.filter((name) => env.text(name) === undefined);
  if (missing.length === names.length) return undefined;
  if (missing.length > 0) {
    env.fault(names.join(", "), `must be set all together; missing: ${missing.join(", ")}`);
    return undefined;
  }
  return {
    certFile: certFile ?? "",
    keyFile: keyFile ?? "",
    clientCaFile: clientCaFile ?? "",
    callersFile: callersFile ?? "",
  };
}

function checkListeners(env: Environment, { grpc, http, ops, sandbox }: Omit<Config, "allowed">): void {
  if (!isLoopback(grpc.listen.host) && grpc.tls === undefined && !sandbox) {
    env.fault(
      "GRPC_LISTEN",
      "off loopback needs TLS_CERT_FILE, TLS_KEY_FILE, TLS_CLIENT_CA_FILE and CALLERS_FILE",
    );
  }
  const taken = new Map<string, string>();
  for (const [name, { host, port }] of [
    ["GRPC_LISTEN", grpc.listen],
    ["HTTP_LISTEN", http],
    ["OPS_LISTEN", ops],
  ] as const) {
    const other = taken.get(`${host}:${port}`);
    if (port !== 0 && other !== undefined) env.fault(name, `must differ from ${other}`);
    taken.set(`${host}:${port}`, name);
  }
}

/** The sandbox shows every code to whoever opens its inbox: it stays on this machine. */
function checkSandbox(
  env: Environment,
  { sandbox, production, grpc, http, ops, publicUrl }: Omit<Config, "allowed">,
): void {
  if (!sandbox) return;
  if (production) {
    env.fault(
      "NODE_ENV=production",
      "refuses the sandbox: set TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and TWILIO_FROM_NUMBER or TWILIO_MESSAGING_SERVICE_SID",
    );
  }
  if (grpc.tls !== undefined)
    env.fault("TLS_CERT_FILE", "is refused by the sandbox, which has no Twilio credentials");
  for (const [name, { host }] of [
    ["GRPC_LISTEN", grpc.listen],
    ["HTTP_LISTEN", http],
    ["OPS_LISTEN", ops],
  ] as const) {
    if (!isLoopback(host))
      env.fault(name, "must be on loopback in the sandbox, which has no Twilio credentials");
  }
  if (publicUrl !== undefined && !isLoopback(new URL(publicUrl).hostname.replace(/^\[|\]$/g, ""))) {
    env.fault("PUBLIC_URL", "must be on loopback in the sandbox");
  }
}

// Nothing longer is ever fit, and rendering it into every template would take minutes for a whole file.
const longestMessagePart = 253;

function checkTemplates(env: Environment, { brand, webOtpHost }: SignatureConfig): void {
  const tooLong = [
    ...(brand.length > longestMessagePart ? ["SIGNATURE_BRAND"] : []),
    ...(webOtpHost.length > longestMessagePart ? ["SIGNATURE_WEBOTP_HOST"] : []),
  ];
  for (const name of tooLong) env.fault(name, `must not have more than ${longestMessagePart} characters`);
  if (tooLong.length > 0) return;
  for (const finding of lintTemplates({ brand: brand || undefined, webOtpHost: webOtpHost || undefined })) {
    if (finding.fault === undefined) continue;
    const name = finding.template === "webotp-host" ? "SIGNATURE_WEBOTP_HOST" : "SIGNATURE_BRAND";
    env.fault(name, `makes message ${finding.template} unfit: ${finding.fault}`);
  }
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const part of Object.values(value)) deepFreeze(part);
  }
  return value;
}
