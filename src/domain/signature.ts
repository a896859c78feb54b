import type { Challenge } from "./challenge.ts";
import { Failure } from "./failure.ts";

export const signatureStatuses = [
  "pending",
  "challenge_sent",
  "completed",
  "failed",
  "expired",
  "aborted",
] as const;
export type SignatureStatus = (typeof signatureStatuses)[number];

/** What can happen to a signature. `accept`: a provider accepted a challenge; `fail`: the last attempt was wrong. */
export const signatureEvents = ["accept", "complete", "fail", "expire", "abort"] as const;
export type SignatureEvent = (typeof signatureEvents)[number];

/** The one transition table. What is not in it is refused; SQL statements take their guards from it. */
export const signatureTransitions: Record<
  SignatureStatus,
  Partial<Record<SignatureEvent, SignatureStatus>>
> = {
  pending: {
    accept: "challenge_sent",
    complete: "completed",
    fail: "failed",
    expire: "expired",
    abort: "aborted",
  },
  challenge_sent: {
    accept: "challenge_sent",
    complete: "completed",
    fail: "failed",
    expire: "expired",
    abort: "aborted",
  },
  completed: {},
  failed: {},
  expired: {},
  aborted: {},
};

/** Statuses in which a signature can still be completed. */
export const openStatuses = signatureStatuses.filter((status) => isOpen(status));

export function isOpen(status: SignatureStatus): boolean {
  return Object.keys(signatureTransitions[status]).length > 0;
}

/**
 * The status after an event.
 * @throws Failure with the reason of the status that refuses it
 */
export function signatureAfter(status: SignatureStatus, event: SignatureEvent): SignatureStatus {
  const next = signatureTransitions[status][event];
  if (next === undefined) throw closedFailure(status);
  return next;
}

/** Why a closed signature refuses every further step. */
export function closedFailure(status: SignatureStatus): Failure {
  switch (status) {
    case "failed":
      return new Failure("ATTEMPTS_EXHAUSTED", "no attempts are left");
    case "expired":
      return new Failure("SIGNATURE_EXPIRED", "the signature has expired");
    default:
      return new Failure("SIGNATURE_CLOSED", "the signature is closed", {
        metadata: { status: status.toUpperCase() },
      });
  }
}

export const abortReasons = [
  "customer_cancelled",
  "fraud_suspected",
  "caller_cancelled",
  "operator",
] as const;
export type AbortReason = (typeof abortReasons)[number];

/** A signature as callers see it, with its latest challenge. */
export interface Signature {
  readonly id: string;
  readonly status: SignatureStatus;
  readonly challenge: Challenge;
  /** Lower-case hex of SHA-256. */
  readonly transactionDigest: string;
  readonly attemptsRemaining: number;
  readonly createdAt: Date;
  readonly expiresAt: Date;
  readonly closedAt: Date | undefined;
  readonly abortReason: AbortReason | undefined;
  /** Events recorded so far: it grows with every change, so whoever watches compares it. */
  readonly version: number;
}
