import {
  context,
  DiagLogLevel,
  diag,
  type Meter,
  metrics,
  ProxyTracerProvider,
  propagation,
  trace,
} from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { PrometheusExporter, PrometheusSerializer } from "@opentelemetry/exporter-prometheus";
import { MeterProvider } from "@opentelemetry/sdk-metrics";
import type { Logger } from "./logger.ts";
import { askedExporters, type OtelEnvironment } from "./otel-environment.ts";
import { Tracing } from "./tracing.ts";

export interface Telemetry {
  readonly meter: Meter;
  readonly tracing: Tracing;
  /** All metrics in Prometheus' text format 0.0.4. */
  prometheusText(): Promise<string>;
  /** Sends what is left to the exporters, for at most 3 s. */
  shutdown(): Promise<void>;
}

export interface TelemetryOptions {
  readonly otel: OtelEnvironment;
  readonly version: string;
  readonly logger: Logger;
}

const scope = "signature-router";
const flushMs = 3000;

/**
 * Starts metrics and traces. By default metrics are only pulled, spans are only ids in the log, and nothing
 * is sent anywhere; exporters named by OTEL_* come on top. Once per process.
 */
export async function startTelemetry({ otel, version, logger }: TelemetryOptions): Promise<Telemetry> {
  const asked = askedExporters(otel);
  leaveInjectedSdk();
  if (!otel["OTEL_LOG_LEVEL"]) reportProblems(logger);
  const prometheus = new PrometheusExporter({ preventServerStart: true });
  const exporting = asked.traces || asked.metrics.length > 0;
  let stop = () => Promise.resolve();
  let meter: Meter;
  if (exporting) {
    const { startExportingSdk } = await import("./exporting-sdk.ts");
    const sdk = await startExportingSdk({ otel, asked, prometheus, version });
    stop = () => sdk.shutdown();
    meter = metrics.getMeter(scope, version);
  } else {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    propagation.setGlobalPropagator(new W3CTraceContextPropagator());
    const provider = new MeterProvider({ readers: asked.disabled ? [] : [prometheus] });
    stop = () => provider.shutdown();
    meter = provider.getMeter(scope, version);
  }
  const tracer = (asked.traces ? trace : new ProxyTracerProvider()).getTracer(scope, version);
  return {
    meter,
    tracing: new Tracing({ tracer, enabled: asked.traces }),
    prometheusText: () => (asked.disabled ? Promise.resolve("") : textOf(prometheus)),
    async shutdown() {
      await within(stop(), flushMs).catch(() => logger.warn("telemetry could not be sent before the end"));
      for (const api of [context, propagation, trace, metrics, diag]) api.disable();
    },
  };
}

/**
 * What NODE_OPTIONS=--require started before us has registered its providers for the whole process, of another version
 * perhaps, and a second registration is refused: our instruments would be its own, or nobody's. It keeps the providers
 * that its instrumentation holds, and finds its context in our manager.
 */
function leaveInjectedSdk(): void {
  Reflect.deleteProperty(globalThis, Symbol.for("opentelemetry.js.api.1"));
}

/** Series carry the instruments' own labels only: Prometheus adds whom it scraped. */
async function textOf(prometheus: PrometheusExporter): Promise<string> {
  const { resourceMetrics } = await prometheus.collect();
  return new PrometheusSerializer("", false, undefined, true, true).serialize(resourceMetrics);
}

/** The SDK's own texts quote addresses and answers; that there is something to see is said once a minute. */
function reportProblems(logger: Logger): void {
  let last = Number.NEGATIVE_INFINITY;
  const report = () => {
    if (performance.now() - last < 60_000) return;
    last = performance.now();
    logger.warn("OpenTelemetry reports a problem: OTEL_LOG_LEVEL=warn shows it");
  };
  const nothing = () => undefined;
  diag.setLogger(
    { error: report, warn: report, info: nothing, debug: nothing, verbose: nothing },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  );
}

async function within(work: Promise<void>, ms: number): Promise<void> {
  const signal = AbortSignal.timeout(ms);
  const late = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
  await Promise.race([work, late]);
}
