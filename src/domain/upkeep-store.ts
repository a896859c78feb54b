import type { ChallengeMaterial } from "./stores.ts";

/** One message at the provider that something is still due for. */
export interface DueMessage {
  readonly challengeId: string;
  readonly provider: string;
  readonly providerChallengeId: string;
}

/** A due task that nobody else gets until then; what is not done comes again. */
export interface Claim {
  readonly challengeId: string;
  readonly until: Date;
}

export type UpkeepTask = "feedback" | "redaction";

export interface UpkeepStore {
  /** Closes signatures whose life is over; says how many. */
  expire(limit: number): Promise<number>;
  /** Erases phone numbers that closed signatures kept for an outcome that is not coming any more. */
  erasePhoneNumbers(limit: number): Promise<number>;
  /** Erases number pseudonyms of closed signatures: those that an older version closed. */
  erasePhoneGuards(limit: number): Promise<number>;
  /** Removes what limits and blocks have counted and need no more. */
  purgeGuards(limit: number): Promise<number>;
  /** Removes idempotency keys that are old enough. */
  purgeKeys(limit: number): Promise<number>;
  /** Challenges with messages whose feedback or redaction is due; each comes again after the pause unless done. */
  due(
    task: UpkeepTask,
    limit: number,
    againMs: number,
  ): Promise<{ readonly claim: Claim; readonly messages: readonly DueMessage[] }[]>;
  /** Nothing is due any more, unless something came up since the claim. */
  done(task: UpkeepTask, claim: Claim): Promise<void>;
  /** Challenges that were sent again, whose provider's list is to be read once more. */
  dueLookUps(
    limit: number,
    againMs: number,
  ): Promise<{ readonly claim: Claim; readonly material: ChallengeMaterial }[]>;
  /** The list was read: it is due again after a longer pause, until what was taken long since must show. */
  lookedUpAgain(claim: Claim): Promise<void>;
}
