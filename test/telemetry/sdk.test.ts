import { afterEach, describe, expect, test, vi } from "vitest";
import { createInstruments } from "../../src/telemetry/instruments.ts";
import { askedExporters } from "../../src/telemetry/otel-environment.ts";
import { RpcTelemetry } from "../../src/telemetry/rpc-telemetry.ts";
import { startTelemetry } from "../../src/telemetry/sdk.ts";
import { capturedLog } from "./captured-log.ts";
import { startCollector } from "./collector.ts";
import { ids } from "./every-observation.ts";

/** The SDK reads the process's environment itself. */
async function telemetryWith(otel: Record<string, string>) {
  for (const [name, value] of Object.entries(otel)) vi.stubEnv(name, value);
  const log = await capturedLog();
  const telemetry = await startTelemetry({ otel, version: "0.1.0", logger: log.logger });
  const instruments = createInstruments(telemetry.meter);
  const rpc = new RpcTelemetry({ logger: log.logger, instruments, tracing: telemetry.tracing });
  return { ...log, telemetry, instruments, rpc };
}

const call = { service: "bank.signature.v1.SignatureService", method: "StartSignature" };
const ended = {
  ...{ ...call, caller: "payments", code: "OK", reason: undefined },
  ...{ signatureId: ids.signatureId, durationMs: 12, cause: undefined },
};

afterEach(() => {
  vi.unstubAllEnvs();
});

describe("the SDK", () => {
  test("sends nothing by default, and still has metrics and trace ids", async () => {
    const { telemetry, rpc, lines } = await telemetryWith({});
    rpc.begin({ ...call, headers: {} }).end(ended);
    const text = await telemetry.prometheusText();
    await telemetry.shutdown();
    expect(telemetry.tracing.enabled).toBe(false);
    expect(text).toContain('rpc_server_call_duration_count{rpc_system_name="grpc"');
    expect(text).not.toMatch(/otel_scope|target_info/);
    expect(lines[0]).toHaveProperty("trace_id");
  });

  test("sends traces and metrics where an OTLP endpoint is named, and Prometheus keeps its own", async () => {
    await using collector = await startCollector();
    const { telemetry, rpc } = await telemetryWith({
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
    });
    rpc.begin({ ...call, headers: {} }).end(ended);
    const text = await telemetry.prometheusText();
    await telemetry.shutdown();
    const bodies = (path: string) => collector.received.filter((one) => one.path === path);
    expect(text).toContain("rpc_server_call_duration_count");
    expect(bodies("/v1/traces")[0]?.body).toContain("bank.signature.v1.SignatureService/StartSignature");
    expect(bodies("/v1/traces")[0]?.body).toContain('{"stringValue":"signature-router"}');
    expect(bodies("/v1/metrics")[0]?.body).toContain('"provider.twilio.calls"');
    expect(bodies("/v1/logs")).toEqual([]);
    const all = collector.received.map(({ body }) => body).join();
    expect(all).not.toMatch(/process\.(?:owner|command)/);
  });

  test("takes the service's name and the sampler from the environment", async () => {
    await using collector = await startCollector();
    const { telemetry, rpc } = await telemetryWith({
      OTEL_TRACES_EXPORTER: "otlp",
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_METRICS_EXPORTER: "none",
      OTEL_SERVICE_NAME: "signatures-of-another-name",
      OTEL_TRACES_SAMPLER: "parentbased_always_off",
    });
    rpc.begin({ ...call, headers: {} }).end(ended);
    const sampled = `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01`;
    rpc.begin({ ...call, headers: { traceparent: sampled } }).end(ended);
    await telemetry.shutdown();
    expect(collector.received.map(({ path }) => path)).toEqual(["/v1/traces"]);
    const body = collector.received[0]?.body ?? "";
    expect(body).toContain("signatures-of-another-name");
    expect(body.match(/"spanId"/g)).toHaveLength(1);
  });

  test("makes no spans where only metrics are exported", async () => {
    await using collector = await startCollector();
    const { telemetry } = await telemetryWith({
      OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: `${collector.url}/v1/metrics`,
      OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: "http/json",
    });
    expect(telemetry.tracing.enabled).toBe(false);
    expect(telemetry.tracing.tracer.startSpan("a span").isRecording()).toBe(false);
    await telemetry.shutdown();
    expect(collector.received.map(({ path }) => path)).toEqual(["/v1/metrics"]);
  });

  test("measures nothing where it is disabled", async () => {
    const { telemetry } = await telemetryWith({ OTEL_SDK_DISABLED: "true" });
    expect(await telemetry.prometheusText()).toBe("");
    await telemetry.shutdown();
  });

  test.each([
    [{}, false, []],
    [{ OTEL_TRACES_EXPORTER: "" }, false, []],
    [{ OTEL_TRACES_EXPORTER: "none", OTEL_EXPORTER_OTLP_ENDPOINT: "http://c" }, false, ["otlp"]],
    [{ OTEL_TRACES_EXPORTER: "console" }, true, []],
    [{ OTEL_METRICS_EXPORTER: "prometheus" }, false, []],
    [{ OTEL_METRICS_EXPORTER: "prometheus, otlp" }, false, ["otlp"]],
    [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://c" }, true, []],
    [{ OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: "http://c" }, false, ["otlp"]],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: "http://c", OTEL_SDK_DISABLED: "TRUE" }, false, []],
  ])("is asked by %j to export traces: %s, metrics: %j", (otel, traces, metrics) => {
    expect(askedExporters(otel)).toMatchObject({ traces, metrics });
  });
});
