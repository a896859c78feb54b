/** The right to begin one piece of new work. */
export interface Admission {
  /** Until when it may begin, by the database's clock; undefined: whenever. */
  readonly until: Date | undefined;
  /** Nothing new was begun (the call was a replay): the right is another call's. */
  giveBack(): void;
  /** It was over before the work could begin: the next ones should last longer. */
  cameTooLate?(): void;
}

/** How much new work a caller may begin, over all replicas. */
export interface CallerLimit {
  /**
   * The right to begin one piece of work now.
   * @throws Failure RATE_LIMITED where there is none left
   */
  take(caller: string): Promise<Admission>;
}

/** Where no limit is set. */
export const unlimited: Admission = { until: undefined, giveBack: () => undefined };
