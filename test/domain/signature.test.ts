import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Failure } from "../../src/domain/failure.ts";
import {
  closedFailure,
  isOpen,
  openStatuses,
  type SignatureEvent,
  type SignatureStatus,
  signatureAfter,
  signatureEvents,
  signatureStatuses,
} from "../../src/domain/signature.ts";

type Step = [from: SignatureStatus, event: SignatureEvent, to: SignatureStatus];

const legal: Step[] = [
  ["pending", "accept", "challenge_sent"],
  ["pending", "complete", "completed"],
  ["pending", "fail", "failed"],
  ["pending", "expire", "expired"],
  ["pending", "abort", "aborted"],
  ["challenge_sent", "accept", "challenge_sent"],
  ["challenge_sent", "complete", "completed"],
  ["challenge_sent", "fail", "failed"],
  ["challenge_sent", "expire", "expired"],
  ["challenge_sent", "abort", "aborted"],
];

const refusals: [from: SignatureStatus, reason: string, metadata: Record<string, string>][] = [
  ["completed", "SIGNATURE_CLOSED", { status: "COMPLETED" }],
  ["failed", "ATTEMPTS_EXHAUSTED", {}],
  ["expired", "SIGNATURE_EXPIRED", {}],
  ["aborted", "SIGNATURE_CLOSED", { status: "ABORTED" }],
];
const illegal = refusals.flatMap(([from, reason, metadata]) =>
  signatureEvents.map((event) => [from, event, reason, metadata] as const),
);

function refusalOf(from: SignatureStatus, event: SignatureEvent): Failure {
  try {
    signatureAfter(from, event);
  } catch (error) {
    if (error instanceof Failure) return error;
  }
  throw new Error(`${event} was not refused in ${from}`);
}

describe("the transition table of signatures", () => {
  test.each(legal)("%s, %s: %s", (from, event, to) => {
    expect(signatureAfter(from, event)).toBe(to);
  });

  test.each(illegal)("%s refuses %s with %s", (from, event, reason, metadata) => {
    expect(refusalOf(from, event)).toMatchObject({ reason, metadata });
    expect(closedFailure(from)).toMatchObject({ reason, metadata });
  });

  test("every status and event is either legal or illegal here", () => {
    const tried = [...legal, ...illegal].map(([from, event]) => `${from} ${event}`);
    expect(new Set(tried).size).toBe(tried.length);
    expect(tried).toHaveLength(signatureStatuses.length * signatureEvents.length);
  });

  test("open are the statuses from which something can still happen", () => {
    expect(openStatuses).toEqual(["pending", "challenge_sent"]);
    expect(signatureStatuses.filter(isOpen)).toEqual(openStatuses);
  });

  test("on any walk a signature closes once, stays closed, and never goes back to pending", () => {
    const walk = fc.array(fc.constantFrom(...signatureEvents), { maxLength: 12 });
    fc.assert(
      fc.property(walk, (events) => {
        let status: SignatureStatus = "pending";
        let moved = false;
        for (const event of events) {
          if (!isOpen(status)) {
            refusalOf(status, event);
            continue;
          }
          status = signatureAfter(status, event);
          moved = true;
        }
        expect(status === "pending").toBe(!moved);
      }),
    );
  });
});
