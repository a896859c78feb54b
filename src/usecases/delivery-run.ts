import type { ProviderError, SignatureProvider } from "../domain/provider.ts";
import type { SendingPolicy } from "../domain/sending-policy.ts";
import type { Signature } from "../domain/signature.ts";
import type { Lease } from "../domain/stores.ts";
import type { OutgoingChallenge } from "./outgoing-challenge.ts";

/** A provider with the policy that its calls obey. */
export interface ProviderLine {
  readonly provider: SignatureProvider;
  readonly policy: SendingPolicy;
  /** What one call takes at most. */
  readonly timeoutMs: number;
  /** From the first call of a run to the beginning of its last. */
  readonly budgetMs: number;
  /** Pause before an unknown outcome is looked up, as configured. */
  readonly settleMs: number;
  /** The pause that is in force, where it follows what is measured. */
  readonly settling?: { currentMs(lifeLeftMs: number): number };
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

/** A run of calls: whose right it is, and when that right was given, by the monotonic clock. */
export interface DeliveryRun {
  readonly challenge: OutgoingChallenge;
  readonly line: ProviderLine;
  readonly lease: Lease;
  readonly firstCallAt: number;
  /** When the code dies, by the monotonic clock. */
  readonly diesAt: number;
}

/** What a run is named by in logs. */
export function idsOf({ challenge, line }: DeliveryRun) {
  const { signatureId, challengeId } = challenge;
  return { signatureId, challengeId, provider: line.provider.name };
}
