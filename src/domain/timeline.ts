export const timelineTypes = [
  "SIGNATURE_STARTED",
  "CHALLENGE_CREATED",
  "CHALLENGE_SENT",
  "CHALLENGE_REFUSED",
  "OUTCOME_UNKNOWN",
  "LOOKED_UP",
  "DUPLICATE_SENT",
  "PROVIDER_ANSWERED",
  "PROVIDER_REPORTED",
  "CHALLENGE_GIVEN_UP",
  "CHALLENGE_TAKEN_OVER",
  "CHALLENGE_SUPERSEDED",
  "CHALLENGE_DELIVERED",
  "CHALLENGE_UNDELIVERED",
  "CODE_REJECTED",
  "TRANSACTION_MISMATCH",
  "SIGNATURE_COMPLETED",
  "SIGNATURE_FAILED",
  "SIGNATURE_EXPIRED",
  "SIGNATURE_ABORTED",
] as const;
export type TimelineType = (typeof timelineTypes)[number];

/** Events that evidence alone shows: what a provider told of a message whose fate was known already. */
export const evidenceTypes: ReadonlySet<TimelineType> = new Set(["PROVIDER_ANSWERED", "PROVIDER_REPORTED"]);

/** One recorded fact. Ordered by number, not by time; no personal data, no code. */
export interface TimelineEvent {
  readonly number: number;
  readonly at: Date;
  readonly type: TimelineType;
  readonly details: Readonly<Record<string, string>>;
}
