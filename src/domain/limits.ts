export interface MessageLimits {
  /** Messages to one number that no completion followed, in any ten minutes; 0: no limit. */
  readonly phonePer10Minutes: number;
  /** Until when the caller's own limit admits the call, by the database's clock; undefined: no limit. */
  readonly admittedUntil?: Date | undefined;
}

export interface StartLimits extends MessageLimits {
  /** Signatures that one customer starts, in any minute; 0: no limit. */
  readonly customerPerMinute: number;
}

/**
 * When wrong codes in a row lock a customer out, for one caller (PSD2 RTS Art. 4(3)(b), NIST SP 800-63B 3.2.2).
 * A right code forgives the wrong ones for the same caller and the same phone number, and nothing else.
 */
export interface LockoutRules {
  /** Wrong codes in a row, over all signatures of the customer with the caller; 0: never. */
  readonly failures: number;
  /** They count while they fall into this time. */
  readonly windowMs: number;
  /** How long the first lockout lasts, the second, …; after the last step it lasts until the bank frees the customer. */
  readonly stepsMs: readonly number[];
}

/**
 * Wrong codes that are not forgiven, of one customer: with so many for all callers together the customer is locked out
 * until the bank acts (NIST SP 800-63B 3.2.2: no more than 100). One caller has half of them, so that it alone cannot
 * lock the customer out for the others.
 */
export const mostFailures = { customer: 100, caller: 50 } as const;

/** What a wrong code did beyond its signature. */
export interface Lockout {
  /** Lockouts in a row, this one included. */
  readonly step: number;
  /** `next`: the next lockout lasts until the bank frees the customer; `now`: this one does. */
  readonly untilFreed: "no" | "next" | "now";
}
