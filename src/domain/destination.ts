import { keyedDigest } from "./keys.ts";

/** What an event keeps of the whole number or address that a challenge went to. */
export interface DestinationCommitment {
  /** Lower-case hex. */
  readonly commitment: string;
  /** Of the evidence ring. */
  readonly keyId: string;
}

/**
 * A keyed commitment to the destination of one challenge: with the number and the key the bank can show that it
 * was this one, and without the key nobody can try numbers. Bound to its challenge, so equal numbers do not show.
 */
export function commitDestination(
  { id, key }: { readonly id: string; readonly key: Uint8Array },
  of: { readonly signatureId: string; readonly challengeId: string },
  destination: string,
): DestinationCommitment {
  const content = JSON.stringify([of.signatureId, of.challengeId, destination]);
  return { commitment: keyedDigest(key, "destination-commitment-v1", content).toString("hex"), keyId: id };
}
