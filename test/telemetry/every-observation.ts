import type { Observation } from "../../src/domain/observation.ts";
import { signatureStatuses } from "../../src/domain/signature.ts";
import { warnings } from "../../src/domain/warning.ts";
import { foreignErrors, phone } from "./foreign-errors.ts";

export const ids = {
  signatureId: "01920000-0000-7000-8000-000000000001",
  /** Made 2024-09-17T11:38:29.376Z. */
  challengeId: "01920000-0000-7000-8000-000000000002",
  provider: "twilio",
};
export const challengeMadeAt = 0x0192_0000_0000;
export const sid = "SM0123456789abcdef0123456789abcdef";

/** Codes as they should be, and as a fault of ours or of a provider could make them. */
export const errorCodes = [
  ...["21211", "30003", "timeout", "connection", "circuit_open", "unreadable", "http_502", "other"],
  ...["", "http_999", "http_50200", "212110", "abc", phone, sid, ids.signatureId, `To ${phone} is not valid`],
];

/** Every observation with every value of its closed fields, and odd values in the open ones. */
export function everyObservation(): Observation[] {
  return [
    { type: "signature_started", warnings },
    ...signatureStatuses.map((status) => ({ type: "signature_closed", status, count: 2 }) as const),
    { type: "code_rejected", signatureId: ids.signatureId },
    ...["GSM-7", "UCS-2", "another"].flatMap((encoding) =>
      [1, 2, 3, 4, 10].map((segments) => ({ type: "message_composed", encoding, segments, ...ids }) as const),
    ),
    ...(["answer", "look_up", "receipt"] as const).map(
      (knownBy) => ({ type: "challenge_sent", providerChallengeId: sid, knownBy, ...ids }) as const,
    ),
    ...errorCodes.flatMap((errorCode): Observation[] => [
      { type: "provider_failed", outcome: "unknown", errorCode, attempt: 2, ...ids },
      {
        type: "provider_failed",
        outcome: "not_accepted",
        errorCode,
        accountAtFault: true,
        attempt: 1,
        ...ids,
      },
      { type: "sending_failed", errorCode, refused: true, ...ids },
      { type: "sending_failed", errorCode, refused: false, ...ids },
      { type: "receipt", status: "undelivered", errorCode, ...ids },
      { type: "receipt", status: "undelivered", errorCode, accountAtFault: true, ...ids },
    ]),
    { type: "receipt", status: "delivered", errorCode: "", ...ids },
    ...(["message", "nothing", "unreadable"] as const).map(
      (found) => ({ type: "looked_up", found, ...ids }) as const,
    ),
    { type: "taken_over", ...ids },
    ...(["no", "next", "now"] as const).map(
      (untilFreed) =>
        ({
          type: "customer_locked_out",
          caller: "payments",
          signatureId: ids.signatureId,
          step: 2,
          untilFreed,
        }) as const,
    ),
    { type: "pumping_suspected", kind: "prefix", name: "+34600", messages: 40, completions: 1 },
    { type: "pumping_suspected", kind: "prefix", name: phone, messages: 40, completions: 1 },
    { type: "pumping_suspected", kind: "country", name: "PT", messages: 140, completions: 1 },
    { type: "pumping_suspected", kind: "caller", name: "payments", messages: 240, completions: 1 },
    { type: "budget_nearly_used", scope: "all", caller: "", unit: "messages", share: 0.81 },
    { type: "budget_nearly_used", scope: "caller", caller: "payments", unit: "cost", share: 1 },
    ...["start", "find_key", "another"].map(
      (statement) => ({ type: "statement_repeated", statement, calls: 20 }) as const,
    ),
    { type: "checkpoint_missing", day: "2026-11-22" },
    ...(["file", "http", "tsa"] as const).flatMap((sink) =>
      (["delivered", "failed", "differs"] as const).map(
        (result) => ({ type: "checkpoint_delivery", sink, day: "2026-11-22", result }) as const,
      ),
    ),
    { type: "duplicate_sent", providerChallengeId: sid, ...ids },
    ...(["account", "destination", "attempt", "message"] as const).map(
      (fault) => ({ type: "receipt_mismatch", fault, ...ids }) as const,
    ),
    { type: "upkeep_recovered", step: "expire" },
    ...["expire", "http", "another"].flatMap((step) =>
      foreignErrors().map((cause) => ({ type: "upkeep_failed", step, cause }) as const),
    ),
  ];
}
