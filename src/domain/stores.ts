import type { Channel } from "./challenge.ts";
import type { DeliveryReceipt } from "./delivery-receipt.ts";
import type { DestinationCommitment } from "./destination.ts";
import type { Lockout, LockoutRules, MessageLimits, StartLimits } from "./limits.ts";
import type { TextStyle } from "./message-texts.ts";
import type { ProviderResult } from "./provider.ts";
import type { CompletionProof, Consent, TextOrigin } from "./receipt.ts";
import type { AbortReason, Signature, SignatureStatus } from "./signature.ts";

// What the use cases ask of the database. Each call MUST be atomic, committed when it is answered, and decided by the
// database's own clock; calls may share a transaction where none of them can fail for another's sake. A race MUST
// have one winner; facts MUST never be lost to it.

/** The right to call the provider for a challenge, until somebody with a higher epoch takes over. */
export interface Lease {
  readonly epoch: number;
  /** Milliseconds the lease lasts from before the statement that gave it was sent. */
  readonly durationMs: number;
}

/** An idempotency key, what it is scoped to, and a keyed digest of the request it came with. */
export interface RequestKey {
  readonly caller: string;
  /** `start`, or the id of the signature whose challenge is sent again. */
  readonly scope: string;
  readonly key: string;
  readonly fingerprint: Buffer;
  readonly fingerprintKeyId: string;
}

export interface NewChallenge extends TextStyle {
  readonly id: string;
  readonly channel: Channel;
  readonly provider: string;
  readonly maskedDestination: string;
  /** Undefined where the number is erased already: the store refuses such a challenge. */
  readonly destination: DestinationCommitment | undefined;
  /** Of the text with the code masked, by the minutes that it may tell; see textDigest. */
  readonly textDigests: Readonly<Record<number, string>>;
  readonly brand: string;
  readonly webOtpHost: string;
  /** The operator's name where it was not the caller who asked for it. */
  readonly orderedBy?: string | undefined;
  /** Calls that may be made for it; the first is begun with its creation. */
  readonly calls: number;
  readonly leaseMs: number;
}

export interface NewSignature {
  readonly id: string;
  readonly customerPseudonym: Buffer;
  readonly customerKeyId: string;
  /** What limits and blocks are counted under: a pseudonym for each key in the ring, oldest use included. */
  readonly customerGuards: readonly Buffer[];
  readonly phoneGuards: readonly Buffer[];
  readonly transactionDigest: Buffer;
  readonly transactionSealed: Buffer;
  readonly phoneSealed: Buffer;
  readonly sealKeyId: string;
  readonly codeNonce: Buffer;
  readonly codeKeyId: string;
  readonly attempts: number;
  readonly locale: string;
  readonly firstFactor: string;
  readonly ttlMs: number;
  readonly challenge: NewChallenge;
}

/** What an idempotency key was bound to. */
export interface KeyRecord {
  readonly fingerprint: Buffer;
  readonly fingerprintKeyId: string;
  readonly signatureId: string;
  readonly challengeId: string;
  readonly signature: Signature;
}

/** Everything a challenge's text and destination are made of, as it stands in the database. */
export interface ChallengeMaterial extends TextStyle {
  readonly signatureId: string;
  readonly challengeId: string;
  readonly channel: Channel;
  readonly provider: string;
  readonly lease: Lease;
  /** The owner before stepped aside on purpose, with its budget used up or its look-up unreadable. */
  readonly parked: boolean;
  /** Of the signature, when the lease was given. */
  readonly version: number;
  readonly callsLeft: number;
  readonly calls: number;
  readonly lookUps: number;
  readonly firstCallAgeMs: number;
  /** Milliseconds the code still lives; 0 or less once it is dead. */
  readonly lifeLeftMs: number;
  /** Milliseconds from the signature's creation to its expiry. */
  readonly lifeMs: number;
  /** Milliseconds from this challenge's creation to its expiry: what the text's minutes count. */
  readonly textLifeMs: number;
  readonly signatureOpen: boolean;
  readonly pending: boolean;
  /** Null once erased. */
  readonly phoneSealed: Buffer | null;
  readonly transactionSealed: Buffer;
  readonly sealKeyId: string;
  readonly codeNonce: Buffer;
  readonly codeKeyId: string;
  readonly transactionDigest: Buffer;
  readonly locale: string;
  readonly brand: string;
  readonly webOtpHost: string;
}

