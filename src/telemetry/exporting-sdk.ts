import {
  defaultResource,
  envDetector,
  hostDetector,
  resourceFromAttributes,
  serviceInstanceIdDetector,
} from "@opentelemetry/resources";
import {
  ConsoleMetricExporter,
  type IMetricReader,
  PeriodicExportingMetricReader,
  type PushMetricExporter,
} from "@opentelemetry/sdk-metrics";
import { NodeSDK } from "@opentelemetry/sdk-node";
import {
  type AskedExporters,
  type MetricsExporter,
  metricsProtocol,
  milliseconds,
  type OtelEnvironment,
} from "./otel-environment.ts";

interface Options {
  readonly otel: OtelEnvironment;
  readonly asked: AskedExporters;
  readonly prometheus: IMetricReader;
  readonly version: string;
}

/**
 * The whole SDK, for whoever exports: loaded only then, since it takes as long to load as all of the rest.
 * Samplers, limits, propagators, headers and endpoints it reads from OTEL_* itself.
 */
export async function startExportingSdk({ otel, asked, prometheus, version }: Options): Promise<NodeSDK> {
  const readers = await Promise.all(asked.metrics.map((name) => pushReader(name, otel)));
  const sdk = new NodeSDK({
    // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES come on top.
    resource: defaultResource().merge(
      resourceFromAttributes({ "service.name": "signature-router", "service.version": version }),
    ),
    metricReaders: [prometheus, ...readers],
    // Unless others are asked for, none that tells the operating system's user or the command line.
    ...(!otel["OTEL_NODE_RESOURCE_DETECTORS"] && {
      resourceDetectors: [envDetector, hostDetector, serviceInstanceIdDetector],
    }),
    // Logs go to stdout.
    logRecordProcessors: [],
    ...(!asked.traces && { spanProcessors: [] }),
  });
  sdk.start();
  return sdk;
}

async function pushReader(name: MetricsExporter, otel: OtelEnvironment): Promise<IMetricReader> {
  const exportIntervalMillis = milliseconds(otel, "OTEL_METRIC_EXPORT_INTERVAL") ?? 60_000;
  const timeout = milliseconds(otel, "OTEL_METRIC_EXPORT_TIMEOUT") ?? 30_000;
  return new PeriodicExportingMetricReader({
    exporter: name === "console" ? new ConsoleMetricExporter() : await otlpExporter(metricsProtocol(otel)),
    exportIntervalMillis,
    exportTimeoutMillis: Math.min(timeout, exportIntervalMillis),
  });
}

async function otlpExporter(protocol: string): Promise<PushMetricExporter> {
  switch (protocol) {
    case "grpc":
      return new (await import("@opentelemetry/exporter-metrics-otlp-grpc")).OTLPMetricExporter();
    case "http/json":
      return new (await import("@opentelemetry/exporter-metrics-otlp-http")).OTLPMetricExporter();
    default:
      return new (await import("@opentelemetry/exporter-metrics-otlp-proto")).OTLPMetricExporter();
  }
}
