/** The OTEL_* variables, as the process was started with. */
export type OtelEnvironment = Readonly<Record<string, string | undefined>>;

export type MetricsExporter = "otlp" | "console";

/** Which exporters beside Prometheus were asked for. */
export interface AskedExporters {
  readonly disabled: boolean;
  readonly traces: boolean;
  readonly metrics: readonly MetricsExporter[];
}

/**
 * The SDK sends to localhost unless it is told not to. Here nothing leaves the process unless an exporter or
 * an endpoint was named; beyond that the variables mean what the OpenTelemetry specification says.
 */
export function askedExporters(otel: OtelEnvironment): AskedExporters {
  if (otel["OTEL_SDK_DISABLED"]?.trim().toLowerCase() === "true") {
    return { disabled: true, traces: false, metrics: [] };
  }
  const traces = namesOf(otel, "TRACES");
  const metrics = namesOf(otel, "METRICS");
  return {
    disabled: false,
    traces: traces.length > 0 && !traces.includes("none"),
    metrics: metrics.includes("none")
      ? []
      : (["otlp", "console"] as const).filter((name) => metrics.includes(name)),
  };
}

function namesOf(otel: OtelEnvironment, signal: "TRACES" | "METRICS"): string[] {
  const names = given(otel[`OTEL_${signal}_EXPORTER`]);
  if (names !== undefined) return names.split(",").map((name) => name.trim());
  const endpoint =
    given(otel[`OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`]) ?? given(otel["OTEL_EXPORTER_OTLP_ENDPOINT"]);
  return endpoint === undefined ? [] : ["otlp"];
}

/** "http/protobuf" unless said otherwise, for metrics or for all. */
export function metricsProtocol(otel: OtelEnvironment): string {
  return (
    given(otel["OTEL_EXPORTER_OTLP_METRICS_PROTOCOL"]) ??
    given(otel["OTEL_EXPORTER_OTLP_PROTOCOL"]) ??
    "http/protobuf"
  );
}

/** Milliseconds; undefined where unset or no positive number. */
export function milliseconds(otel: OtelEnvironment, name: string): number | undefined {
  const value = Number(given(otel[name]) ?? Number.NaN);
  return value > 0 && Number.isFinite(value) ? value : undefined;
}

// An empty variable counts as unset (OpenTelemetry specification, environment variables).
function given(value: string | undefined): string | undefined {
  const text = value?.trim();
  return text === "" ? undefined : text;
}
