import { randomBytes } from "node:crypto";
import { longestSettleMs } from "../config/timing.ts";
import type { Config } from "../config.ts";
import type { Clock, Random } from "../domain/clock.ts";
import type { Observer } from "../domain/observation.ts";
import { uuidTime } from "../domain/uuid.ts";
import type { Database } from "../postgres/database.ts";
import { PostgresProviderRate } from "../postgres/provider-rate.ts";
import { CallPolicy, type PolicyListener } from "../resilience/policy.ts";
import { SharedRate, UnlimitedRate } from "../resilience/rate.ts";
import { SettlingPause } from "../resilience/settling-pause.ts";
import type { TwilioDouble } from "../sandbox/twilio-double.ts";
import type { Instruments } from "../telemetry/instruments.ts";
import type { Logger } from "../telemetry/logger.ts";
import { providerMetrics } from "../telemetry/provider-metrics.ts";
import type { CheckDetail, CheckState } from "../telemetry/readiness.ts";
import { tracedProvider } from "../telemetry/traced-provider.ts";
import type { Tracing } from "../telemetry/tracing.ts";
import type { TwilioCredentials } from "../twilio/credentials.ts";
import { type HousekeepingResult, TwilioHousekeeping } from "../twilio/housekeeping.ts";
import type { EvidenceKey } from "../twilio/proof.ts";
import { TwilioSmsProvider } from "../twilio/sms-provider.ts";
import { HttpTransport } from "../twilio/transport.ts";
import type { BreakerSwitch } from "../usecases/carry-out-orders.ts";
import type { ProviderLine } from "../usecases/delivery-run.ts";
import type { MessageUpkeep } from "../usecases/sweep.ts";

export interface Sandbox {
  readonly double: TwilioDouble;
  readonly credentials: TwilioCredentials;
}

/** A Twilio on this machine: no credential of it is worth anything elsewhere. */
export async function startSandbox(): Promise<Sandbox> {
  // Loaded only here: a live process has no double.
  const { TwilioDouble } = await import("../sandbox/twilio-double.ts");
  const accountSid = `AC${randomBytes(16).toString("hex")}`;
  const authToken = randomBytes(16).toString("hex");
  const double = await TwilioDouble.start({ accountSid, authTokens: () => [authToken] });
  return { double, credentials: { accountSid, authToken, fromNumber: "+34910000000" } };
}

interface LineDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly instruments: Instruments;
  readonly tracing: Tracing;
  readonly readiness: { set(name: "breaker", state: CheckState, detail?: CheckDetail): void };
  readonly credentials: () => TwilioCredentials | undefined;
  readonly refreshCredentials: () => Promise<boolean>;
  readonly evidenceKey: () => EvidenceKey;
  /** Where receipts reach us; undefined: nowhere. */
  readonly publicUrl: string | undefined;
  /** Twilio's double; undefined: Twilio itself. */
  readonly sandboxUrl: string | undefined;
}

/** All that the use cases need to send by Twilio, and the connections to close at the end. */
export interface TwilioLine extends ProviderLine {
  readonly policy: CallPolicy;
  readonly messages: MessageUpkeep;
  readonly breaker: BreakerSwitch;
  readonly settling: SettlingPause;
  close(): Promise<void>;
}

export async function openTwilioLine(config: Config, deps: LineDeps): Promise<TwilioLine> {
  const { tracing, instruments, logger, readiness, credentials, refreshCredentials } = deps;
  const { provideFeedback, maxInFlight } = config.twilio;
  const apiUrl = new URL(deps.sandboxUrl ?? config.twilio.apiUrl);
  const transport = new HttpTransport({ baseUrl: apiUrl.href, connections: maxInFlight });
  const provider = tracedProvider(new TwilioSmsProvider({ ...deps, transport, provideFeedback }), tracing, {
    address: apiUrl.hostname,
    port: Number(apiUrl.port || 443),
    template: "/2010-04-01/Accounts/{AccountSid}/Messages.json",
  });
  const metrics = providerMetrics({ instruments, logger, provider: provider.name });
  const mostMs = longestSettleMs(config);
  const settling = new SettlingPause({ clock: deps.clock, leastMs: config.twilio.settleMs, mostMs });
  const listener: PolicyListener = {
    ...metrics,
    onCall(call) {
      metrics.onCall(call);
      settling.called(call.durationMs);
    },
    onBreaker(state) {
      metrics.onBreaker(state);
      if (state === "closed") readiness.set("breaker", "ok");
      else readiness.set("breaker", "degraded", state);
    },
  };
  const policy = await twilioPolicy(config, deps.database, { ...deps, listener });
  readiness.set("breaker", "ok");
  return {
    ...config.twilio,
    ...{ provider, policy, refreshCredentials, settling },
    messages: messageUpkeep({ transport, credentials, policy, provideFeedback }),
    breaker: {
      provider: provider.name,
      open: () => policy.breaker.isolate(),
      close: () => policy.breaker.close(),
    },
    close: () => transport.close(),
  };
}

/** Hands every observation on, and each message that turned up too late to the pause that did not cover it. */
export function watchedForDuplicates(
  observer: Observer,
  { settling, timeoutMs }: Pick<TwilioLine, "settling" | "timeoutMs">,
): Observer {
  return {
    observe(observation) {
      if (observation.type === "duplicate_sent") {
        // The challenge is as old as its first call.
        const createdAt = uuidTime(observation.challengeId);
        if (createdAt !== undefined) settling.cameLate(Math.max(0, Date.now() - createdAt - timeoutMs));
      }
      observer.observe(observation);
    },
  };
}

async function twilioPolicy(
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
    rate: perSecond > 0 ? new SharedRate({ clock: deps.clock, slots: shared }) : new UnlimitedRate(),
  });
}

/** What is owed at Twilio after a message has served: feedback, where it was announced, and redaction. */
function messageUpkeep(deps: {
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
