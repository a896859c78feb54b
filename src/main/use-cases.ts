import type { SignatureConfig } from "../config/signature.ts";
import type { TwilioConfig } from "../config/twilio.ts";
import { type CheckpointSink, keptOutside } from "../domain/checkpoint-sink.ts";
import type { Clock, Random } from "../domain/clock.ts";
import { type CodeDerivation, RingCodes } from "../domain/code-derivation.ts";
import type { KeySource } from "../domain/keys.ts";
import type { BudgetLimits } from "../domain/message-budget.ts";
import type { MessageTexts } from "../domain/message-texts.ts";
import type { Observer } from "../domain/observation.ts";
import type { Route } from "../domain/routing.ts";
import { RingSigner, type Signer } from "../domain/signer.ts";
import { SharedCallerLimit } from "../resilience/caller-limit.ts";
import { SharedMessageBudget } from "../resilience/message-budget.ts";
import { AbortSignature } from "../usecases/abort-signature.ts";
import { type BreakerSwitch, CarryOutOrders } from "../usecases/carry-out-orders.ts";
import { CompleteSignature } from "../usecases/complete-signature.ts";
import { DeliverChallenge } from "../usecases/deliver-challenge.ts";
import { DeliverCheckpoints } from "../usecases/deliver-checkpoints.ts";
import type { ProviderLine } from "../usecases/delivery-run.ts";
import { GetSignature } from "../usecases/get-signature.ts";
import { InFlight } from "../usecases/in-flight.ts";
import { KeepReceipts } from "../usecases/keep-receipts.ts";
import { PumpingGuard } from "../usecases/pumping-guard.ts";
import { RecordReceipt } from "../usecases/record-receipt.ts";
import { RemoveClosedSignatures } from "../usecases/remove-closed-signatures.ts";
import { Replay } from "../usecases/replay.ts";
import { SealSignatures } from "../usecases/seal-signatures.ts";
import { SendChallenge } from "../usecases/send-challenge.ts";
import { SignatureChanges } from "../usecases/signature-changes.ts";
import { StartSignature } from "../usecases/start-signature.ts";
import { type MessageUpkeep, Sweep } from "../usecases/sweep.ts";
import { WatchSignature } from "../usecases/watch-signature.ts";
import type { Stores } from "./stores.ts";

/** What the use cases speak to: in a process the real things, in tests some doubles. */
export interface Ports {
  readonly stores: Stores;
  readonly lines: readonly ProviderLine[];
  readonly routes: readonly Route[];
  /** The breakers of the lines, for operators' orders. */
  readonly breakers: readonly BreakerSwitch[];
  readonly messages: MessageUpkeep;
  readonly keys: KeySource;
  /** Default: the receipt ring. */
  readonly signer?: Signer;
  /** Default: the ring of peppers. */
  readonly codes?: CodeDerivation;
  readonly texts: MessageTexts;
  readonly clock: Clock;
  readonly random: Random;
  readonly observer: Observer;
  /** Places outside the database that get checkpoints; undefined: none. */
  readonly checkpointSinks?: readonly CheckpointSink[];
  /** The limits of one caller alone; what is undefined is as for all. */
  readonly ownLimits: (caller: string) => OwnLimits | undefined;
}

export interface OwnLimits {
  readonly perSecond: number | undefined;
  readonly budget?: Partial<BudgetLimits>;
}

export interface UseCaseConfig {
  readonly signature: Omit<SignatureConfig, "keysFile" | "textVersion">;
  readonly twilio: Pick<TwilioConfig, "retryDelaysMs">;
}

export type UseCases = ReturnType<typeof buildUseCases>;

