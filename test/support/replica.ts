import { randomBytes } from "node:crypto";
import { v7 } from "uuid";
import type { CallerLimit } from "../../src/domain/caller-limit.ts";
import { Failure } from "../../src/domain/failure.ts";
import type { KeySource } from "../../src/domain/keys.ts";
import type { BlockRules, StartLimits } from "../../src/domain/limits.ts";
import type { Observation } from "../../src/domain/observation.ts";
import type { AllowedCountries, Route } from "../../src/domain/routing.ts";
import type { ResendRules } from "../../src/domain/stores.ts";
import { PostgresClosingStore } from "../../src/postgres/closing-store.ts";
import type { Database } from "../../src/postgres/database.ts";
import { PostgresDeliveryStore } from "../../src/postgres/delivery-store.ts";
import { guarded } from "../../src/postgres/errors.ts";
import { PostgresEvidenceStore } from "../../src/postgres/evidence-store.ts";
import { PostgresSignatureReader } from "../../src/postgres/signature-reader.ts";
import { PostgresSignatureStore } from "../../src/postgres/signature-store.ts";
import { PostgresUpkeepStore } from "../../src/postgres/upkeep-store.ts";
import type { BreakerSettings } from "../../src/resilience/circuit-breaker.ts";
import { CallPolicy } from "../../src/resilience/policy.ts";
import { UnlimitedRate } from "../../src/resilience/rate.ts";
import { AbortSignature } from "../../src/usecases/abort-signature.ts";
import { CompleteSignature } from "../../src/usecases/complete-signature.ts";
import { DeliverChallenge } from "../../src/usecases/deliver-challenge.ts";
import type { ProviderLine } from "../../src/usecases/delivery-run.ts";
import { GetSignature } from "../../src/usecases/get-signature.ts";
import { InFlight } from "../../src/usecases/in-flight.ts";
import { KeepReceipts } from "../../src/usecases/keep-receipts.ts";
import type { PumpingGuard } from "../../src/usecases/pumping-guard.ts";
import { RecordReceipt } from "../../src/usecases/record-receipt.ts";
import { Replay } from "../../src/usecases/replay.ts";
import { SendChallenge } from "../../src/usecases/send-challenge.ts";
import { SignatureChanges } from "../../src/usecases/signature-changes.ts";
import { StartSignature } from "../../src/usecases/start-signature.ts";
import { type MessageUpkeep, Sweep } from "../../src/usecases/sweep.ts";
import { WatchSignature } from "../../src/usecases/watch-signature.ts";
import type { FakeProvider } from "../fakes/fake-provider.ts";
import type { ServiceTime } from "./service-time.ts";
import { noBlock, noLimits } from "./stores.ts";

export interface ReplicaSettings {
  readonly retryUnknown?: boolean;
  readonly retryDelaysMs?: readonly number[];
  readonly leaseMs?: number;
  readonly attempts?: number;
  readonly resend?: Partial<ResendRules>;
  readonly routes?: readonly Route[];
  readonly allowedCountries?: AllowedCountries;
  readonly breaker?: BreakerSettings;
  readonly messages?: MessageUpkeep;
  readonly limits?: StartLimits;
  readonly block?: BlockRules;
  readonly callerLimit?: CallerLimit;
  readonly pumping?: PumpingGuard;
}

interface Shared {
  readonly time: ServiceTime;
  readonly keys: KeySource;
  readonly provider: FakeProvider;
  readonly database: Database;
}

/** One process of the service, wired as main.ts does it; it can be stalled and killed between two statements. */
export class Replica {
  readonly startSignature: StartSignature;
  readonly sendChallenge: SendChallenge;
  readonly completeSignature: CompleteSignature;
  readonly keepReceipts: KeepReceipts;
  readonly abortSignature: AbortSignature;
  readonly getSignature: GetSignature;
  readonly watchSignature: WatchSignature;
  readonly recordReceipt: RecordReceipt;
  readonly inFlight: InFlight;
  readonly observed: Observation[] = [];
  readonly #sweep: Sweep;
  readonly #time: ServiceTime;
  readonly #faults = new Map<string, number>();
  readonly #calls = new Map<string, number>();
  readonly #stalls = new Map<string, Promise<void>>();
  #killed = false;

