import { describe, expect, test } from "vitest";
import type { Observe } from "../../src/grpc/observe.ts";
import { providerMetrics } from "../../src/telemetry/provider-metrics.ts";
import { type EndedCall, RpcTelemetry } from "../../src/telemetry/rpc-telemetry.ts";
import { ids } from "./every-observation.ts";
import { foreignErrors, personal } from "./foreign-errors.ts";
import { sampleOf, startedTelemetry } from "./started-telemetry.ts";

const ended: EndedCall = {
  service: "bank.signature.v1.SignatureService",
  method: "CompleteSignature",
  caller: "payments",
  code: "OK",
  reason: undefined,
  signatureId: ids.signatureId,
  durationMs: 12.345,
  cause: undefined,
};

/** What is logged and counted for calls that ended so. */
async function answered(...calls: Partial<EndedCall>[]) {
  await using started = await startedTelemetry();
  const { logger, instruments, telemetry, lines } = started;
  const rpc: Observe = new RpcTelemetry({ logger, instruments, tracing: telemetry.tracing });
  for (const call of calls) {
    const whole = { ...ended, ...call };
    rpc.begin({ service: whole.service, method: whole.method, headers: {} }).end(whole);
  }
  return { lines, series: await started.series(), text: started.text() };
}

describe("a call", () => {
  test("has one access line with its caller, code, signature and duration", async () => {
    const { lines } = await answered({});
    expect(lines).toMatchObject([
      {
        level: "info",
        message: "call answered",
        service: "bank.signature.v1.SignatureService",
        method: "CompleteSignature",
        caller: "payments",
        code: "OK",
        signature_id: ids.signatureId,
        duration_ms: 12.3,
        trace_id: expect.stringMatching(/^[0-9a-f]{32}$/),
      },
    ]);
  });

  test("says in its access line how long it waited for the provider, where it called it", async () => {
    await using started = await startedTelemetry();
    const { logger, instruments, telemetry, lines } = started;
    const rpc = new RpcTelemetry({ logger, instruments, tracing: telemetry.tracing });
    const provider = providerMetrics({ instruments, logger, provider: "twilio" });
    const accepted = async (durationMs: number) => {
      await Promise.resolve();
      provider.onCall({ outcome: "accepted", errorCode: undefined, durationMs });
    };
    const [sending, reading] = [rpc.begin({ ...ended, headers: {} }), rpc.begin({ ...ended, headers: {} })];
    await sending.run(async () => {
      await accepted(800.04);
      await accepted(40.02);
    });
    // A sweep's call, in no call's context.
    await accepted(1);
    sending.end(ended);
    reading.end(ended);
    expect(lines.map((line) => line["provider_ms"])).toEqual([840.1, undefined]);
  });

  test("is measured by the semantic conventions, and its reason is counted", async () => {
    const { series } = await answered({}, { code: "FAILED_PRECONDITION", reason: "CODE_MISMATCH" });
    const labels = {
      rpc_system_name: "grpc",
      rpc_method: "bank.signature.v1.SignatureService/CompleteSignature",
    };
    const count = "rpc_server_call_duration_count";
    expect(sampleOf(series, count, { ...labels, rpc_status_code: "OK" })).toBe(1);
    expect(sampleOf(series, count, { ...labels, rpc_status_code: "FAILED_PRECONDITION" })).toBe(1);
    expect(series.some(({ labels }) => labels["error_type"] !== undefined)).toBe(false);
    expect(sampleOf(series, "signature_refusals_total", { reason: "CODE_MISMATCH" })).toBe(1);
  });

  test("that failed in the server is an error of its class, without a text", async () => {
    const calls = foreignErrors().map((cause) => ({ code: "INTERNAL", cause }));
    const { lines, series, text } = await answered(...calls);
    expect(lines[0]).toMatchObject({ level: "error", code: "INTERNAL", exception_type: "PostgresError" });
    expect(sampleOf(series, "rpc_server_call_duration_count", { error_type: "INTERNAL" })).toBe(calls.length);
    for (const part of personal) expect(text).not.toContain(part);
  });

  test("for what is not served is counted as _OTHER", async () => {
    const { series } = await answered({ service: "_OTHER", method: "_OTHER", code: "UNIMPLEMENTED" });
    expect(sampleOf(series, "rpc_server_call_duration_count", { rpc_method: "_OTHER" })).toBe(1);
  });

  test("of a probe stays out of the log unless it fails", async () => {
    const probe = { service: "grpc.health.v1.Health", method: "Check" };
    const { lines } = await answered(probe, { ...probe, code: "INTERNAL" });
    expect(lines.map(({ level }) => level)).toEqual(["debug", "error"]);
  });

  test("carries the caller's trace id, or one of its own, into every line below it", async () => {
    await using started = await startedTelemetry();
    const { logger, instruments, telemetry, lines } = started;
    const rpc = new RpcTelemetry({ logger, instruments, tracing: telemetry.tracing });
    const traceId = "0af7651916cd43dd8448eb211c80319c";
    const headers = { traceparent: `00-${traceId}-b7ad6b7169203331-01` };
    const traced = rpc.begin({ ...ended, headers });
    const untraced = rpc.begin({ ...ended, headers: { traceparent: "nonsense" } });
    const work = async () => {
      await Promise.resolve();
      logger.info("inside");
    };
    await Promise.all([traced.run(work), untraced.run(work)]);
    expect(traced.traceId).toBe(traceId);
    expect(untraced.traceId).toMatch(/^[0-9a-f]{32}$/);
    expect(lines.map((line) => line["trace_id"])).toEqual([traced.traceId, untraced.traceId]);
  });
});
