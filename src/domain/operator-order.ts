/** What an operator can order. The tool writes rows; replicas carry them out through the use cases. */
export const operatorCommands = [
  "abort",
  "resend",
  "requeue",
  "block-customer",
  "free-customer",
  "block-number",
  "free-number",
] as const;
export type OperatorCommand = (typeof operatorCommands)[number];

/** Longest block: a year. */
export const mostBlockSeconds = 31_536_000;

export interface OperatorOrder {
  readonly id: string;
  /** The operator's own login, or the name that was given, marked as unverified. */
  readonly orderedBy: string;
  /** Since it was ordered, or approved, when it was taken. */
  readonly ageMs: number;
  /** How long this replica has it. */
  readonly takenUntil: Date;
  readonly command: OperatorCommand;
  /** The signature that it is about; the customer and the number are those of that signature. */
  readonly signatureId: string;
  /** The caller that the signature belongs to: orders go through the same use cases as the caller's calls. */
  readonly caller: string;
  readonly note: string;
  /** For blocks. */
  readonly seconds: number;
}

/** The operator's word on the circuit breaker, for all replicas; the latest one counts. */
export type BreakerOrder = "open" | "close";

export interface OperatorOrderStore {
  /** Takes open orders, each for a minute; another replica takes what was not done by then. */
  take(limit: number): Promise<OperatorOrder[]>;
  /** Keeps the result of an order that was taken, unless another replica has taken it since. */
  done(order: Pick<OperatorOrder, "id" | "takenUntil">, result: string): Promise<void>;
  /** The latest order about the breaker of a provider, with its id. */
  breaker(provider: string): Promise<{ readonly id: string; readonly order: BreakerOrder } | undefined>;
  /** Blocks or frees the customer or the number of a signature; false where there is no such signature. */
  block(signatureId: string, whom: "customer" | "number", seconds: number): Promise<boolean>;
  /** The latest challenge of a signature that was given up, to be taken up again. */
  givenUpChallenge(signatureId: string): Promise<string | undefined>;
}
