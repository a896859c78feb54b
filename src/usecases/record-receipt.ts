import type { DeliveryReceipt } from "../domain/delivery-receipt.ts";
import type { Observer } from "../domain/observation.ts";
import type { DeliveryStore } from "../domain/stores.ts";

interface Deps {
  readonly deliveries: DeliveryStore;
  readonly observer: Observer;
}

/** Records what a provider reported: that it has the message, and whether the message arrived. */
export class RecordReceipt {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** Unknown challenges, repeats and reports that come too late change nothing. */
  async execute(receipt: DeliveryReceipt): Promise<void> {
    const { deliveries, observer } = this.#deps;
    const { challengeId, provider, providerChallengeId, providerProof } = receipt;
    // A receipt may be the first news of a message whose answer was lost.
    const result = { providerChallengeId, providerProof, sentAt: new Date(0) };
    const acceptance = await deliveries.accepted(challengeId, result, "receipt");
    if (acceptance?.signature === undefined) return;
    const ids = { signatureId: acceptance.signature.id, challengeId, provider };
    if (acceptance.effect === "sent") {
      observer.observe({ type: "challenge_sent", ...ids, providerChallengeId, knownBy: "receipt" });
    } else if (acceptance.effect === "duplicate") {
      observer.observe({ type: "duplicate_sent", ...ids, providerChallengeId });
    }
    const { status, accountAtFault } = receipt;
    if (!(await deliveries.settled(receipt)) || status === "accepted") return;
    const errorCode = receipt.providerErrorCode ?? "";
    observer.observe({ type: "receipt", ...ids, status, errorCode, accountAtFault: accountAtFault === true });
  }
}