/** All use cases, wired: the only place where it is done, for the service, its tests and its bench. */
export function buildUseCases(ports: Ports, config: UseCaseConfig) {
  const { stores, keys, texts, clock, random, observer } = ports;
  const sinks = ports.checkpointSinks ?? [];
  const signer = ports.signer ?? new RingSigner(keys);
  const codes = ports.codes ?? new RingCodes(keys);
  const { signatures, closings, deliveries, reader, upkeep, evidence, orders } = stores;
  const { leaseMs, limits, lockout, attempts } = config.signature;
  const calls = config.twilio.retryDelaysMs.length + 1;

  const inFlight = new InFlight(observer);
  const changes = new SignatureChanges({ reader, clock, observer, pollMs: 250 });
  const lines = new Map(ports.lines.map((line) => [line.provider.name, line]));
  const deliver = new DeliverChallenge({ lines, deliveries, keys, codes, texts, changes, clock, observer });
  const replay = new Replay({ keys, reader, deliveries, deliver, inFlight, changes, clock, calls, leaseMs });
  const callerLimit = new SharedCallerLimit({
    clock,
    grants: stores.callerGrants,
    perSecond: (caller) => ports.ownLimits(caller)?.perSecond ?? limits.callerPerSecond,
  });
  const pumping = pumpingGuard(ports, config.signature);
  const { limits: budgetLimits, callerLimits, prices } = config.signature.budget;
  const budget = new SharedMessageBudget({
    ...{ store: stores.messageBudget, clock, observer, prices, limits: budgetLimits },
    callerLimits: (caller) => ({ ...callerLimits, ...ports.ownLimits(caller)?.budget }),
  });

  const sending = {
    ...{
      signatures,
      deliveries,
      reader,
      keys,
      codes,
      deliver,
      replay,
      inFlight,
      changes,
      clock,
      random,
      observer,
    },
    ...{ callerLimit, pumping, budget, texts },
    routes: ports.routes,
    challenge: { brand: config.signature.brand, webOtpHost: config.signature.webOtpHost, calls, leaseMs },
  };
  const { allowedCountries, allowedNumberTypes, defaultLocale } = config.signature;
  const startSignature = new StartSignature({
    ...sending,
    ...{ allowedCountries, allowedNumberTypes, attempts, defaultLocale, limits },
  });
  const { resendCooldownMs: cooldownMs, resendMax: most } = config.signature;
  const sendChallenge = new SendChallenge({ ...sending, rules: { cooldownMs, most, ...limits } });
  const receipts = new KeepReceipts({ closings, observer });
  const completeSignature = new CompleteSignature({
    ...{ closings, receipts, keys, codes, signer, texts, observer, lockout, pumping },
  });
  const abortSignature = new AbortSignature({ closings, reader, observer });

  const carryOutOrders = new CarryOutOrders({
    ...{ orders, abortSignature, sendChallenge, deliveries, deliver, inFlight },
    ...{ clock, observer, calls, leaseMs, breakers: ports.breakers },
  });
  const sealSignatures = new SealSignatures({
    ...{ evidence, keys, signer, observer },
    outside: () => keptOutside(sinks),
  });
  const deliverCheckpoints = new DeliverCheckpoints({ evidence, sinks, observer });
  const removeClosed = new RemoveClosedSignatures({
    ...{ evidence, clock },
    retentionDays: config.signature.retentionDays,
  });
  const sweep = new Sweep({
    ...{ deliveries, upkeep, deliver, inFlight, clock, observer, leaseMs, pumping },
    everyMs: config.signature.sweepMs,
    messages: ports.messages,
    chores: {
      carry_out_orders: () => carryOutOrders.once(20),
      seal: (signal) => sealSignatures.once(signal),
      deliver_checkpoints: (signal) => deliverCheckpoints.once(signal),
      remove_closed: () => removeClosed.once(),
      look_at_budget: () => budget.look(),
    },
  });

  return {
    ...{ startSignature, sendChallenge, completeSignature, abortSignature, receipts, callerLimit },
    getSignature: new GetSignature({ reader, receipts: evidence, signer }),
    watchSignature: new WatchSignature({ reader, changes }),
    recordReceipt: new RecordReceipt({ deliveries, keys, observer }),
    ...{ carryOutOrders, sweep, inFlight, changes, budget },
  };
}

function pumpingGuard({ stores, clock, observer }: Ports, { pumping }: UseCaseConfig["signature"]) {
  const { guard: mode, homeCountries } = pumping;
  if (mode === "off") return undefined;
  return new PumpingGuard({ traffic: stores.traffic, clock, observer, mode, homeCountries });
}
