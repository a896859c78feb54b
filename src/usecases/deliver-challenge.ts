import type { Clock } from "../domain/clock.ts";
import type { KeySource } from "../domain/keys.ts";
import type { Observer } from "../domain/observation.ts";
import {
  type CallPermit,
  LeaseLost,
  ProviderError,
  type ProviderResult,
  type SignatureProvider,
} from "../domain/provider.ts";
import type { Resolution, SendingPlan, SendingPolicy } from "../domain/sending-policy.ts";
import type { Signature } from "../domain/signature.ts";
import type { AcceptanceSource, ChallengeMaterial, DeliveryStore, Lease } from "../domain/stores.ts";
import { type OutgoingChallenge, openChallenge } from "./outgoing-challenge.ts";

/** A provider with the policy that its calls obey. */
export interface ProviderLine {
  readonly provider: SignatureProvider;
  readonly policy: SendingPolicy;
  /** What one call takes at most. */
  readonly timeoutMs: number;
  /** From the first call of a run to the beginning of its last. */
  readonly budgetMs: number;
  /** Pause before an unknown outcome is looked up. */
  readonly settleMs: number;
  /** Whether an unknown outcome that the look-up does not show may be sent again. */
  readonly retryUnknown: boolean;
  refreshCredentials(): Promise<boolean>;
}

/** How sending ended. `unsettled`: it may have been taken, or is another owner's now; the work goes on. */
export type DeliveryEnd =
  | { readonly end: "accepted"; readonly signature: Signature }
  | { readonly end: "refused"; readonly signature: Signature; readonly errorCode: string }
  | { readonly end: "given_up"; readonly signature: Signature; readonly error: ProviderError }
  | { readonly end: "unsettled" };

interface Deps {
  readonly lines: ReadonlyMap<string, ProviderLine>;
  readonly deliveries: DeliveryStore;
  readonly keys: KeySource;
  readonly clock: Clock;
  readonly observer: Observer;
}

/** A run of calls: whose right it is, and when that right was given, by the monotonic clock. */
interface Run {
  readonly challenge: OutgoingChallenge;
  readonly line: ProviderLine;
  readonly lease: Lease;
  readonly firstCallAt: number;
}

/** Known-once sending: each call is committed before it is made, and an unknown one is looked up first. */
export class DeliverChallenge {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /**
   * Sends a challenge whose first call was begun with its creation.
   * @param startedAt monotonic instant before the statement that gave the lease was sent
   */
  async first(
    challenge: OutgoingChallenge,
    start: { lease: Lease; startedAt: number; calls: number; lifeMs: number },
    signal: AbortSignal,
  ): Promise<DeliveryEnd> {
    const run = this.#run(challenge, start.lease, start.startedAt);
    return await this.#send(run, { ...start, begun: true }, signal);
  }

