import { wasRefused } from "../domain/challenge.ts";
import type { Clock } from "../domain/clock.ts";
import type { Observer } from "../domain/observation.ts";
import type { ProviderError, ProviderResult } from "../domain/provider.ts";
import type { Acceptance, AcceptanceSource, DeliveryStore } from "../domain/stores.ts";
import { type DeliveryEnd, type DeliveryRun, idsOf } from "./delivery-run.ts";

interface Deps {
  readonly deliveries: DeliveryStore;
  readonly clock: Clock;
  readonly observer: Observer;
}

/** Commits how a run of calls ended; only what was committed is told. */
export class RecordOutcome {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  async accepted(
    run: DeliveryRun,
    result: ProviderResult,
    source: AcceptanceSource,
    signal: AbortSignal,
  ): Promise<DeliveryEnd> {
    const signature = (await this.record(run, result, source, signal))?.signature;
    return signature === undefined ? { end: "unsettled" } : { end: "accepted", signature };
  }

  async record(
    run: DeliveryRun,
    result: ProviderResult,
    source: AcceptanceSource,
    signal: AbortSignal,
  ): Promise<Acceptance | undefined> {
    const { deliveries, observer } = this.#deps;
    const { challengeId } = run.challenge;
    const ids = idsOf(run);
    const acceptance = await this.#persistently(run, "record_acceptance", signal, () =>
      deliveries.accepted(challengeId, result, source),
    );
    const { providerChallengeId } = result;
    if (acceptance?.effect === "sent") {
      observer.observe({ type: "challenge_sent", ...ids, providerChallengeId, knownBy: source });
    } else if (acceptance?.effect === "duplicate") {
      observer.observe({ type: "duplicate_sent", ...ids, providerChallengeId });
    }
    return acceptance;
  }

  async refused(run: DeliveryRun, error: ProviderError, signal: AbortSignal): Promise<DeliveryEnd> {
    const { signatureId, challengeId } = run.challenge;
    const signature = await this.#persistently(run, "record_failure", signal, () =>
      this.#deps.deliveries.refused(challengeId, error.providerErrorCode),
    );
    if (signature === undefined) return { end: "unsettled" };
    const { providerErrorCode: errorCode, provider } = error;
    this.#deps.observer.observe({
      type: "sending_failed",
      signatureId,
      challengeId,
      provider,
      errorCode,
      refused: true,
    });
    // An earlier call may have been taken after all, or the signature closed: it is answered as it is.
    if (!wasRefused(signature.challenge)) return { end: "unsettled" };
    return { end: "refused", signature, errorCode };
  }

  async giveUp(run: DeliveryRun, error: ProviderError, signal: AbortSignal): Promise<DeliveryEnd> {
    const { signatureId, challengeId } = run.challenge;
    const signature = await this.#persistently(run, "record_failure", signal, () =>
      this.#deps.deliveries.giveUp(challengeId, run.lease, error.providerErrorCode),
    );
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
    if (signature.closedAt !== undefined) return { end: "unsettled" };
    return { end: "given_up", signature, error };
  }

  /** Steps aside; the pauses between look-ups grow from 2 s to a minute. */
  async park(run: DeliveryRun, lookUps: number): Promise<DeliveryEnd> {
    const pauseMs = Math.min(60_000, 2000 * 2 ** Math.min(lookUps, 10));
    await this.#deps.deliveries.park(run.challenge.challengeId, run.lease, pauseMs);
    return { end: "unsettled" };
  }

  /** Lets go of the lease: whoever sweeps next finds out what became of the last call. */
  async handOn(run: DeliveryRun): Promise<DeliveryEnd> {
    await this.#deps.deliveries.park(run.challenge.challengeId, run.lease, 0);
    return { end: "unsettled" };
  }

  /**
   * Writes down how a call ended; while the database is away it tries again for as long as the lease lasts.
   * The write MUST change nothing when it is done twice: the first may have been committed unheard of.
   */
  async #persistently<T>(
    run: DeliveryRun,
    step: string,
    signal: AbortSignal,
    write: () => Promise<T>,
  ): Promise<T | undefined> {
    const { clock, observer } = this.#deps;
    const until = clock.now() + run.lease.durationMs;
    for (let pauseMs = 50; ; pauseMs = Math.min(1000, pauseMs * 2)) {
      try {
        return await write();
      } catch (cause) {
        observer.observe({ type: "upkeep_failed", step, cause });
        if (clock.now() + pauseMs > until || signal.aborted) return undefined;
        // A shutdown ends the wait, and one last try is made.
        await clock.sleep(pauseMs, signal).catch(() => undefined);
      }
    }
  }
}
