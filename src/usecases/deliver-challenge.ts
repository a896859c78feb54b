import type { Clock } from "../domain/clock.ts";
import type { Observer } from "../domain/observation.ts";
import { type CallPermit, LeaseLost, ProviderError } from "../domain/provider.ts";
import type { SendingPlan } from "../domain/sending-policy.ts";
import type {
  AcceptanceSource,
  ChallengeMaterial,
  ChallengeStanding,
  DeliveryStore,
  Lease,
} from "../domain/stores.ts";
import { type DeliveryEnd, type DeliveryRun, idsOf, type ProviderLine } from "./delivery-run.ts";
import { LookUpChallenge } from "./look-up-challenge.ts";
import { type ChallengeOpening, type OutgoingChallenge, openChallenge } from "./outgoing-challenge.ts";
import { RecordOutcome } from "./record-outcome.ts";
import type { SignatureChanges } from "./signature-changes.ts";

interface Deps extends ChallengeOpening {
  readonly lines: ReadonlyMap<string, ProviderLine>;
  readonly deliveries: DeliveryStore;
  readonly changes: SignatureChanges;
  readonly clock: Clock;
  readonly observer: Observer;
}

/** What a call waits for its turn and for a place, after the pause before it. */
const untilCalledMs = 2000;

/** Known-once sending: each call is committed before it is made, and an unknown one is looked up first. */
export class DeliverChallenge {
  readonly #deps: Deps;
  readonly #outcomes: RecordOutcome;
  readonly #lookUp: LookUpChallenge;

  constructor(deps: Deps) {
    this.#deps = deps;
    this.#outcomes = new RecordOutcome(deps);
    this.#lookUp = new LookUpChallenge({ ...deps, outcomes: this.#outcomes });
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
    const run = this.#run(challenge, start.lease, start.startedAt, start.startedAt + start.lifeMs);
    return await this.#send(run, { ...start, begun: true }, signal);
  }

  /** Sends a challenge that had been given up, with fresh calls. */
  async again(material: ChallengeMaterial, startedAt: number, signal: AbortSignal): Promise<DeliveryEnd> {
    const challenge = await openChallenge(this.#deps, material);
    if (challenge === undefined) return { end: "unsettled" };
    const run = this.#runOf(challenge, material, startedAt);
    // An outcome that was unknown once is only ever looked up where it may not be sent again.
    if (material.lookUps > 0 && !run.line.retryUnknown) return await this.settle(material, startedAt, signal);
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

  /** Reads the list once more of a challenge that was sent again on its word; what shows late is recorded. */
  async lookForDuplicates(
    material: ChallengeMaterial,
    startedAt: number,
    signal: AbortSignal,
  ): Promise<void> {
    const challenge = await openChallenge(this.#deps, material);
    if (challenge === undefined) return;
    const run = this.#runOf(challenge, material, startedAt);
    await this.#lookUp.forDuplicates(run, signal);
  }

  async #settle(
    material: ChallengeMaterial,
    startedAt: number,
    signal: AbortSignal,
    maySend: boolean,
  ): Promise<DeliveryEnd> {
    const challenge = await openChallenge(this.#deps, material);
    if (challenge === undefined) return { end: "unsettled" };
    const run = this.#runOf(challenge, material, startedAt);
    const standing = { version: material.version, accepted: undefined };
    const { resolution, knownBy } = await this.#lookUp.execute(run, standing, signal);
    if (resolution === "unknown") return await this.#outcomes.park(run, material.lookUps);
    if (resolution !== "absent") return await this.#outcomes.accepted(run, resolution, knownBy, signal);
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
    return await this.#outcomes.giveUp(run, absent, signal);
  }

  async #send(
    run: DeliveryRun,
    start: { startedAt: number; calls: number; lifeMs: number; begun: boolean },
    signal: AbortSignal,
  ): Promise<DeliveryEnd> {
    const { clock, deliveries, observer } = this.#deps;
    const { challenge, line, lease } = run;
    const ids = idsOf(run);
    let { begun, startedAt, lifeMs } = start;
    let attempt = 1;
    let source: AcceptanceSource = "answer";
    let standing: ChallengeStanding = { version: 0, accepted: undefined };
    let lookUps = 0;
    let absent = false;
    // When the lease was renewed last, by the monotonic clock.
    let renewedAt = startedAt;
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
          renewedAt = before;
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
        // What an earlier look-up showed says nothing about this call.
        absent = false;
        observer.observe({
          type: "provider_failed",
          ...ids,
          outcome: error.outcome,
          errorCode: error.providerErrorCode,
          accountAtFault: error.accountAtFault,
          attempt,
        });
        if (error.outcome === "unknown") {
          renewedAt = clock.now();
          standing = await deliveries.unknown(challenge.challengeId, lease, error.providerErrorCode);
        }
      },
      // A provider may ask for any pause; without the lease others would take over and not know of it.
      mayWait: (ms) => clock.now() + ms + untilCalledMs <= renewedAt + lease.durationMs,
      resolve: async (_error, resolveSignal) => {
        const { resolution, knownBy } = await this.#lookUp.execute(run, standing, resolveSignal);
        renewedAt = clock.now();
        lookUps += 1;
        absent = resolution === "absent";
        if (typeof resolution === "object") source = knownBy;
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
      return await this.#outcomes.accepted(run, result, source, signal);
    } catch (error) {
      if (!(error instanceof ProviderError)) {
        if (error instanceof LeaseLost) return { end: "unsettled" };
        // At a shutdown the challenge is handed on at once; otherwise a sweeper takes over when the lease has
        // run out. Nothing that was recorded is lost.
        if (signal.aborted) return await this.#outcomes.handOn(run);
        observer.observe({ type: "upkeep_failed", step: "deliver_challenge", cause: error });
        return { end: "unsettled" };
      }
      if (error.outcome === "rejected") return await this.#outcomes.refused(run, error, signal);
      if (signal.aborted) return await this.#outcomes.handOn(run);
      if (error.outcome === "not_accepted" || absent) return await this.#outcomes.giveUp(run, error, signal);
      return await this.#outcomes.park(run, lookUps);
    }
  }

  #runOf(challenge: OutgoingChallenge, material: ChallengeMaterial, startedAt: number): DeliveryRun {
    const { lease, firstCallAgeMs, lifeLeftMs } = material;
    return this.#run(challenge, lease, startedAt - firstCallAgeMs, startedAt + lifeLeftMs);
  }

  #run(challenge: OutgoingChallenge, lease: Lease, firstCallAt: number, diesAt: number): DeliveryRun {
    const line = this.#deps.lines.get(challenge.provider);
    if (line === undefined) throw new Error(`no provider ${challenge.provider}`);
    return { challenge, line, lease, firstCallAt, diesAt };
  }
}