  /** Sends a challenge that had been given up, with fresh calls. */
  async again(material: ChallengeMaterial, startedAt: number, signal: AbortSignal): Promise<DeliveryEnd> {
    const challenge = await openChallenge(this.#deps.keys, material);
    if (challenge === undefined) return { end: "unsettled" };
    const run = this.#run(challenge, material.lease, startedAt);
    const { callsLeft: calls, lifeLeftMs: lifeMs } = material;
    return await this.#send(run, { startedAt, calls, lifeMs, begun: false }, signal);
  }

  /** Finishes what another owner left: looks it up and, where nothing was taken and time is left, sends. */
  async takeOver(material: ChallengeMaterial, startedAt: number, signal: AbortSignal): Promise<DeliveryEnd> {
    const { signatureId, challengeId, provider } = material;
    if (!material.parked) {
      this.#deps.observer.observe({ type: "taken_over", signatureId, challengeId, provider });
    }
    return await this.#settle(material, startedAt, signal, true);
  }

  /** Finds out what became of a parked challenge, and never sends. */
  async settle(material: ChallengeMaterial, startedAt: number, signal: AbortSignal): Promise<DeliveryEnd> {
    return await this.#settle(material, startedAt, signal, false);
  }

  async #settle(
    material: ChallengeMaterial,
    startedAt: number,
    signal: AbortSignal,
    maySend: boolean,
  ): Promise<DeliveryEnd> {
    const challenge = await openChallenge(this.#deps.keys, material);
    if (challenge === undefined) return { end: "unsettled" };
    const run = this.#run(challenge, material.lease, startedAt - material.firstCallAgeMs);
    const resolution = await this.#lookUp(run, signal);
    if (resolution === "unknown") return await this.#park(run, material.lookUps);
    if (resolution !== "absent") return await this.#accepted(run, resolution, "look_up", signal);
    const spent = this.#deps.clock.now() - startedAt;
    const lifeMs = material.lifeLeftMs - spent;
    // A code that is almost dead is of no use to the customer; the caller decides what comes next.
    const worthIt = lifeMs >= Math.min(30_000, material.lifeMs / 3);
    const open = material.signatureOpen && material.pending && material.callsLeft > 0;
    // Once the budget is over nothing is sent behind the caller's back; a crash gives a new one.
    const inBudget = !material.parked || material.firstCallAgeMs + spent < run.line.budgetMs;
    if (maySend && worthIt && open && inBudget && run.line.retryUnknown) {
      return await this.#send(run, { startedAt, calls: material.callsLeft, lifeMs, begun: false }, signal);
    }
    const absent = new ProviderError({
      provider: run.line.provider.name,
      providerErrorCode: "other",
      outcome: "not_accepted",
      retryable: true,
    });
    return await this.#giveUp(run, absent);
  }

  async #send(
    run: Run,
    start: { startedAt: number; calls: number; lifeMs: number; begun: boolean },
    signal: AbortSignal,
  ): Promise<DeliveryEnd> {
    const { clock, deliveries, observer } = this.#deps;
    const { challenge, line, lease } = run;
    const ids = {
      signatureId: challenge.signatureId,
      challengeId: challenge.challengeId,
      provider: line.provider.name,
    };
    let { begun, startedAt, lifeMs } = start;
    let attempt = 1;
    let source: AcceptanceSource = "answer";
    let lookUps = 0;
    let absent = false;
    const plan: SendingPlan = {
      callsLeft: start.calls,
      lifeMs: start.lifeMs,
      begin: async () => {
        if (begun) {
          begun = false;
        } else {
          const before = clock.now();
          const call = await deliveries.beginCall(challenge.challengeId, lease);
          if (call === undefined) throw new LeaseLost();
          startedAt = before;
          attempt = call.attempt;
          lifeMs = call.lifeLeftMs;
        }
        const fits: CallPermit = {
          mayBegin: () => clock.now() + line.timeoutMs <= startedAt + lease.durationMs,
        };
        return fits;
      },
      call: (permit, callSignal) => {
        const lifeLeft = lifeMs - (clock.now() - startedAt);
        const validitySeconds = Math.max(1, Math.floor(lifeLeft / 1000));
        return line.provider.sendChallenge({ ...challenge, attempt, validitySeconds }, permit, callSignal);
      },
      failed: async (error) => {
        observer.observe({
          type: "provider_failed",
          ...ids,
          outcome: error.outcome,
          errorCode: error.providerErrorCode,
          attempt,
        });
        if (error.outcome === "unknown") {
          await deliveries.unknown(challenge.challengeId, lease, error.providerErrorCode);
        }
      },
      resolve: async (_error, resolveSignal) => {
        const resolution = await this.#lookUp(run, resolveSignal);
        lookUps += 1;
        absent = resolution === "absent";
        if (typeof resolution === "object") source = "look_up";
        return resolution;
      },
      refreshCredentials: () => line.refreshCredentials(),
    };
    observer.observe({
      type: "message_composed",
      ...ids,
      encoding: challenge.encoding,
      segments: challenge.segments,
    });
    try {
      const result = await line.policy.send(plan, signal);
      return await this.#accepted(run, result, source, signal);
    } catch (error) {
      if (!(error instanceof ProviderError)) {
        if (error instanceof LeaseLost) return { end: "unsettled" };
        // The lease runs out and a sweeper takes over: nothing that was recorded is lost.
        observer.observe({ type: "upkeep_failed", step: "deliver_challenge", cause: error });
        return { end: "unsettled" };
      }
      if (error.outcome === "rejected") return await this.#refused(run, error);
      if (error.outcome === "not_accepted" || absent) return await this.#giveUp(run, error);
      return await this.#park(run, lookUps);
    }
  }