  constructor({ time, keys, provider, database }: Shared, settings: ReplicaSettings) {
    this.#time = time;
    const clock = time;
    const random = { uuid: () => v7(), bytes: (count: number) => randomBytes(count), fraction: () => 1 };
    const observer = { observe: (observation: Observation) => void this.observed.push(observation) };
    const signatures = this.#reached(new PostgresSignatureStore(database));
    const closings = this.#reached(new PostgresClosingStore(database, true));
    const deliveries = this.#reached(new PostgresDeliveryStore(database));
    const reader = this.#reached(new PostgresSignatureReader(database));
    const receipts = this.#reached(new PostgresEvidenceStore(database));
    const upkeep = this.#reached(new PostgresUpkeepStore(database));
    const inFlight = new InFlight(observer);
    this.inFlight = inFlight;
    const { retryUnknown = true, retryDelaysMs = [500, 1000, 2000], leaseMs = 20_000 } = settings;
    const limits = { timeoutMs: 5000, budgetMs: 15_000, retryUnknown };
    const policy = new CallPolicy({
      ...{ provider: provider.name, clock, random, rate: new UnlimitedRate(), ...limits, retryDelaysMs },
      ...{ askTimeoutMs: 5000, maxInFlight: 1000, breaker: settings.breaker },
    });
    const line: ProviderLine = {
      ...{ provider, policy, ...limits, settleMs: 2000 },
      refreshCredentials: async () => false,
    };
    const lines = new Map([[provider.name, line]]);
    const changes = new SignatureChanges({ reader, clock, observer, pollMs: 250 });
    const deliver = new DeliverChallenge({ lines, deliveries, keys, changes, clock, observer });
    const calls = retryDelaysMs.length + 1;
    const replay = new Replay({
      keys,
      reader,
      deliveries,
      deliver,
      inFlight,
      changes,
      clock,
      calls,
      leaseMs,
    });
    const sending = {
      ...{
        signatures,
        deliveries,
        reader,
        keys,
        deliver,
        replay,
        inFlight,
        changes,
        clock,
        random,
        observer,
      },
      routes: settings.routes ?? [{ channel: provider.channel, provider: provider.name }],
      challenge: { brand: "", webOtpHost: "", calls, leaseMs },
      ...{ callerLimit: settings.callerLimit, pumping: settings.pumping },
    };
    this.startSignature = new StartSignature({
      ...sending,
      allowedCountries: settings.allowedCountries ?? "*",
      attempts: settings.attempts ?? 3,
      limits: settings.limits ?? noLimits,
    });
    const rules = { cooldownMs: 30_000, most: 5, ...(settings.limits ?? noLimits), ...settings.resend };
    this.sendChallenge = new SendChallenge({ ...sending, rules });
    this.keepReceipts = new KeepReceipts({ closings, observer });
    this.completeSignature = new CompleteSignature({
      closings,
      receipts: this.keepReceipts,
      keys,
      observer,
      block: settings.block ?? noBlock,
      pumping: settings.pumping,
    });
    this.abortSignature = new AbortSignature({ closings, reader, observer });
    this.getSignature = new GetSignature({ reader, receipts, keys });
    this.watchSignature = new WatchSignature({ reader, changes });
    this.recordReceipt = new RecordReceipt({ deliveries, observer });
    const nothingDue: MessageUpkeep = { confirm: async () => "done", redact: async () => "done" };
    this.#sweep = new Sweep({
      ...{ deliveries, upkeep, deliver, inFlight, clock, observer, leaseMs, everyMs: 1000 },
      messages: settings.messages ?? nothingDue,
      pumping: settings.pumping,
    });
  }

  /** One round of the sweeper. What it takes over goes on after it. */
  async sweep(): Promise<void> {
    await this.#time.drive(this.#sweep.once(new AbortController().signal));
    await this.#time.idle();
  }

  /** The sweeper until the signal fires. */
  sweeping(signal: AbortSignal): Promise<void> {
    return this.#sweep.run(signal);
  }

  async history(signatureId: string) {
    return await this.getSignature.execute({ caller: "payments", signatureId });
  }

  async timeline(signatureId: string): Promise<string[]> {
    return (await this.history(signatureId)).timeline.map((event) => event.type);
  }

  saw(type: Observation["type"]): Observation[] {
    return this.observed.filter((observation) => observation.type === type);
  }

  /** How often a store's method was called. */
  calls(method: string): number {
    return this.#calls.get(method) ?? 0;
  }

  /** The database is away for so many calls of a store's method. */
  loseDatabase(method: string, times: number): void {
    this.#faults.set(method, times);
  }

  /** The process stops (SIGSTOP) when a store's method was committed, before it hears of it. */
  stallAfter(method: string): { resume(): void } {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#stalls.set(method, promise);
    return {
      resume: () => {
        this.#stalls.delete(method);
        resolve();
      },
    };
  }

  /** The process is gone (SIGKILL): nothing of it reaches the database any more. */
  kill(): void {
    this.#killed = true;
  }

  /** A store as this process reaches it. */
  #reached<T extends object>(store: T): T {
    const real = guarded(store);
    return new Proxy(real, {
      get: (target, property) => {
        const member: unknown = Reflect.get(target, property, target);
        if (typeof member !== "function") return member;
        return (...args: unknown[]) => this.#call(String(property), () => member.apply(target, args));
      },
    });
  }

  async #call(method: string, run: () => Promise<unknown>): Promise<unknown> {
    if (this.#killed) return await new Promise(() => undefined);
    this.#calls.set(method, this.calls(method) + 1);
    const faults = this.#faults.get(method) ?? 0;
    if (faults > 0) {
      this.#faults.set(method, faults - 1);
      throw new Failure("SERVICE_UNAVAILABLE", "the database is not available", { retryAfterMs: 1000 });
    }
    const result = await this.#time.track(run());
    await this.#stalls.get(method);
    if (this.#killed) return await new Promise(() => undefined);
    return result;
  }
}
