import type { ChainedEvent } from "./chain.ts";
import type { Challenge } from "./challenge.ts";
import type { TextStyle } from "./message-texts.ts";
import type { ReceiptFacts } from "./receipt.ts";
import type { Checkpoint, Seal, SealedChain } from "./seal-statement.ts";
import type { SignatureStatus } from "./signature.ts";

// What the use cases ask of the database for evidence. What is kept here is never changed afterwards.

export interface ReceiptKeeper {
  /** Keeps the receipt of a signature where there is none yet, and gives the one that is kept from then on. */
  keepReceipt(signatureId: string, jws: string): Promise<string>;
}

/** A day that is over, with all its seals ordered by signature id and length, a batch at a time. */
export interface FinishedDay {
  /** UTC, `YYYY-MM-DD`. */
  readonly day: string;
  /** The checkpoint before, undefined for the first day. */
  readonly before: Checkpoint | undefined;
  readonly seals: AsyncIterable<readonly Seal[]>;
}

/** One challenge as a dispute needs it. */
export interface ChallengeRecord extends TextStyle {
  readonly challenge: Challenge;
  readonly calls: number;
  readonly brand: string;
  readonly webOtpHost: string;
  /** Milliseconds from its creation to its expiry: what the text's minutes count. */
  readonly textLifeMs: number;
}

/** A verified callback as it came, without the customer's number. */
export interface ProviderReceipt {
  readonly challengeId: string;
  readonly receivedAt: Date;
  /** The JSON text that the proof was made over. */
  readonly parameters: string;
  readonly proof: string;
}

/** All that is kept of one signature, read at one instant. */
export interface Dossier {
  readonly readAt: Date;
  readonly signatureId: string;
  readonly caller: string;
  /** As recorded. */
  readonly status: SignatureStatus;
  readonly createdAt: Date;
  readonly expiresAt: Date;
  readonly closedAt: Date | undefined;
  readonly abortReason: string | undefined;
  readonly attemptsRemaining: number;
  readonly firstFactor: string;
  readonly locale: string;
  /** Lower-case hex. */
  readonly transactionDigest: string;
  readonly transactionSealed: Buffer;
  readonly sealKeyId: string;
  readonly challenges: readonly ChallengeRecord[];
  readonly providerReceipts: readonly ProviderReceipt[];
  readonly events: readonly ChainedEvent[];
  /** By length. */
  readonly seals: readonly Seal[];
  /** Of the days of these seals, as far as there are any. */
  readonly checkpoints: readonly Checkpoint[];
  readonly receipt: string | undefined;
}

export interface EvidenceStore extends ReceiptKeeper {
  /** What the receipt of a completed signature says; undefined for any other. */
  receiptFacts(signatureId: string): Promise<ReceiptFacts | undefined>;
  /**
   * Completed signatures that are still without a receipt, whose key is one of these, oldest first. A call looks at
   * so many signatures; the next one goes on from there, and begins again with the oldest after the last.
   */
  missingReceipts(limit: number, keyIds: readonly string[]): Promise<ReceiptFacts[]>;
  /**
   * Seals closed signatures whose chain has grown beyond the last seal, oldest first, and says how many. One
   * whose receipt is missing comes later. Replicas MUST not seal the same chain twice.
   * @param only where given, this signature alone
   */
  sealClosed(limit: number, sign: (chain: SealedChain) => Seal, only?: string): Promise<number>;
  /**
   * Adds the checkpoint of the first finished day that has none, days without seals included; false where
   * nothing is due or another replica is at it. MUST see every seal of the day.
   */
  addCheckpoint(make: (day: FinishedDay) => Promise<Checkpoint>): Promise<boolean>;
  /** Every checkpoint, oldest first. */
  checkpoints(): Promise<Checkpoint[]>;
  /** Hands out the seals of a day, ordered by signature id and length, a batch at a time. */
  readSeals(day: string, each: (seals: readonly Seal[]) => void): Promise<void>;
  /**
   * Seals whose signature is not there, though it has to be kept so long. Only those of the last nine tenths of
   * that time: what was sealed late, after an outage, goes earlier than so many days after its seal.
   */
  orphanedSeals(retentionDays: number, limit: number): Promise<Seal[]>;
  dossier(signatureId: string): Promise<Dossier | undefined>;
  /** Removes signatures that were closed so many days ago, whole and only where sealed; says how many. */
  removeClosed(retentionDays: number, most: number): Promise<number>;
}
