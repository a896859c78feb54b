import { describe, expect, test } from "vitest";
import type { PolicyListener } from "../../src/resilience/policy.ts";
import { instrumentedStore } from "../../src/telemetry/instrumented-store.ts";
import type { LabelSet, MetricDefinition } from "../../src/telemetry/metric-definition.ts";
import { metricDefinitions } from "../../src/telemetry/metric-definitions.ts";
import { TelemetryObserver } from "../../src/telemetry/observer.ts";
import { providerMetrics } from "../../src/telemetry/provider-metrics.ts";
import { checkNames, Readiness } from "../../src/telemetry/readiness.ts";
import { RepeatedFaults } from "../../src/telemetry/repeated-faults.ts";
import { RpcTelemetry } from "../../src/telemetry/rpc-telemetry.ts";
import { observeRuntime } from "../../src/telemetry/runtime-metrics.ts";
import { challengeMadeAt, errorCodes, everyObservation, ids, sid } from "./every-observation.ts";
import { foreignErrors, phone } from "./foreign-errors.ts";
import { type StartedTelemetry, sampleOf, startedTelemetry } from "./started-telemetry.ts";

describe("metrics", () => {
  test("carry no label that could hold an id, whatever happens", async () => {
    await using started = await startedTelemetry();
    const stop = await driveEverything(started);
    const series = await started.series();
    stop();
    for (const { name, labels } of series) {
      const definition = definitionOf(name);
      for (const [label, value] of Object.entries(labels)) {
        if (label === "le") continue;
        const set = Object.entries(definition.labels).find(
          ([key]) => key.replaceAll(".", "_") === label,
        )?.[1];
        expect(set, `${name} has no label ${label}`).toBeDefined();
        expect(holds(set, value), `${name}{${label}="${value}"}`).toBe(true);
        expect(value).not.toMatch(/[0-9a-f]{8}-|\d{6,}|^(?:SM|AC|MG)[0-9a-f]{6}|\+/i);
        // What is listed, or named in the sources, is ours to count; all else is short.
        const listed = (Array.isArray(set) && set.includes(value)) || operations.includes(label);
        if (!listed) expect(value.length, value).toBeLessThanOrEqual(20);
      }
    }
  });

  test("have no label whose form would take an id", () => {
    for (const { name, labels } of Object.values<MetricDefinition>(metricDefinitions)) {
      for (const [label, set] of Object.entries(labels)) {
        const id = [ids.signatureId, sid, phone, phone.slice(1)].find((one) => holds(set, one));
        expect(id, `${name}{${label}}`).toBeUndefined();
      }
    }
  });

  test("have a series for each definition once everything has happened", async () => {
    await using started = await startedTelemetry();
    const stop = await driveEverything(started);
    const names = new Set((await started.series()).map(({ name }) => definitionOf(name).name));
    stop();
    const missing = Object.values(metricDefinitions).filter(({ name }) => !names.has(name));
    expect(missing).toEqual([]);
  });

  test("exist at 0 from the beginning wherever the values of the labels are known", async () => {
    await using started = await startedTelemetry();
    const series = await started.series();
    expect(sampleOf(series, "provider_twilio_calls_total", { status: "failed_all_retries" })).toBe(0);
    expect(sampleOf(series, "provider_twilio_errors_total", { error_code: "circuit_open" })).toBe(0);
    expect(sampleOf(series, "signature_closed_total", { status: "expired" })).toBe(0);
    expect(sampleOf(series, "signature_duplicates_total")).toBe(0);
  });

  test("keep the names and units that alerts and dashboards ask for", async () => {
    await using started = await startedTelemetry();
    const stop = await driveEverything(started);
    const text = await started.telemetry.prometheusText();
    stop();
    const names = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => `${name} ${type}`);
    expect(names.sort()).toEqual([
      "db_client_operation_duration histogram",
      "nodejs_eventloop_delay_max gauge",
      "nodejs_eventloop_delay_p99 gauge",
      "nodejs_eventloop_utilization gauge",
      "process_cpu_time_total counter",
      "process_memory_usage gauge",
      "provider_twilio_calls_total counter",
      "provider_twilio_errors_total counter",
      "provider_twilio_latency histogram",
      "rpc_server_call_duration histogram",
      "signature_account_refusals_total counter",
      "signature_attempts_total counter",
      "signature_budget_used gauge",
      "signature_build gauge",
      "signature_call_outcomes_total counter",
      "signature_calls_held_back_total counter",
      "signature_check gauge",
      "signature_checkpoint_deliveries_total counter",
      "signature_checkpoints_missing_total counter",
      "signature_closed_total counter",
      "signature_duplicates_total counter",
      "signature_grpc_held gauge",
      "signature_grpc_quota_refusals_total counter",
      "signature_in_flight gauge",
      "signature_lockouts_total counter",
      "signature_look_ups_total counter",
      "signature_messages_total counter",
      "signature_provider_breaker gauge",
      "signature_provider_calls gauge",
      "signature_pumping_suspicions_total counter",
      "signature_ready gauge",
      "signature_receipt_mismatches_total counter",
      "signature_receipts_total counter",
      "signature_refusals_total counter",
      "signature_repeated_calls_total counter",
      "signature_sending_failures_total counter",
      "signature_settling_pause gauge",
      "signature_started_total counter",
      "signature_take_overs_total counter",
      "signature_time_to_deliver histogram",
      "signature_tls_certificate_life gauge",
      "signature_tls_handshake_failures_total counter",
      "signature_upkeep_failures_total counter",
      "signature_warnings_total counter",
      "signature_watched gauge",
    ]);
    expect(text).toContain("# UNIT provider_twilio_latency s");
  });

  test("measure create calls in buckets from 50 ms to 15 s, by success and error", async () => {
    await using started = await startedTelemetry();
    const listener: PolicyListener = providerMetrics({ ...started, provider: "twilio" });
    listener.onCall?.({ outcome: "accepted", errorCode: undefined, durationMs: 120 });
    listener.onCall?.({ outcome: "unknown", errorCode: "timeout", durationMs: 5000 });
    listener.onCall?.({ outcome: "rejected", errorCode: "21211", durationMs: 80 });
    const series = await started.series();
    const latency = (status: string) => sampleOf(series, "provider_twilio_latency_count", { status });
    expect([latency("success"), latency("error")]).toEqual([1, 2]);
    expect(sampleOf(series, "provider_twilio_latency_sum", { status: "success" })).toBeCloseTo(0.12);
    const bounds = series
      .filter(({ name, labels }) => name === "provider_twilio_latency_bucket" && labels["status"] === "error")
      .map(({ labels }) => labels["le"]);
    expect([bounds.at(0), bounds.at(-2), bounds.at(-1)]).toEqual(["0.05", "15", "+Inf"]);
    expect(sampleOf(series, "provider_twilio_errors_total", { error_code: "timeout" })).toBe(1);
    expect(sampleOf(series, "provider_twilio_errors_total", { error_code: "21211" })).toBe(1);
    expect(sampleOf(series, "signature_call_outcomes_total", { outcome: "unknown" })).toBe(1);
  });

  test("count what an open circuit refuses as an error without a call, and other layers as none", async () => {
    await using started = await startedTelemetry();
    const listener: PolicyListener = providerMetrics({ ...started, provider: "twilio" });
    listener.onRefused?.({ refusedBy: "breaker", errorCode: "circuit_open" });
    listener.onRefused?.({ refusedBy: "rate", errorCode: "other" });
    const series = await started.series();
    expect(sampleOf(series, "provider_twilio_errors_total", { error_code: "circuit_open" })).toBe(1);
    expect(sampleOf(series, "provider_twilio_errors_total", { error_code: "other" })).toBe(0);
    expect(sampleOf(series, "signature_calls_held_back_total", { layer: "rate" })).toBe(1);
    expect(series.filter(({ name }) => name.startsWith("provider_twilio_latency"))).toEqual([]);
  });

  test("tell each state of the breaker, and log its changes", async () => {
    await using started = await startedTelemetry();
    let state: "closed" | "open" = "closed";
    const stop = observeRuntime(started.instruments, { ...sources, breaker: () => state });
    const listener: PolicyListener = providerMetrics({ ...started, provider: "twilio" });
    state = "open";
    listener.onBreaker?.("open", 0);
    const series = await started.series();
    stop();
    expect(sampleOf(series, "signature_provider_breaker", { state: "open" })).toBe(1);
    expect(sampleOf(series, "signature_provider_breaker", { state: "closed" })).toBe(0);
    expect(started.lines).toMatchObject([
      { level: "warn", message: "circuit breaker changed", state: "open" },
    ]);
  });

  test("tell the state of each check, and whether the process takes calls", async () => {
    await using started = await startedTelemetry();
    const readiness = new Readiness({ checks: checkNames, now: () => new Date(0) });
    const stop = observeRuntime(started.instruments, { ...sources, readiness });
    const ones = async () =>
      (await started.series()).flatMap(({ name, labels, value }) =>
        name === "signature_check" && value === 1 ? [`${labels["check"]} ${labels["state"]}`] : [],
      );
    expect((await ones()).sort()).toEqual(checkNames.map((name) => `${name} failed`).sort());
    for (const name of checkNames) readiness.set(name, "ok");
    readiness.set("secrets", "degraded", "sealed");
    expect((await ones()).sort()).toEqual([
      ...["breaker ok", "capacity ok", "database ok", "draining ok", "secrets degraded", "tls ok"],
    ]);
    const series = await started.series();
    expect(series.filter(({ name }) => name === "signature_check")).toHaveLength(checkNames.length * 3);
    expect(sampleOf(series, "signature_check", { check: "secrets", state: "ok" })).toBe(0);
    expect(sampleOf(series, "signature_ready")).toBe(1);
    readiness.set("draining", "failed", "draining");
    expect(sampleOf(await started.series(), "signature_ready")).toBe(0);
    stop();
  });
});

