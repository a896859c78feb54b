import { describe, expect, test } from "vitest";
import type { Observation } from "../../src/domain/observation.ts";
import { TelemetryObserver } from "../../src/telemetry/observer.ts";
import { RepeatedFaults } from "../../src/telemetry/repeated-faults.ts";
import { challengeMadeAt, everyObservation, ids, sid } from "./every-observation.ts";
import { personal, phone } from "./foreign-errors.ts";
import { sampleOf, startedTelemetry } from "./started-telemetry.ts";

async function observed(...observations: Observation[]) {
  await using started = await startedTelemetry();
  const { logger, instruments, lines } = started;
  const observer = new TelemetryObserver({
    logger,
    instruments,
    faults: new RepeatedFaults({ logger, now: () => 0 }),
    now: () => challengeMadeAt + 2000,
  });
  for (const observation of observations) observer.observe(observation);
  const series = await started.series();
  const value = (name: string, labels?: Record<string, string>) => sampleOf(series, name, labels);
  return { lines, value, text: started.text() };
}

describe("the observer", () => {
  test("logs a sent challenge with its Message SID and counts a success, however it became known", async () => {
    for (const knownBy of ["answer", "look_up", "receipt"] as const) {
      const { lines, value } = await observed({
        type: "challenge_sent",
        providerChallengeId: sid,
        knownBy,
        ...ids,
      });
      expect(lines).toMatchObject([
        {
          level: "info",
          message: "challenge sent",
          message_sid: sid,
          signature_id: ids.signatureId,
          challenge_id: ids.challengeId,
          known_by: knownBy,
        },
      ]);
      expect(value("provider_twilio_calls_total", { status: "success" })).toBe(1);
    }
  });

  test("logs a failed call as an error with code and attempt", async () => {
    const { lines, value } = await observed({
      type: "provider_failed",
      outcome: "not_accepted",
      errorCode: "20429",
      attempt: 2,
      ...ids,
    });
    expect(lines).toMatchObject([
      { level: "error", message: "provider call failed", error_code: "20429", attempt: 2 },
    ]);
    expect(value("provider_twilio_calls_total", { status: "failed_all_retries" })).toBe(0);
  });

  test("warns when all retries are exhausted, and counts refusals as failed too", async () => {
    const failed = { type: "sending_failed", errorCode: "timeout", ...ids } as const;
    const { lines, value } = await observed({ ...failed, refused: false }, { ...failed, refused: true });
    expect(lines).toMatchObject([
      { level: "warn", message: "all retries exhausted", error_code: "timeout" },
      { level: "warn", message: "challenge refused by the provider" },
    ]);
    expect(value("provider_twilio_calls_total", { status: "failed_all_retries" })).toBe(2);
    expect(value("signature_sending_failures_total", { kind: "given_up" })).toBe(1);
    expect(value("signature_sending_failures_total", { kind: "refused" })).toBe(1);
  });

  test("counts nothing of another provider as Twilio's", async () => {
    const { value } = await observed({
      type: "sending_failed",
      errorCode: "timeout",
      refused: false,
      ...ids,
      provider: "another",
    });
    expect(value("provider_twilio_calls_total", { status: "failed_all_retries" })).toBe(0);
  });

  test("counts what our account is refused for by its code, seen in an answer or in a receipt", async () => {
    const { value } = await observed(
      {
        type: "provider_failed",
        outcome: "not_accepted",
        errorCode: "21660",
        accountAtFault: true,
        attempt: 1,
        ...ids,
      },
      {
        type: "provider_failed",
        outcome: "rejected",
        errorCode: "21211",
        accountAtFault: false,
        attempt: 1,
        ...ids,
      },
      { type: "receipt", status: "undelivered", errorCode: "30034", accountAtFault: true, ...ids },
      { type: "receipt", status: "undelivered", errorCode: "30003", accountAtFault: false, ...ids },
    );
    const refusals = (seen_in: string, error_code: string) =>
      value("signature_account_refusals_total", { seen_in, error_code });
    expect([refusals("answer", "21660"), refusals("receipt", "30034")]).toEqual([1, 1]);
    expect(() => refusals("answer", "21211")).toThrow("0 series");
    expect(() => refusals("receipt", "30003")).toThrow("0 series");
  });

  test("counts every way in which a signature ends", async () => {
    const { value } = await observed(
      ...(["completed", "failed", "expired", "aborted"] as const).map(
        (status, index) => ({ type: "signature_closed", status, count: index + 1 }) as const,
      ),
      { type: "code_rejected", signatureId: ids.signatureId },
    );
    const closed = (status: string) => value("signature_closed_total", { status });
    expect(["completed", "failed", "expired", "aborted"].map(closed)).toEqual([1, 2, 3, 4]);
    expect(value("signature_attempts_total", { result: "match" })).toBe(1);
    expect(value("signature_attempts_total", { result: "mismatch" })).toBe(1);
  });

  test("measures the time to deliver from the challenge's creation, whichever process made it", async () => {
    const { value } = await observed(
      { type: "challenge_sent", providerChallengeId: sid, knownBy: "answer", ...ids },
      { type: "receipt", status: "delivered", errorCode: "", ...ids },
      { type: "receipt", status: "undelivered", errorCode: "30003", ...ids },
    );
    expect(value("signature_time_to_deliver_sum", { until: "accepted" })).toBeCloseTo(2);
    expect(value("signature_time_to_deliver_count", { until: "delivered" })).toBe(1);
    expect(value("signature_receipts_total", { status: "undelivered" })).toBe(1);
  });

  test("warns of duplicates and take-overs and counts look-ups by what they found", async () => {
    const { lines, value } = await observed(
      { type: "duplicate_sent", providerChallengeId: sid, ...ids },
      { type: "taken_over", ...ids },
      { type: "looked_up", found: "nothing", ...ids },
    );
    expect(lines.map(({ level, message }) => `${level} ${message}`)).toEqual([
      "warn challenge sent twice",
      "warn challenge taken over",
      "info challenge looked up",
    ]);
    expect(value("signature_duplicates_total")).toBe(1);
    expect(value("signature_take_overs_total")).toBe(1);
    expect(value("signature_look_ups_total", { found: "nothing" })).toBe(1);
  });

  test("logs failed upkeep by step and class, and counts steps it does not know as other", async () => {
    const { lines, value } = await observed(
      { type: "upkeep_failed", step: "expire", cause: new TypeError(phone) },
      { type: "upkeep_failed", step: "anything", cause: undefined },
    );
    expect(lines[0]).toMatchObject({ level: "error", message: "upkeep failed", exception_type: "TypeError" });
    expect(value("signature_upkeep_failures_total", { step: "expire" })).toBe(1);
    expect(value("signature_upkeep_failures_total", { step: "other" })).toBe(1);
  });

  test("prints no text of a foreign error, whatever is observed", async () => {
    const { text } = await observed(...everyObservation());
    for (const part of personal) expect(text).not.toContain(part);
  });
});