export interface ResendRules extends MessageLimits {
  readonly cooldownMs: number;
  /** Messages after the first that were or may have been accepted. */
  readonly most: number;
}

export type Resend =
  | { readonly outcome: "created"; readonly signature: Signature; readonly lease: Lease }
  | { readonly outcome: "replay" }
  | { readonly outcome: "closed"; readonly status: SignatureStatus }
  | { readonly outcome: "too_soon"; readonly retryAfterMs: number }
  /** The latest challenge may still be sent or found: it is settled first. */
  | { readonly outcome: "in_flight"; readonly retryAfterMs: number }
  | { readonly outcome: "exhausted" }
  | { readonly outcome: "not_found" };

export interface SignatureStore {
  /**
   * Records a signature with its first challenge under a lease; undefined where the key is taken.
   * @throws Failure RATE_LIMITED or CUSTOMER_BLOCKED, with nothing recorded
   */
  start(
    key: RequestKey,
    signature: NewSignature,
    limits: StartLimits,
  ): Promise<{ signature: Signature; lease: Lease } | undefined>;
  findKey(caller: string, scope: string, key: string): Promise<KeyRecord | undefined>;
  /**
   * Supersedes the latest challenge by a new one under a lease, and binds the key, or says why not.
   * @throws Failure RATE_LIMITED or CUSTOMER_BLOCKED, with nothing recorded
   */
  resend(key: RequestKey, signatureId: string, challenge: NewChallenge, rules: ResendRules): Promise<Resend>;
  /** What a new challenge of a signature is made of; undefined for another caller's. */
  material(caller: string, signatureId: string): Promise<ChallengeMaterial | undefined>;
}

/** What the code of a signature is checked against. */
export interface CodeMaterial {
  readonly status: SignatureStatus;
  readonly codeNonce: Buffer;
  readonly codeKeyId: string;
  readonly transactionDigest: Buffer;
  /** Null once erased. */
  readonly phoneSealed: Buffer | null;
  readonly sealKeyId: string;
  readonly transactionSealed: Buffer;
  readonly locale: string;
  /** The latest challenge: the customer has its text at hand. */
  readonly challenge: TextOrigin;
}

export type Verdict = "match" | "code_mismatch" | "transaction_mismatch";

export type Completion =
  | { readonly outcome: "completed"; readonly signature: Signature; readonly proof: CompletionProof }
  | {
      readonly outcome: "rejected";
      readonly attemptsRemaining: number;
      readonly lockout?: Lockout | undefined;
    }
  /** This wrong code was the last. */
  | { readonly outcome: "failed"; readonly lockout?: Lockout | undefined }
  | { readonly outcome: "closed"; readonly status: SignatureStatus };

export type Abortion =
  | { readonly outcome: "aborted"; readonly signature: Signature }
  | { readonly outcome: "closed"; readonly status: SignatureStatus };

/** A compact JWS and the signature whose completion it proves. */
export interface KeptReceipt {
  readonly signatureId: string;
  readonly jws: string;
}

export interface ClosingStore {
  codeMaterial(caller: string, signatureId: string): Promise<CodeMaterial | undefined>;
  /**
   * Consumes an attempt and acts on the verdict in the same statement; undefined for another caller's.
   * The consent is recorded with the completion: only then can its receipt be made again.
   * @throws Failure CUSTOMER_BLOCKED, with nothing consumed
   */
  complete(
    caller: string,
    signatureId: string,
    verdict: Verdict,
    lockout: LockoutRules,
    consent?: Consent,
  ): Promise<Completion | undefined>;
  /** Keeps each where its signature has none yet. */
  keepReceipts(receipts: readonly KeptReceipt[]): Promise<void>;
  abort(
    caller: string,
    signatureId: string,
    reason: AbortReason | undefined,
    note: string,
  ): Promise<Abortion | undefined>;
}