const operations = ["rpc_method", "db_operation_name"];

const sources = {
  version: "0.1.0",
  inFlight: () => 3,
  watched: () => 2,
  grpcHeld: { connections: 4, calls: 5, streams: 2 },
  providerCalls: () => ({ inFlight: 1, waiting: 0 }),
  breaker: () => "closed" as const,
  settlingMs: () => 2000,
  budget: () => [
    { scope: "all" as const, unit: "messages" as const, share: 0.5 },
    { scope: "caller" as const, unit: "cost" as const, share: 1 },
  ],
  certificates: () => ({
    server: new Date(Date.now() + 3600_000),
    clientCa: new Date(Date.now() + 7200_000),
  }),
  readiness: new Readiness({ checks: checkNames, now: () => new Date(0) }),
};

async function driveEverything({ telemetry, instruments, logger }: StartedTelemetry): Promise<() => void> {
  const observer = new TelemetryObserver({
    logger,
    instruments,
    faults: new RepeatedFaults({ logger, now: () => 0 }),
    now: () => challengeMadeAt + 2000,
  });
  for (const observation of everyObservation()) observer.observe(observation);
  const listener: PolicyListener = providerMetrics({ instruments, logger, provider: "twilio" });
  for (const errorCode of errorCodes) {
    listener.onCall?.({ outcome: "unknown", errorCode, durationMs: 10 });
    listener.onRefused?.({ refusedBy: "breaker", errorCode });
  }
  const { tracing } = telemetry;
  const rpc = new RpcTelemetry({ logger, instruments, tracing });
  for (const code of ["OK", "INTERNAL", "UNAVAILABLE", phone]) {
    for (const service of ["bank.signature.v1.SignatureService", "_OTHER"]) {
      const call = { service, method: "StartSignature" };
      const ended = {
        ...call,
        ...{
          caller: "payments",
          code,
          reason: code === "OK" ? undefined : sid,
          signatureId: ids.signatureId,
        },
        ...{ durationMs: 12, cause: foreignErrors()[0] },
      };
      rpc.begin({ ...call, headers: {} }).end(ended);
    }
  }
  const store = { get: () => Promise.resolve(1), fail: () => Promise.reject(foreignErrors()[0]) };
  const measured = instrumentedStore(store, { tracing, instruments, name: "SignatureStore" });
  await Promise.allSettled([measured.get(), measured.fail()]);
  return observeRuntime(instruments, sources);
}

function definitionOf(series: string): MetricDefinition {
  const found = Object.values<MetricDefinition>(metricDefinitions).find(({ name, kind }) => {
    const base = name.replaceAll(".", "_");
    if (kind === "histogram") return [`${base}_bucket`, `${base}_sum`, `${base}_count`].includes(series);
    return series === (kind === "gauge" ? base : `${base}_total`);
  });
  if (found === undefined) throw new Error(`no definition has the series ${series}`);
  return found;
}

function holds(set: LabelSet | undefined, value: string): boolean {
  if (set === undefined) return false;
  return "form" in set ? set.form.test(value) || set.known.includes(value) : set.includes(value);
}
