import { randomBytes } from "node:crypto";
import { v7 } from "uuid";
import type { SignatureConfig } from "../../src/config/signature.ts";
import type { CodeDerivation } from "../../src/domain/code-derivation.ts";
import { Failure } from "../../src/domain/failure.ts";
import type { KeySource } from "../../src/domain/keys.ts";
import type { LockoutRules, StartLimits } from "../../src/domain/limits.ts";
import { MessageTexts } from "../../src/domain/message-texts.ts";
import { receivesSms } from "../../src/domain/number-type.ts";
import type { Observation } from "../../src/domain/observation.ts";
import type { TrafficStore } from "../../src/domain/pumping.ts";
import type { AllowedCountries, Route } from "../../src/domain/routing.ts";
import type { Signer } from "../../src/domain/signer.ts";
import type { ResendRules } from "../../src/domain/stores.ts";
import { openStores } from "../../src/main/stores.ts";
import { buildUseCases, type Ports, type UseCases } from "../../src/main/use-cases.ts";
import type { Database } from "../../src/postgres/database.ts";
import type { CallerGrants } from "../../src/resilience/caller-limit.ts";
import type { BreakerSettings } from "../../src/resilience/circuit-breaker.ts";
import { CallPolicy } from "../../src/resilience/policy.ts";
import { UnlimitedRate } from "../../src/resilience/rate.ts";
import type { MessageUpkeep } from "../../src/usecases/sweep.ts";
import type { FakeProvider } from "../fakes/fake-provider.ts";
import type { ServiceTime } from "./service-time.ts";
import { noLimits, noLockout } from "./stores.ts";

export interface ReplicaSettings {
  readonly retryUnknown?: boolean;
  readonly retryDelaysMs?: readonly number[];
  readonly leaseMs?: number;
  readonly budgetMs?: number;
  readonly settleMs?: number;
  /** What the pause follows; without it, it is as configured. */
  readonly settling?: { currentMs(lifeLeftMs: number): number };
  readonly attempts?: number;
  readonly resend?: Partial<ResendRules>;
  readonly routes?: readonly Route[];
  readonly allowedCountries?: AllowedCountries;
  readonly breaker?: BreakerSettings;
  readonly messages?: MessageUpkeep;
  readonly limits?: StartLimits;
  readonly lockout?: LockoutRules;
  /** 0, the default: no limit. */
  readonly callerPerSecond?: number;
  readonly callerGrants?: CallerGrants;
  readonly texts?: MessageTexts;
  readonly signer?: Signer;
  readonly codes?: CodeDerivation;
  readonly brand?: string;
  readonly webOtpHost?: string;
  readonly defaultLocale?: string;
  readonly pumping?: SignatureConfig["pumping"];
  readonly budget?: SignatureConfig["budget"];
  readonly ownLimits?: Ports["ownLimits"];
  readonly traffic?: TrafficStore;
}

interface Shared {
  readonly time: ServiceTime;
  readonly keys: KeySource;
  readonly provider: FakeProvider;
  readonly database: Database;
}

/** One process of the service over a provider in memory; it can be stalled and killed between two statements. */
export class Replica {
  readonly startSignature: UseCases["startSignature"];
  readonly sendChallenge: UseCases["sendChallenge"];
  readonly completeSignature: UseCases["completeSignature"];
  readonly keepReceipts: UseCases["receipts"];
  readonly abortSignature: UseCases["abortSignature"];
  readonly getSignature: UseCases["getSignature"];
  readonly watchSignature: UseCases["watchSignature"];
  readonly recordReceipt: UseCases["recordReceipt"];
  readonly inFlight: UseCases["inFlight"];
  readonly observed: Observation[] = [];
  readonly #sweep: UseCases["sweep"];
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
    const { retryUnknown = true, retryDelaysMs = [500, 1000, 2000] } = settings;
    const { budgetMs = 15_000, settleMs = 2000 } = settings;
    const sending = { timeoutMs: 5000, budgetMs, settleMs, retryUnknown };
    const policy = new CallPolicy({
      ...{ provider: provider.name, clock, random, rate: new UnlimitedRate(), ...sending, retryDelaysMs },
      ...{ askTimeoutMs: 5000, maxInFlight: 1000, breaker: settings.breaker },
    });
    const texts = settings.texts ?? new MessageTexts();
    const stores = openStores(
      database,
      { ...sending, provideFeedback: true, newestText: texts.newest },
      { decorate: (_name, store) => store, observer },
    );
    const nothingDue: MessageUpkeep = { confirm: async () => "done", redact: async () => "done" };
    const built = buildUseCases(
      {
        stores: this.#reachedAll({
          ...stores,
          callerGrants: settings.callerGrants ?? stores.callerGrants,
          traffic: settings.traffic ?? stores.traffic,
        }),
        lines: [
          {
            ...{ provider, policy, ...sending, refreshCredentials: async () => false },
            ...(settings.settling && { settling: settings.settling }),
          },
        ],
        routes: settings.routes ?? [{ channel: provider.channel, provider: provider.name }],
        breakers: [],
        messages: settings.messages ?? nothingDue,
        ...{ keys, texts, clock, random, observer },
        ownLimits: settings.ownLimits ?? (() => undefined),
        ...(settings.signer && { signer: settings.signer }),
        ...(settings.codes && { codes: settings.codes }),
      },
      { signature: signatureConfig(settings), twilio: { retryDelaysMs } },
    );
    this.startSignature = built.startSignature;
    this.sendChallenge = built.sendChallenge;
    this.completeSignature = built.completeSignature;
    this.keepReceipts = built.receipts;
    this.abortSignature = built.abortSignature;
    this.getSignature = built.getSignature;
    this.watchSignature = built.watchSignature;
    this.recordReceipt = built.recordReceipt;
    this.inFlight = built.inFlight;
    this.#sweep = built.sweep;
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

  #reachedAll<T extends object>(stores: T): T {
    const reached = Object.entries(stores).map(([name, store]) => [name, this.#reached(store)]);
    return Object.fromEntries(reached) as T;
  }

  /** A store as this process reaches it. */
  #reached<T extends object>(store: T): T {
    return new Proxy(store, {
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

const nothing = { messages: 0, micros: 0 };
const noBudget = { limits: nothing, callerLimits: nothing, prices: { currency: "", micros: {} } };

function signatureConfig(settings: ReplicaSettings) {
  const { limits = noLimits, resend = {} } = settings;
  return {
    leaseMs: settings.leaseMs ?? 20_000,
    sweepMs: 1000,
    attempts: settings.attempts ?? 3,
    resendCooldownMs: resend.cooldownMs ?? 30_000,
    resendMax: resend.most ?? 5,
    brand: settings.brand ?? "",
    webOtpHost: settings.webOtpHost ?? "",
    defaultLocale: settings.defaultLocale ?? "es",
    retentionDays: 400,
    allowedCountries: settings.allowedCountries ?? "*",
    allowedNumberTypes: receivesSms,
    limits: { ...limits, callerPerSecond: settings.callerPerSecond ?? 0 },
    pumping: settings.pumping ?? { guard: "off" as const, homeCountries: new Set<string>() },
    budget: settings.budget ?? noBudget,
    lockout: settings.lockout ?? noLockout,
  };
}
