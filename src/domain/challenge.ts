export const channels = ["sms", "voice", "push"] as const;
export type Channel = (typeof channels)[number];

export const challengeStatuses = [
  "pending",
  "sent",
  "failed",
  "delivered",
  "superseded",
  "completed",
  "expired",
  "cancelled",
] as const;
export type ChallengeStatus = (typeof challengeStatuses)[number];

/**
 * `accept`: the provider took it; `refuse`: it never will; `deliver` and `undeliver`: by receipt;
 * `supersede`: a later challenge; the rest follow the signature's end.
 */
export const challengeEvents = [
  "accept",
  "refuse",
  "deliver",
  "undeliver",
  "supersede",
  "complete",
  "expire",
  "cancel",
] as const;
export type ChallengeEvent = (typeof challengeEvents)[number];

/**
 * Ranks: pending < sent < failed by receipt < delivered < closed. Facts arrive in any order and only
 * move a challenge forward: what is not listed changes nothing.
 */
export const challengeTransitions: Record<
  ChallengeStatus,
  Partial<Record<ChallengeEvent, ChallengeStatus>>
> = {
  pending: {
    accept: "sent",
    refuse: "failed",
    deliver: "delivered",
    undeliver: "failed",
    supersede: "superseded",
    complete: "completed",
    expire: "expired",
    cancel: "cancelled",
  },
  sent: {
    deliver: "delivered",
    undeliver: "failed",
    supersede: "superseded",
    complete: "completed",
    expire: "expired",
    cancel: "cancelled",
  },
  failed: {
    deliver: "delivered",
    supersede: "superseded",
    complete: "completed",
    expire: "expired",
    cancel: "cancelled",
  },
  delivered: {
    supersede: "superseded",
    complete: "completed",
    expire: "expired",
    cancel: "cancelled",
  },
  superseded: {},
  completed: {},
  expired: {},
  cancelled: {},
};

/** Statuses from which an event moves a challenge. */
export function challengeStatusesBefore(event: ChallengeEvent): ChallengeStatus[] {
  return challengeStatuses.filter((status) => challengeTransitions[status][event] !== undefined);
}

/** Statuses of the one challenge of a signature that is still its latest open one. */
export const openChallengeStatuses = challengeStatusesBefore("supersede");

/** One message that carries the code over one channel, as callers see it. */
export interface Challenge {
  readonly id: string;
  readonly channel: Channel;
  readonly provider: string;
  readonly status: ChallengeStatus;
  readonly maskedDestination: string;
  readonly providerChallengeId: string | undefined;
  readonly providerProof: string | undefined;
  readonly providerErrorCode: string | undefined;
  readonly createdAt: Date;
  readonly sentAt: Date | undefined;
  readonly deliveredAt: Date | undefined;
  readonly expiresAt: Date;
  /** While pending: the router is still sending or looking up. */
  readonly inProgress: boolean;
}

/** FAILED without a message at the provider: it refused to take one. */
export function wasRefused(challenge: Challenge): boolean {
  return challenge.status === "failed" && challenge.providerChallengeId === undefined;
}
