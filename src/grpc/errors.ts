import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { Failure, type Reason, type Violation } from "../domain/failure.ts";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "../gen/google/rpc/error_details_pb.ts";

export const errorDomain = "signature.bank";

/** The gRPC code of every reason. There is no default: a reason without a code does not compile. */
export const codeOf = {
  INVALID_REQUEST: Code.InvalidArgument,
  CALLER_UNKNOWN: Code.Unauthenticated,
  CALLER_NOT_ALLOWED: Code.PermissionDenied,
  SIGNATURE_NOT_FOUND: Code.NotFound,
  SIGNATURE_CLOSED: Code.FailedPrecondition,
  SIGNATURE_EXPIRED: Code.FailedPrecondition,
  CODE_MISMATCH: Code.FailedPrecondition,
  TRANSACTION_MISMATCH: Code.FailedPrecondition,
  ATTEMPTS_EXHAUSTED: Code.FailedPrecondition,
  CUSTOMER_BLOCKED: Code.FailedPrecondition,
  IDEMPOTENCY_KEY_REUSED: Code.AlreadyExists,
  RATE_LIMITED: Code.ResourceExhausted,
  RESEND_TOO_SOON: Code.ResourceExhausted,
  RESENDS_EXHAUSTED: Code.FailedPrecondition,
  CHANNEL_UNAVAILABLE: Code.FailedPrecondition,
  DESTINATION_NOT_ALLOWED: Code.FailedPrecondition,
  PROVIDER_REJECTED: Code.FailedPrecondition,
  PROVIDER_UNAVAILABLE: Code.Unavailable,
  SERVICE_UNAVAILABLE: Code.Unavailable,
} satisfies Record<Reason, Code>;

/** What a caller sees of an error, and what stands in the log for it. */
export interface WireError {
  readonly error: ConnectError;
  /** Undefined where gRPC itself ended the call: deadline, cancellation, protocol. */
  readonly reason: Reason | "INTERNAL" | undefined;
}

/**
 * The error as the error table has it. What is no refusal of ours becomes INTERNAL "internal error": inner
 * texts may hold bound parameters, the phone number among them, so they stay in `cause`, for the log alone.
 * @param traceId where given, names the trace of an internal error
 */
export function toWireError(error: unknown, traceId?: string): WireError {
  if (error instanceof Failure) return { error: failureToConnectError(error), reason: error.reason };
  // Connect's own, e.g. deadline exceeded, and those of health and reflection.
  if (error instanceof ConnectError) return { error, reason: undefined };
  const metadata: Record<string, string> = traceId === undefined ? {} : { trace_id: traceId };
  const value = { reason: "INTERNAL", domain: errorDomain, metadata };
  const details = [{ desc: ErrorInfoSchema, value }];
  return {
    error: new ConnectError("internal error", Code.Internal, undefined, details, error),
    reason: "INTERNAL",
  };
}

/** The refusal of a request that is no message, or not the whole of one. */
export function unreadable(cause?: unknown): Failure {
  return new Failure("INVALID_REQUEST", "the request is unreadable", { cause });
}

// All of it goes out as trailers, and clients bound those; gRPC for Java takes 8 KiB.
const longestMessage = 300;
const mostViolations = 40;

type OutgoingDetails = NonNullable<ConstructorParameters<typeof ConnectError>[3]>;

function failureToConnectError(failure: Failure): ConnectError {
  const { reason, metadata, retryAfterMs } = failure;
  const violations = withoutRepeats(failure.violations).slice(0, mostViolations);
  const details: OutgoingDetails = [
    { desc: ErrorInfoSchema, value: { reason, domain: errorDomain, metadata: { ...metadata } } },
  ];
  if (violations.length > 0) {
    const fieldViolations = violations.map(({ field, description }) => ({ field, description }));
    details.push({ desc: BadRequestSchema, value: { fieldViolations } });
  }
  const trailers: Record<string, string> = {};
  if (retryAfterMs !== undefined) {
    const delayMs = Math.max(0, Math.ceil(retryAfterMs));
    details.push({ desc: RetryInfoSchema, value: { retryDelay: durationFromMs(delayMs) } });
    // The retries that gRPC's clients make by themselves go by this header (gRFC A6), and know no RetryInfo.
    trailers["grpc-retry-pushback-ms"] = String(Math.min(delayMs, 2 ** 31 - 1));
  }
  const message = failure.message.slice(0, longestMessage);
  return new ConnectError(message, codeOf[reason], trailers, details, failure.cause);
}

function withoutRepeats(violations: readonly Violation[]): Violation[] {
  return [...new Map(violations.map((one) => [`${one.field}\n${one.description}`, one])).values()];
}
