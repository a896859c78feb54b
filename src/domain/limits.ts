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

/** When wrong codes in a row block a customer (PSD2 RTS Art. 4(3)(b)). */
export interface BlockRules {
  /** Wrong codes in a row, over all signatures of the customer; 0: never. */
  readonly failures: number;
  /** They count while they fall into this time. */
  readonly windowMs: number;
  readonly blockMs: number;
}