  /** Waits until what the provider took can show, and reads its list. */
  async #lookUp(run: Run, signal: AbortSignal): Promise<Resolution> {
    const { clock, deliveries, observer } = this.#deps;
    const { challenge, line, lease } = run;
    const ids = {
      signatureId: challenge.signatureId,
      challengeId: challenge.challengeId,
      provider: line.provider.name,
    };
    await clock.sleep(line.settleMs, signal);
    let listed: ProviderResult[];
    try {
      listed = await line.policy.ask((askSignal) => {
        const query = {
          to: challenge.to,
          text: challenge.text,
          firstCallAgeMs: clock.now() - run.firstCallAt,
        };
        return line.provider.findChallenges(query, askSignal);
      }, signal);
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error;
      observer.observe({ type: "looked_up", ...ids, found: "unreadable" });
      await deliveries.lookedUp(challenge.challengeId, lease, "unreadable");
      return "unknown";
    }
    const elsewhere = await deliveries.knownElsewhere(
      challenge.challengeId,
      listed.map((message) => message.providerChallengeId),
    );
    const [first, ...others] = listed.filter((message) => !elsewhere.has(message.providerChallengeId));
    observer.observe({ type: "looked_up", ...ids, found: first === undefined ? "nothing" : "message" });
    if (first === undefined) {
      await deliveries.lookedUp(challenge.challengeId, lease, "nothing");
      return "absent";
    }
    if (others.length > 0) {
      await this.#record(run, first, "look_up", signal);
      for (const other of others) await this.#record(run, other, "look_up", signal);
    }
    return first;
  }

  async #accepted(
    run: Run,
    result: ProviderResult,
    source: AcceptanceSource,
    signal: AbortSignal,
  ): Promise<DeliveryEnd> {
    const signature = await this.#record(run, result, source, signal);
    return signature === undefined ? { end: "unsettled" } : { end: "accepted", signature };
  }

  /** Records an acceptance; while the database is away it tries again for as long as the lease lasts. */
  async #record(
    run: Run,
    result: ProviderResult,
    source: AcceptanceSource,
    signal: AbortSignal,
  ): Promise<Signature | undefined> {
    const { clock, deliveries, observer } = this.#deps;
    const { challengeId, signatureId } = run.challenge;
    const ids = { signatureId, challengeId, provider: run.line.provider.name };
    const until = clock.now() + run.lease.durationMs;
    for (let pauseMs = 50; ; pauseMs = Math.min(1000, pauseMs * 2)) {
      try {
        const acceptance = await deliveries.accepted(challengeId, result, source);
        const { providerChallengeId } = result;
        if (acceptance?.effect === "sent") {
          observer.observe({ type: "challenge_sent", ...ids, providerChallengeId, knownBy: source });
        } else if (acceptance?.effect === "duplicate") {
          observer.observe({ type: "duplicate_sent", ...ids, providerChallengeId });
        }
        return acceptance?.signature;
      } catch (error) {
        observer.observe({ type: "upkeep_failed", step: "record_acceptance", cause: error });
        if (clock.now() + pauseMs > until || signal.aborted) return undefined;
        await clock.sleep(pauseMs, signal);
      }
    }
  }

  async #refused(run: Run, error: ProviderError): Promise<DeliveryEnd> {
    const { signatureId, challengeId } = run.challenge;
    const signature = await this.#deps.deliveries.refused(challengeId, error.providerErrorCode);
    const { providerErrorCode: errorCode, provider } = error;
    this.#deps.observer.observe({
      type: "sending_failed",
      signatureId,
      challengeId,
      provider,
      errorCode,
      refused: true,
    });
    return { end: "refused", signature, errorCode };
  }

  async #giveUp(run: Run, error: ProviderError): Promise<DeliveryEnd> {
    const { signatureId, challengeId } = run.challenge;
    const signature = await this.#deps.deliveries.giveUp(challengeId, run.lease, error.providerErrorCode);
    if (signature === undefined) return { end: "unsettled" };
    const { providerErrorCode: errorCode, provider } = error;
    this.#deps.observer.observe({
      type: "sending_failed",
      signatureId,
      challengeId,
      provider,
      errorCode,
      refused: false,
    });
    return { end: "given_up", signature, error };
  }

  /** Steps aside; the pauses between look-ups grow from 2 s to a minute. */
  async #park(run: Run, lookUps: number): Promise<DeliveryEnd> {
    const pauseMs = Math.min(60_000, 2000 * 2 ** Math.min(lookUps, 10));
    await this.#deps.deliveries.park(run.challenge.challengeId, run.lease, pauseMs);
    return { end: "unsettled" };
  }

  #run(challenge: OutgoingChallenge, lease: Lease, firstCallAt: number): Run {
    const line = this.#deps.lines.get(challenge.provider);
    if (line === undefined) throw new Error(`no provider ${challenge.provider}`);
    return { challenge, line, lease, firstCallAt };
  }
}
