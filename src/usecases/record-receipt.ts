import type { ClaimedReceipt } from "../domain/delivery-receipt.ts";
import { commitDestination } from "../domain/destination.ts";
import { type KeySource, keyById } from "../domain/keys.ts";
import type { Observer, ReceiptFault } from "../domain/observation.ts";
import { renumbered } from "../domain/renumbering.ts";
import type { DeliveryStore, SentTo } from "../domain/stores.ts";

interface Deps {
  readonly deliveries: DeliveryStore;
  readonly keys: KeySource;
  readonly observer: Observer;
}

/** Records what a provider reported: that it has the message, and whether the message arrived. */
export class RecordReceipt {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /**
   * Unknown challenges, repeats and reports that come too late change nothing; nor does a report that does not fit its
   * challenge, which only a holder of the provider's token can have made: it is observed.
   */
  async execute(receipt: ClaimedReceipt): Promise<void> {
    const { deliveries, observer } = this.#deps;
    const { challengeId, provider, providerChallengeId, providerProof } = receipt;
    const sent = await deliveries.sentTo(challengeId);
    if (sent === undefined) return;
    const ids = { signatureId: sent.signatureId, challengeId, provider };
    const fault = await this.#faultOf(receipt, sent);
    if (fault !== undefined) return observer.observe({ type: "receipt_mismatch", ...ids, fault });

    // A receipt may be the first news of a message whose answer was lost.
    const result = { providerChallengeId, providerProof, sentAt: new Date(0) };
    const acceptance = await deliveries.accepted(challengeId, result, "receipt");
    if (acceptance?.effect === "surplus")
      observer.observe({ type: "receipt_mismatch", ...ids, fault: "message" });
    if (acceptance?.signature === undefined) return;
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

  async #faultOf(receipt: ClaimedReceipt, sent: SentTo): Promise<ReceiptFault | undefined> {
    if (receipt.foreignAccount) return "account";
    // Calls are on record before they are made.
    if (receipt.attempt > sent.calls) return "attempt";
    return (await this.#isElsewhere(receipt, sent)) ? "destination" : undefined;
  }

  /** By the keyed commitment: the number itself may be erased. What names no number, or has no commitment, fits. */
  async #isElsewhere({ challengeId, destinations }: ClaimedReceipt, sent: SentTo): Promise<boolean> {
    const { destination, signatureId } = sent;
    if (destination === undefined || destinations.length === 0) return false;
    const key = await keyById(this.#deps.keys, "evidence", destination.keyId);
    const fits = (number: string) =>
      commitDestination({ id: destination.keyId, key }, { signatureId, challengeId }, number).commitment ===
      destination.commitment;
    return !destinations.every((number) => fits(number) || fits(today(number)));
  }
}

/** A provider may name a number in the form of before a renumbering; ours is today's. */
function today(number: string): string {
  return /^\+\d{7,15}$/.test(number) ? (renumbered(number)?.number ?? number) : number;
}
