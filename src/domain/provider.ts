import type { Channel } from "./challenge.ts";

/** One call to a provider: what to say, to whom, and how long it is of use. */
export interface ChallengeMessage {
  readonly signatureId: string;
  readonly challengeId: string;
  /** Calls made for this challenge, this one included: 1 for the first. */
  readonly attempt: number;
  /** E.164. */
  readonly to: string;
  readonly text: string;
  /** Seconds the code still lives, at least 1. */
  readonly validitySeconds: number;
}

/** The provider accepted the message. */
export interface ProviderResult {
  /** Twilio's Message SID. */
  readonly providerChallengeId: string;
  /** Tamper-evident record of the answer, keyed: nothing guessable can be computed from it. */
  readonly providerProof: string;
  /** When it was accepted, by the provider's clock, which may only know seconds. */
  readonly sentAt: Date;
}

/**
 * What a call that was not accepted did. `rejected`: refused for this destination or text, for good;
 * `not_accepted`: certainly not taken; `unknown`: it may have been taken.
 */
export type ProviderOutcome = "rejected" | "not_accepted" | "unknown";

export interface ProviderErrorDetails {
  readonly provider: string;
  /** The provider's number, or one of: timeout, connection, circuit_open, unreadable, http_<status>, other. */
  readonly providerErrorCode: string;
  readonly outcome: ProviderOutcome;
  /** Whether the same call may succeed when it is made again; never for `rejected`. */
  readonly retryable: boolean;
  /** As the provider asked (Retry-After). */
  readonly retryAfterMs?: number;
  /** The provider refused our credentials: worth one more call once the secrets were read again. */
  readonly credentialsRefused?: boolean;
  /** Our account, sender or settings at the provider are to blame: no call is accepted until somebody acts. */
  readonly accountAtFault?: boolean;
  /** Our own rate limit held the call back; the provider was not asked. */
  readonly rateLimited?: boolean;
  readonly cause?: unknown;
}

/** A provider call that was not accepted. The message holds no text of the provider and no personal data. */
export class ProviderError extends Error {
  override readonly name = "ProviderError";
  readonly provider: string;
  readonly providerErrorCode: string;
  readonly outcome: ProviderOutcome;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  readonly credentialsRefused: boolean;
  readonly accountAtFault: boolean;
  readonly rateLimited: boolean;

  constructor(details: ProviderErrorDetails) {
    super(`${details.provider}: ${details.outcome} (${details.providerErrorCode})`, { cause: details.cause });
    this.provider = details.provider;
    this.providerErrorCode = details.providerErrorCode;
    this.outcome = details.outcome;
    this.retryable = details.retryable;
    this.retryAfterMs = details.retryAfterMs;
    this.credentialsRefused = details.credentialsRefused ?? false;
    this.accountAtFault = details.accountAtFault ?? false;
    this.rateLimited = details.rateLimited ?? false;
  }
}

/** The right to make one call. It ends with the lease that it was given under. */
export interface CallPermit {
  /** Whether the whole call still fits into the lease, by the monotonic clock. */
  mayBegin(): boolean;
}

/** What to look for in the provider's list of messages. */
export interface ChallengeQuery {
  readonly to: string;
  readonly text: string;
  /** Milliseconds since the first recorded call: nothing older, less 5 s, can be this challenge's. */
  readonly firstCallAgeMs: number;
}

/** A company that carries challenges over one channel. */
export interface SignatureProvider {
  /** E.g. "twilio". */
  readonly name: string;
  readonly channel: Channel;
  /**
   * Makes one call. MUST NOT retry; MUST stop when the signal fires; MUST ask the permit
   * synchronously before the first byte is written, and throw LeaseLost where it may not begin.
   * @throws ProviderError for every other end than acceptance
   */
  sendChallenge(message: ChallengeMessage, permit: CallPermit, signal: AbortSignal): Promise<ProviderResult>;
  /**
   * Every listed message that may be this challenge's, oldest first; empty when the list, read to
   * where it must stand, shows none.
   * @throws ProviderError where the list cannot be read
   */
  findChallenges(query: ChallengeQuery, signal: AbortSignal): Promise<ProviderResult[]>;
  /** False while calls would be refused without being made. */
  isAvailable(): boolean;
}

/** The owner of a challenge lost its lease, or found the signature closed: it stops, without a trace. */
export class LeaseLost extends Error {
  override readonly name = "LeaseLost";
  constructor() {
    super("the lease on the challenge is lost or the signature is closed");
  }
}
