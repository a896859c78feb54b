import type { Clock } from "../domain/clock.ts";
import type { Observer } from "../domain/observation.ts";
import { ProviderError, type ProviderResult } from "../domain/provider.ts";
import type { Resolution } from "../domain/sending-policy.ts";
import type { DeliveryStore } from "../domain/stores.ts";
import { type DeliveryRun, idsOf } from "./delivery-run.ts";
import type { RecordOutcome } from "./record-outcome.ts";

interface Deps {
  readonly deliveries: DeliveryStore;
  readonly outcomes: RecordOutcome;
  readonly clock: Clock;
  readonly observer: Observer;
}

/** Finds out at the provider what became of a message, before anything is sent again. */
export class LookUpChallenge {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** Waits until what the provider took can show, and reads its list. */
  async execute(run: DeliveryRun, signal: AbortSignal): Promise<Resolution> {
    const { deliveries, observer, outcomes } = this.#deps;
    const { challenge, lease } = run;
    const ids = idsOf(run);
    let listed: ProviderResult[];
    try {
      listed = await this.#listed(run, signal);
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error;
      observer.observe({ type: "looked_up", ...ids, found: "unreadable" });
      await deliveries.lookedUp(challenge.challengeId, lease, "unreadable");
      return "unknown";
    }
    observer.observe({ type: "looked_up", ...ids, found: listed.length === 0 ? "nothing" : "message" });
    if (listed.length === 0) {
      await deliveries.lookedUp(challenge.challengeId, lease, "nothing");
      return "absent";
    }
    let found: ProviderResult | undefined;
    for (const message of listed) {
      const acceptance = await outcomes.record(run, message, "look_up", signal);
      if (acceptance?.effect !== "elsewhere") found ??= message;
    }
    // All that it shows became other challenges' in the meantime: which of them is whose is not certain enough
    // to send again.
    return found ?? "unknown";
  }

  /**
   * A last look after a message was sent again because the list did not show the one before: Twilio promises
   * neither when a message shows nor that an abandoned request is dropped. What shows late is recorded.
   * @throws ProviderError where the list cannot be read
   */
  async forDuplicates(run: DeliveryRun, signal: AbortSignal): Promise<void> {
    for (const message of await this.#shown(run, signal)) {
      await this.#deps.outcomes.record(run, message, "look_up", signal);
    }
  }

  /** What the list shows of this challenge after the pause. */
  async #listed(run: DeliveryRun, signal: AbortSignal): Promise<ProviderResult[]> {
    await this.#deps.clock.sleep(run.line.settleMs, signal);
    return await this.#shown(run, signal);
  }

  /** What the list shows of this challenge now; messages of other challenges are left out. */
  async #shown(
    { challenge, line, firstCallAt }: DeliveryRun,
    signal: AbortSignal,
  ): Promise<ProviderResult[]> {
    const { clock, deliveries } = this.#deps;
    const { to, text, challengeId } = challenge;
    const listed = await line.policy.ask(
      (ask) => line.provider.findChallenges({ to, text, firstCallAgeMs: clock.now() - firstCallAt }, ask),
      signal,
    );
    const ids = listed.map((message) => message.providerChallengeId);
    const elsewhere = await deliveries.knownElsewhere(challengeId, ids);
    return listed.filter((message) => !elsewhere.has(message.providerChallengeId));
  }
}
