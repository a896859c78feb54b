import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Failure, type Reason } from "../../src/domain/failure.ts";
import { codeOf } from "../../src/grpc/errors.ts";
import { grpcError } from "../support/grpc-client.ts";
import { aStartRequest, type RunningServer, runServer } from "../support/grpc-server.ts";

// The error table of the contract, written out by hand.
const codes: Record<Reason, string> = {
  INVALID_REQUEST: "INVALID_ARGUMENT",
  CALLER_UNKNOWN: "UNAUTHENTICATED",
  CALLER_NOT_ALLOWED: "PERMISSION_DENIED",
  SIGNATURE_NOT_FOUND: "NOT_FOUND",
  SIGNATURE_CLOSED: "FAILED_PRECONDITION",
  SIGNATURE_EXPIRED: "FAILED_PRECONDITION",
  CODE_MISMATCH: "FAILED_PRECONDITION",
  TRANSACTION_MISMATCH: "FAILED_PRECONDITION",
  ATTEMPTS_EXHAUSTED: "FAILED_PRECONDITION",
  CUSTOMER_BLOCKED: "FAILED_PRECONDITION",
  IDEMPOTENCY_KEY_REUSED: "ALREADY_EXISTS",
  RATE_LIMITED: "RESOURCE_EXHAUSTED",
  RESEND_TOO_SOON: "RESOURCE_EXHAUSTED",
  RESENDS_EXHAUSTED: "FAILED_PRECONDITION",
  CHANNEL_UNAVAILABLE: "FAILED_PRECONDITION",
  DESTINATION_NOT_ALLOWED: "FAILED_PRECONDITION",
  PROVIDER_REJECTED: "FAILED_PRECONDITION",
  PROVIDER_UNAVAILABLE: "UNAVAILABLE",
  SERVICE_UNAVAILABLE: "UNAVAILABLE",
};

describe("errors on the wire", () => {
  let running: RunningServer;
  beforeAll(async () => {
    running = await runServer();
  });
  afterAll(() => running[Symbol.asyncDispose]());

  async function answerTo(failure: unknown) {
    running.useCases.failNext(failure);
    return grpcError(running.client.startSignature(aStartRequest()));
  }

  it("lists every reason that has a code", () => {
    expect(Object.keys(codeOf).sort()).toEqual(Object.keys(codes).sort());
  });

  it.each(Object.entries(codes))("carries %s as %s with its metadata and pause", async (reason, code) => {
    const metadata = { attempts_remaining: "2", status: "COMPLETED" };
    const error = await answerTo(
      new Failure(reason as Reason, "no, thanks", { metadata, retryAfterMs: 1500 }),
    );
    expect(error).toMatchObject({ code, reason, domain: "signature.bank", metadata, retryAfterMs: 1500 });
    expect(error.message).toBe("no, thanks");
  });

  it("leaves RetryInfo and BadRequest out where there is nothing to say", async () => {
    const error = await answerTo(new Failure("SIGNATURE_EXPIRED", "expired"));
    expect(error.retryAfterMs).toBeUndefined();
    expect(error.violations).toEqual([]);
  });

  it("shows messages to other clients letter by letter, reserved characters and all", async () => {
    const message = "a: b, c; d/e? f@g & h=i + $j # 100 % señal €";
    expect((await answerTo(new Failure("SIGNATURE_EXPIRED", message))).message).toBe(message);
  });

  it("tells nothing of an unexpected error but the trace it stands in", async () => {
    const error = await answerTo(new Error("Failed query with params +34600000001"));
    expect(error).toMatchObject({
      code: "INTERNAL",
      message: "internal error",
      reason: "INTERNAL",
      metadata: { trace_id: "0af7651916cd43dd8448eb211c80319c" },
      violations: [],
    });
    expect(JSON.stringify(error)).not.toContain("34600000001");
  });

  it("keeps the cause of a refusal from the caller and hands it to the log", async () => {
    const cause = new Error("connection to 10.0.0.1 refused");
    const error = await answerTo(new Failure("SERVICE_UNAVAILABLE", "try again", { cause }));
    expect(JSON.stringify(error)).not.toContain("10.0.0.1");
    expect(running.calls.ended.at(-1)).toMatchObject({ reason: "SERVICE_UNAVAILABLE", cause });
  });

  it("names equal faults once and stays within the 8 KiB of headers that Java clients take", async () => {
    const many = Array.from({ length: 5000 }, () => ({
      field: "transaction.attributes",
      description: "is too long",
    }));
    const message = many.map((violation) => violation.field).join(" and ");
    const error = await answerTo(new Failure("INVALID_REQUEST", message, { violations: many }));
    expect(error.violations).toEqual([many[0]]);
    expect(error.message.length).toBe(300);
  });
});
