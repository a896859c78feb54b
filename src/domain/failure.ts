/** Every reason a caller can be refused with; on the wire the ErrorInfo's reason. The set is closed. */
export type Reason =
  | "INVALID_REQUEST"
  | "CALLER_UNKNOWN"
  | "CALLER_NOT_ALLOWED"
  | "SIGNATURE_NOT_FOUND"
  | "SIGNATURE_CLOSED"
  | "SIGNATURE_EXPIRED"
  | "CODE_MISMATCH"
  | "TRANSACTION_MISMATCH"
  | "ATTEMPTS_EXHAUSTED"
  | "CUSTOMER_BLOCKED"
  | "IDEMPOTENCY_KEY_REUSED"
  | "RATE_LIMITED"
  | "RESEND_TOO_SOON"
  | "RESENDS_EXHAUSTED"
  | "CHANNEL_UNAVAILABLE"
  | "DESTINATION_NOT_ALLOWED"
  | "PROVIDER_REJECTED"
  | "PROVIDER_UNAVAILABLE"
  | "SERVICE_UNAVAILABLE";

/** One fault of a request: the field by its snake_case proto path, and what is wrong with it. */
export interface Violation {
  readonly field: string;
  readonly description: string;
}

export interface FailureDetails {
  readonly metadata?: Readonly<Record<string, string>>;
  readonly retryAfterMs?: number;
  readonly violations?: readonly Violation[];
  readonly cause?: unknown;
}

/** A refusal. The message is safe for the caller by definition; the cause is for the log alone. */
export class Failure extends Error {
  override readonly name = "Failure";
  readonly reason: Reason;
  readonly metadata: Readonly<Record<string, string>>;
  readonly retryAfterMs: number | undefined;
  readonly violations: readonly Violation[];

  constructor(reason: Reason, message: string, details: FailureDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.reason = reason;
    this.metadata = details.metadata ?? {};
    this.retryAfterMs = details.retryAfterMs;
    this.violations = details.violations ?? [];
  }
}
