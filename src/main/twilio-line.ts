import { randomBytes } from "node:crypto";
import type { Config } from "../config.ts";
import type { Clock, Random } from "../domain/clock.ts";
import type { Database } from "../postgres/database.ts";
import { PostgresProviderRate } from "../postgres/provider-rate.ts";
import { CallPolicy, type PolicyListener } from "../resilience/policy.ts";
import { SharedRate, UnlimitedRate } from "../resilience/rate.ts";
import type { TwilioDouble } from "../sandbox/twilio-double.ts";
import type { TwilioCredentials } from "../twilio/credentials.ts";
import { type HousekeepingResult, TwilioHousekeeping } from "../twilio/housekeeping.ts";
import type { HttpTransport } from "../twilio/transport.ts";
import type { MessageUpkeep } from "../usecases/sweep.ts";

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

/** What is owed at Twilio after a message has served: feedback, where it was announced, and redaction. */
export function messageUpkeep(deps: {
  readonly transport: HttpTransport;
  readonly credentials: () => TwilioCredentials | undefined;
  readonly policy: CallPolicy;
  readonly provideFeedback: boolean;
}): MessageUpkeep {
  const { policy, provideFeedback } = deps;
  const housekeeping = new TwilioHousekeeping(deps);
  const asked = async (ask: (signal: AbortSignal) => Promise<HousekeepingResult>, signal: AbortSignal) =>
    (await policy.ask(ask, signal)) === "later" ? "later" : "done";
  return {
    async confirm({ providerChallengeId }, signal) {
      if (!provideFeedback) return "done";
      return await asked((ask) => housekeeping.confirmFeedback(providerChallengeId, ask), signal);
    },
    async redact({ providerChallengeId }, signal) {
      return await asked((ask) => housekeeping.redactBody(providerChallengeId, ask), signal);
    },
  };
}
