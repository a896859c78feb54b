import { randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { LiveInstallation } from "../support/live-installation.ts";
import { aPhoneNumber, aStartOf } from "../support/signature-requests.ts";
import { startCollector } from "./collector.ts";
import { parseSeries, sampleOf } from "./started-telemetry.ts";

const require = createRequire(import.meta.url);

/** What an operator injects: an SDK of its own with an instrument, whose value it writes down at the end. */
function injected(apiVersion: string | undefined, folder: string): { preload: string; kept: string } {
  const kept = join(folder, `${randomUUID()}.json`);
  const preload = join(folder, `${randomUUID()}.cjs`);
  const path = (name: string) => JSON.stringify(require.resolve(name));
  writeFileSync(
    preload,
    `const { metrics, trace, context } = require(${path("@opentelemetry/api")});
     const { NodeSDK } = require(${path("@opentelemetry/sdk-node")});
     const { InMemoryMetricExporter, PeriodicExportingMetricReader } = require(${path("@opentelemetry/sdk-metrics")});
     const exporter = new InMemoryMetricExporter(0);
     const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
     const spans = [];
     new NodeSDK({
       metricReaders: [reader], logRecordProcessors: [],
       spanProcessors: [{ onStart() {}, onEnd: (span) => spans.push(span.name), forceFlush: async () => {}, shutdown: async () => {} }],
     }).start();
     const counter = metrics.getMeter("injected").createCounter("injected.loads");
     counter.add(1);
     const tracer = trace.getTracer("injected");
     tracer.startActiveSpan("injected span", (span) => span.end());
     const version = ${JSON.stringify(apiVersion)};
     if (version !== undefined) globalThis[Symbol.for("opentelemetry.js.api.1")].version = version;
     process.once("SIGTERM", async () => {
       tracer.startSpan("a later span").end();
       await reader.forceFlush();
       const names = exporter.getMetrics().flatMap((one) => one.scopeMetrics).flatMap((one) => one.metrics.map((metric) => metric.descriptor.name));
       require("node:fs").writeFileSync(${JSON.stringify(kept)}, JSON.stringify({ names, spans }));
     });`,
  );
  return { preload, kept };
}

describe("with an OpenTelemetry SDK that NODE_OPTIONS=--require injects", () => {
  let database: TestDatabase;
  let installation: LiveInstallation;
  let folder: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "signature-router-injected-"));
    database = await createDatabase();
    installation = await LiveInstallation.create(database.url);
  });

  afterAll(async () => {
    await installation?.[Symbol.asyncDispose]();
    await database?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  test.each([
    { injecting: "nothing exported by us", apiVersion: undefined, exporting: false },
    { injecting: "metrics and traces exported by us", apiVersion: undefined, exporting: true },
    { injecting: "an older API, metrics and traces exported by us", apiVersion: "1.9.0", exporting: true },
    { injecting: "a newer API", apiVersion: "1.99.0", exporting: false },
  ])("and $injecting, metrics and trace ids are ours and its own stay its own", async (row) => {
    await using collector = await startCollector();
    const { preload, kept } = injected(row.apiVersion, folder);
    const replica = await installation.startReplica({
      NODE_OPTIONS: `--require ${preload}`,
      ...(row.exporting && {
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      }),
    });
    await replica.client.startSignature(aStartOf(aPhoneNumber()));
    const answered = JSON.parse(await replica.line('"call answered"')) as Record<string, unknown>;
    expect(answered["trace_id"]).toMatch(/^[0-9a-f]{32}$/);
    const response = await fetch(`${replica.opsUrl}/metrics`);
    const series = parseSeries(await response.text());
    expect(response.status).toBe(200);
    expect(sampleOf(series, "signature_started_total")).toBe(1);
    expect(series.filter(({ name }) => name.startsWith("injected"))).toEqual([]);
    await replica.stop();
    expect(JSON.parse(readFileSync(kept, "utf8"))).toEqual({
      names: ["injected.loads"],
      spans: ["injected span", "a later span"],
    });
    const bodies = (path: string) =>
      collector.received.filter((one) => one.path === path).map(({ body }) => body);
    const sent = [bodies("/v1/traces").join(), bodies("/v1/metrics").join()];
    expect(sent.map((body) => body.includes("StartSignature"))).toEqual([row.exporting, row.exporting]);
    expect(sent.join()).not.toContain("injected");
  });
});
