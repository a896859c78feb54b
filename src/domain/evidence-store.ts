import type { ChainedEvent } from "./chain.ts";
import type { Challenge } from "./challenge.ts";
import type { KeyHistory } from "./key-validity.ts";
import type { TextStyle } from "./message-texts.ts";
import type { ReceiptFacts } from "./receipt.ts";
import type { Checkpoint, Seal, SealedChain, SealedDay } from "./seal-statement.ts";
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
  /** Hash of the checkpoint of the day before, which may be gone; 32 zero bytes for the first day. */
  readonly previous: Buffer;
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

/** What rows, events and seals have of one signature. */
export interface RecordedSignature {
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
  readonly challenges: readonly ChallengeRecord[];
  readonly providerReceipts: readonly ProviderReceipt[];
  readonly events: readonly ChainedEvent[];
  /** By length. */
  readonly seals: readonly Seal[];
  readonly receipt: string | undefined;
}

/** All that is kept of one signature, read at one instant. */
export interface Dossier extends RecordedSignature {
  readonly readAt: Date;
  readonly transactionSealed: Buffer;
  readonly sealKeyId: string;
  /** Of the days of these seals, as far as there are any. */
  readonly checkpoints: readonly Checkpoint[];
}

/** A signature as an audit reads it, with what its row says of its chain. */
export interface AuditedSignature extends RecordedSignature {
  readonly chainLength: number;
  readonly chainHead: Buffer;
  readonly sealedLength: number;
}

/** A day whose checkpoint was made once, whether it is there or not. */
export interface MadeCheckpoint {
  readonly day: string;
  /** What the next checkpoint has as `previous`. */
  readonly hash: Buffer;
}

/** What became of the search for a checkpoint that is due; `missing` names days whose checkpoint is gone. */
export interface CheckpointRound {
  readonly made: Checkpoint | undefined;
  readonly missing: readonly string[];
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
   * @param sign called with no connection held: the key may be on another machine
   * @param only where given, this signature alone
   */
  sealClosed(
    limit: number,
    sign: (chains: readonly SealedChain[]) => Promise<Seal[]>,
    only?: string,
  ): Promise<number>;
  /** Seals the log of operators' acts where it has grown since; under `actLogId`. */
  sealActs(sign: (chains: readonly SealedChain[]) => Promise<Seal[]>): Promise<void>;
  /**
   * Adds the checkpoint of the first finished day that never had one, days without seals included. A day that had
   * one and has none any more is missing, and MUST NOT get another. MUST see every seal of the day.
   * @param summarise what a checkpoint says of a day
   * @param sign called with no connection held
   * @param known what is known of checkpoints outside the database
   */
  addCheckpoint(
    summarise: (day: FinishedDay) => Promise<SealedDay>,
    sign: (day: SealedDay) => Promise<Checkpoint>,
    known: readonly MadeCheckpoint[],
  ): Promise<CheckpointRound>;
  /** By key id: when keys of the receipt ring were first used, and first seen as retired. */
  keyHistory(): Promise<ReadonlyMap<string, KeyHistory>>;
  /** Tokens of time-stamp authorities over the checkpoint of a day. */
  timestamps(day: string): Promise<{ readonly sink: string; readonly token: Buffer }[]>;
  /** The oldest checkpoint that a place outside has not got and nobody delivers now; it is the caller's so long. */
  takeDelivery(sink: string, leaseMs: number): Promise<Checkpoint | undefined>;
  /** A place outside has got the checkpoint of a day, or gave a token over it. */
  delivered(sink: string, day: string, token?: Uint8Array): Promise<void>;
  /** Every day whose checkpoint was made, oldest first. */
  madeCheckpoints(): Promise<MadeCheckpoint[]>;
  /** Days that must have a checkpoint by now and have none. */
  missingDays(): Promise<string[]>;
  /** Signatures in the order of their ids, after the one that is given: a page of all that are kept. */
  auditPage(after: string | undefined, limit: number): Promise<AuditedSignature[]>;
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
