/** One message at the provider that something is still due for. */
export interface DueMessage {
  readonly challengeId: string;
  readonly provider: string;
  readonly providerChallengeId: string;
}

export interface UpkeepStore {
  /** Closes signatures whose life is over; says how many. */
  expire(limit: number): Promise<number>;
  /** Erases phone numbers that closed signatures kept for an outcome that is not coming any more. */
  erasePhoneNumbers(limit: number): Promise<number>;
  /** Removes what limits and blocks have counted and need no more. */
  purgeGuards(limit: number): Promise<number>;
  /** Removes idempotency keys that are old enough. */
  purgeKeys(limit: number): Promise<number>;
  /** Messages whose feedback or redaction is due; each comes again after the pause unless it is done. */
  dueFeedback(limit: number, againMs: number): Promise<DueMessage[]>;
  dueRedaction(limit: number, againMs: number): Promise<DueMessage[]>;
  feedbackDone(challengeId: string): Promise<void>;
  redactionDone(challengeId: string): Promise<void>;
}
