import { randomBytes } from "node:crypto";
import { ConfigError } from "../config/config-error.ts";
import type { Config } from "../config.ts";
import type { Clock, Random } from "../domain/clock.ts";
import type { Database } from "../postgres/database.ts";
import { PostgresProviderRate } from "../postgres/provider-rate.ts";
import { CallPolicy, type PolicyListener } from "../resilience/policy.ts";
import { SharedRate, UnlimitedRate } from "../resilience/rate.ts";
import type { TwilioDouble } from "../sandbox/twilio-double.ts";
import { type TwilioCredentials, validateCredentials } from "../twilio/credentials.ts";

/** Credentials from the environment. @throws ConfigError with every malformed one */
export function configuredCredentials(config: Config): TwilioCredentials | undefined {
  const given = config.twilio.credentials;
  if (given === undefined) return undefined;
  const checked = validateCredentials({
    accountSid: given.accountSid,
    authToken: given.authToken.reveal(),
    fromNumber: given.fromNumber,
    messagingServiceSid: given.messagingServiceSid,
    apiKeySid: given.apiKeySid,
    apiKeySecret: given.apiKeySecret?.reveal(),
  });
  if ("credentials" in checked) return checked.credentials;
  const variable = (field: string) =>
    `TWILIO_${field.replace(/[A-Z]/g, (upper) => `_${upper}`).toUpperCase()}`;
  throw new ConfigError(checked.faults.map(({ field, description }) => `${variable(field)} ${description}`));
}

/** A Twilio on this machine: no credential of it is worth anything elsewhere. */
export async function startSandbox(): Promise<{ double: TwilioDouble; credentials: TwilioCredentials }> {
  // Loaded only here: a live process has no double.
  const { TwilioDouble } = await import("../sandbox/twilio-double.ts");
  const accountSid = `AC${randomBytes(16).toString("hex")}`;
  const authToken = randomBytes(16).toString("hex");
  const double = await TwilioDouble.start({ accountSid, authTokens: () => [authToken] });
  return { double, credentials: { accountSid, authToken, fromNumber: "+34910000000" } };
}

export async function twilioPolicy(
  { twilio }: Config,
  database: Database,
  deps: { readonly clock: Clock; readonly random: Random; readonly listener: PolicyListener },
): Promise<CallPolicy> {
  const perSecond = twilio.messagesPerSecond;
  const shared = new PostgresProviderRate(database, "twilio", perSecond);
  if (perSecond > 0) await shared.prepare();
  return new CallPolicy({
    provider: "twilio",
    ...deps,
    ...twilio,
    askTimeoutMs: twilio.timeoutMs,
    rate:
      perSecond > 0
        ? new SharedRate({ clock: deps.clock, reserve: (slots) => shared.reserve(slots) })
        : new UnlimitedRate(),
  });
}
