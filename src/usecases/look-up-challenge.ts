import type { Clock } from "../domain/clock.ts";
import type { Observer } from "../domain/observation.ts";
import { ProviderError, type ProviderResult } from "../domain/provider.ts";
import type { Resolution } from "../domain/sending-policy.ts";
import type { AcceptanceSource, ChallengeStanding, DeliveryStore } from "../domain/stores.ts";
import { type DeliveryRun, idsOf } from "./delivery-run.ts";
import type { RecordOutcome } from "./record-outcome.ts";
import type { SignatureChanges } from "./signature-changes.ts";

interface Deps {
  readonly deliveries: DeliveryStore;
  readonly outcomes: RecordOutcome;
  readonly changes: SignatureChanges;
  readonly clock: Clock;
  readonly observer: Observer;
}

/** What became of a message, and how that is known. */
export interface Finding {
  readonly resolution: Resolution;
  readonly knownBy: AcceptanceSource;
}

/** Ends the pause; a signal that fires without a reason makes an error with a stack for each. */
const ended = new Error("the pause has ended");

/** Finds out what became of a message, before anything is sent again: by what is recorded, or at the provider. */
export class LookUpChallenge {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /**
   * Waits until what the provider took can show, and reads its list. A receipt that any replica records
   * until then says it all: the provider is not asked.
   * @param standing what was on record when the outcome became unknown, or the lease was taken over
   */
  async execute(run: DeliveryRun, standing: ChallengeStanding, signal: AbortSignal): Promise<Finding> {
    const { deliveries, observer, outcomes } = this.#deps;
    const { challenge, lease } = run;
    const ids = idsOf(run);
    const reported = standing.accepted ?? (await this.#reported(run, standing.version, signal));
    if (reported !== undefined) return { resolution: reported, knownBy: "receipt" };
    let listed: ProviderResult[];
    try {
      listed = await this.#listed(run, signal);
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error;
      observer.observe({ type: "looked_up", ...ids, found: "unreadable" });
      return finding("unknown", await deliveries.lookedUp(challenge.challengeId, lease, "unreadable"));
    }
    observer.observe({ type: "looked_up", ...ids, found: listed.length === 0 ? "nothing" : "message" });
    if (listed.length === 0) {
      return finding("absent", await deliveries.lookedUp(challenge.challengeId, lease, "nothing"));
    }
    let found: ProviderResult | undefined;
    for (const message of listed) {
      const acceptance = await outcomes.record(run, message, "look_up", signal);
      if (acceptance?.effect !== "elsewhere") found ??= message;
    }
    // All that it shows became other challenges' in the meantime: which of them is whose is not certain enough
    // to send again.
    return { resolution: found ?? "unknown", knownBy: "look_up" };
  }

  /**
   * A last look after a message was sent again because the list did not show the one before: Twilio promises
   * neither when a message shows nor that an abandoned request is dropped. What shows late is recorded.
   * @throws ProviderError where the list cannot be read
   */
  async forDuplicates(run: DeliveryRun, signal: AbortSignal): Promise<void> {
    for (const message of await this.#listed(run, signal)) {
      await this.#deps.outcomes.record(run, message, "look_up", signal);
    }
  }

  /**
   * The settling pause. It ends early, with the message, once somebody recorded that the provider has it.
   * Waiting costs no query of its own, and a change of the signature one.
   */
  async #reported(
    { challenge, line, diesAt }: DeliveryRun,
    version: number,
    signal: AbortSignal,
  ): Promise<ProviderResult | undefined> {
    const { changes, clock, deliveries, observer } = this.#deps;
    const over = new AbortController();
    const pauseMs = line.settling?.currentMs(diesAt - clock.now()) ?? line.settleMs;
    const pause = clock.sleep(pauseMs, AbortSignal.any([signal, over.signal]));
    const paused = pause.then(() => over.abort(ended));
    paused.catch(() => undefined);
    try {
      let seen = version;
      for (;;) {
        await Promise.race([paused, changes.next(challenge.signatureId, seen, over.signal)]);
        if (over.signal.aborted) return undefined;
        const standing = await deliveries.standing(challenge.challengeId);
        if (standing?.accepted !== undefined) return standing.accepted;
        seen = standing?.version ?? seen;
      }
    } catch (cause) {
      // The look-up does without; only a shutdown ends it.
      signal.throwIfAborted();
      observer.observe({ type: "upkeep_failed", step: "watch", cause });
      await paused;
      return undefined;
    } finally {
      over.abort(ended);
    }
  }

  /** What the list shows of this challenge; messages of other challenges are left out. */
  async #listed(
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

/** What a look-up did not find may have been reported while it ran. */
function finding(resolution: "absent" | "unknown", { accepted }: ChallengeStanding): Finding {
  return accepted === undefined
    ? { resolution, knownBy: "look_up" }
    : { resolution: accepted, knownBy: "receipt" };
}