/** How an acceptance became known. */
export type AcceptanceSource = "answer" | "look_up" | "receipt";

export type Acceptance =
  | {
      readonly signature: Signature;
      /** `duplicate`: the challenge has another SID already, so the customer got the text twice. */
      readonly effect: "sent" | "duplicate" | "nothing_new";
    }
  /** Nothing was recorded: what was looked up is some other challenge's message. */
  | { readonly effect: "elsewhere"; readonly signature?: undefined }
  /** Nothing was recorded: a receipt named one more message than the challenge had calls. */
  | { readonly effect: "surplus"; readonly signature?: undefined };

/** Where a challenge was sent. */
export interface SentTo {
  readonly signatureId: string;
  readonly provider: string;
  /** Calls begun. */
  readonly calls: number;
  /** Undefined where it was started before events had one. */
  readonly destination: DestinationCommitment | undefined;
}

/** What is on record of a challenge, and the version of its signature that shows it. */
export interface ChallengeStanding {
  readonly version: number;
  /** The message that the provider has, as it is recorded; undefined while none is known. */
  readonly accepted: ProviderResult | undefined;
}

export interface DeliveryStore {
  /** Commits the start of a call and renews the lease; undefined where this epoch may not call any more. */
  beginCall(
    challengeId: string,
    lease: Lease,
  ): Promise<{ readonly attempt: number; readonly lifeLeftMs: number } | undefined>;
  /** What a receipt is compared with; undefined for an unknown challenge. */
  sentTo(challengeId: string): Promise<SentTo | undefined>;
  /** Records an acceptance, whoever brings it and whenever; undefined for an unknown challenge. */
  accepted(
    challengeId: string,
    result: ProviderResult,
    source: AcceptanceSource,
  ): Promise<Acceptance | undefined>;
  /** Records that the provider never takes it; the same refusal again changes nothing. */
  refused(challengeId: string, errorCode: string): Promise<Signature>;
  /** Records that a call's outcome is not known, and renews the lease. */
  unknown(challengeId: string, lease: Lease, errorCode: string): Promise<ChallengeStanding>;
  /** Records a look-up that found nothing, or that failed, and renews the lease. */
  lookedUp(challengeId: string, lease: Lease, found: "nothing" | "unreadable"): Promise<ChallengeStanding>;
  /** Read once the signature has changed; undefined for an unknown challenge. */
  standing(challengeId: string): Promise<ChallengeStanding | undefined>;
  /** Which of these ids belong to other challenges of the same provider already. */
  knownElsewhere(challengeId: string, providerChallengeIds: readonly string[]): Promise<Set<string>>;
  /** Ends the work: certainly nothing was taken. Again it changes nothing; undefined where the lease was lost. */
  giveUp(challengeId: string, lease: Lease, errorCode: string): Promise<Signature | undefined>;
  /** Steps aside until the pause is over; the outcome stays unknown. */
  park(challengeId: string, lease: Lease, pauseMs: number): Promise<void>;
  /** Takes a given-up challenge up again with fresh calls; undefined where another did, or it is not given up. */
  takeUp(
    challengeId: string,
    calls: number,
    leaseMs: number,
    /** The operator's name, for the timeline. */
    orderedBy?: string,
  ): Promise<ChallengeMaterial | undefined>;
  /** Takes over a parked challenge whose outcome is wanted now; undefined where it is not parked. */
  resume(challengeId: string, leaseMs: number): Promise<ChallengeMaterial | undefined>;
  /** Takes over challenges whose lease has run out, oldest first. */
  takeOver(limit: number, leaseMs: number): Promise<ChallengeMaterial[]>;
  /** Keeps a report as it came, once, and records whether the message arrived; false where that changes nothing. */
  settled(receipt: DeliveryReceipt): Promise<boolean>;
}
