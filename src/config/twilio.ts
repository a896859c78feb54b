import type { Environment } from "./environment.ts";
import { Secret } from "./secret.ts";

/** Credentials as given; whether they are well formed is checked by the adapter that uses them. */
export interface TwilioCredentialValues {
  readonly accountSid: string;
  readonly authToken: Secret;
  readonly fromNumber: string | undefined;
  readonly messagingServiceSid: string | undefined;
  readonly apiKeySid: string | undefined;
  readonly apiKeySecret: Secret | undefined;
}

export interface BreakerConfig {
  readonly failureRate: number;
  readonly minCalls: number;
  readonly windowCalls: number;
  readonly openMs: number;
}

export interface TwilioConfig {
  readonly credentials: TwilioCredentialValues | undefined;
  readonly apiUrl: string;
  readonly timeoutMs: number;
  readonly retryDelaysMs: readonly number[];
  readonly retryUnknown: boolean;
  readonly budgetMs: number;
  readonly settleMs: number;
  /** Over all replicas; 0: no limit. */
  readonly messagesPerSecond: number;
  readonly maxInFlight: number;
  readonly breaker: BreakerConfig | undefined;
  readonly provideFeedback: boolean;
}

const credentialNames = [
  "TWILIO_ACCOUNT_SID",
  "TWILIO_AUTH_TOKEN",
  "TWILIO_FROM_NUMBER",
  "TWILIO_MESSAGING_SERVICE_SID",
  "TWILIO_API_KEY_SID",
  "TWILIO_API_KEY_SECRET",
] as const;

export function readTwilio(env: Environment, vault: boolean): TwilioConfig {
  return {
    credentials: readCredentials(env, vault),
    apiUrl: env.url("TWILIO_API_URL") ?? "https://api.twilio.com/2010-04-01",
    // Less than 30 s: so long is a look-up claimed (usecases/sweep.ts), and are credentials new (main/secrets.ts).
    timeoutMs: env.number("TWILIO_TIMEOUT_SECONDS", 5, 0.1, 28) * 1000,
    retryDelaysMs: readDelays(env),
    retryUnknown: env.oneOf("TWILIO_RETRY_UNKNOWN", ["true", "false"], "true") === "true",
    budgetMs: env.number("TWILIO_BUDGET_SECONDS", 15, 0.1, 300) * 1000,
    settleMs: env.number("TWILIO_SETTLE_MS", 2000, 0, 60_000),
    messagesPerSecond: env.number("TWILIO_MESSAGES_PER_SECOND", 100, 0, 100_000),
    maxInFlight: env.whole("TWILIO_MAX_IN_FLIGHT", 1000, 1, 100_000),
    breaker: readBreaker(env),
    provideFeedback: env.oneOf("TWILIO_PROVIDE_FEEDBACK", ["true", "false"], "false") === "true",
  };
}

/** One wait before each further call; an empty value, unlike an unset one, means none. */
function readDelays(env: Environment): readonly number[] {
  const defaults = [500, 1000, 2000];
  const raw = env.list("TWILIO_RETRY_DELAYS_MS");
  if (raw === undefined) return defaults;
  const delays = raw.map(Number);
  if (raw.some((delay) => !/^\d+(\.\d+)?$/.test(delay)) || delays.some((delay) => delay > 60_000)) {
    env.fault("TWILIO_RETRY_DELAYS_MS", "must be milliseconds up to 60000, separated by commas");
  } else if (delays.length > 9) {
    env.fault("TWILIO_RETRY_DELAYS_MS", "must have at most 9 waits");
  } else return delays;
  return defaults;
}

function readBreaker(env: Environment): BreakerConfig | undefined {
  const failureRate = env.number("TWILIO_BREAKER_FAILURE_RATE", 0.5, 0, 1);
  const minCalls = env.whole("TWILIO_BREAKER_MIN_CALLS", 10, 1, 100_000);
  const windowCalls = env.whole("TWILIO_BREAKER_WINDOW_CALLS", 100, 1, 100_000);
  const openMs = env.number("TWILIO_BREAKER_OPEN_SECONDS", 30, 0.1, 3600) * 1000;
  return failureRate === 0 ? undefined : { failureRate, minCalls, windowCalls, openMs };
}

function readCredentials(env: Environment, vault: boolean): TwilioCredentialValues | undefined {
  const given = credentialNames.filter((name) => env.text(name) !== undefined);
  if (given.length === 0) return undefined;
  if (vault) {
    env.fault(given.join(" and "), "must not be set beside VAULT_ADDR, where the credentials come from");
    return undefined;
  }
  for (const name of ["TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"] as const) {
    if (!given.includes(name)) env.fault(name, "is missing from the Twilio credentials");
  }
  const senders = ["TWILIO_FROM_NUMBER", "TWILIO_MESSAGING_SERVICE_SID"] as const;
  if (senders.filter((name) => given.includes(name)).length !== 1) {
    env.fault(senders.join(" or "), "must be set, and not both");
  }
  if (given.includes("TWILIO_API_KEY_SID") !== given.includes("TWILIO_API_KEY_SECRET")) {
    env.fault("TWILIO_API_KEY_SID and TWILIO_API_KEY_SECRET", "must be set together");
  }
  return {
    accountSid: env.text("TWILIO_ACCOUNT_SID") ?? "",
    authToken: env.secret("TWILIO_AUTH_TOKEN") ?? new Secret(""),
    fromNumber: env.text("TWILIO_FROM_NUMBER"),
    messagingServiceSid: env.text("TWILIO_MESSAGING_SERVICE_SID"),
    apiKeySid: env.text("TWILIO_API_KEY_SID"),
    apiKeySecret: env.secret("TWILIO_API_KEY_SECRET"),
  };
}
