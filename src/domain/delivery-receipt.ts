/** What a provider reported about a message of ours; only ever from a verified callback. */
export interface DeliveryReceipt {
  readonly provider: string;
  /** The challenge that our own callback address names. */
  readonly challengeId: string;
  /** The number of the call that the address was given with. */
  readonly attempt: number;
  readonly providerChallengeId: string;
  /** `accepted`: the provider has it, on its way; the others are final. */
  readonly status: "accepted" | "delivered" | "undelivered";
  /** The provider's code for `undelivered`. */
  readonly providerErrorCode: string | undefined;
  /** `undelivered` because of our account, sender or settings at the provider. */
  readonly accountAtFault?: boolean;
  /** All that the provider told, as JSON text, but the customer's number and the text of the message. */
  readonly parameters: string;
  /** Keyed record of the callback over its parameters, as tamper-evident as a ProviderResult's. */
  readonly providerProof: string;
}

/** A receipt, and what is compared with its challenge before it is recorded, and not kept. */
export interface ClaimedReceipt extends DeliveryReceipt {
  /** It names an account that is not ours. */
  readonly foreignAccount: boolean;
  /** The numbers that it names as the customer's; none where it names none. */
  readonly destinations: readonly string[];
}
