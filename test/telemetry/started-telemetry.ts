import { createInstruments, type Instruments } from "../../src/telemetry/instruments.ts";
import { startTelemetry, type Telemetry } from "../../src/telemetry/sdk.ts";
import { type CapturedLog, capturedLog } from "./captured-log.ts";

export interface StartedTelemetry extends AsyncDisposable, CapturedLog {
  readonly telemetry: Telemetry;
  readonly instruments: Instruments;
  series(): Promise<Series[]>;
}

/** The telemetry of a process without any OTEL_* variable; a test disposes of it, since it is global. */
export async function startedTelemetry(): Promise<StartedTelemetry> {
  const log = await capturedLog();
  const telemetry = await startTelemetry({ otel: {}, version: "0.1.0", logger: log.logger });
  return {
    ...log,
    telemetry,
    instruments: createInstruments(telemetry.meter),
    series: async () => parseSeries(await telemetry.prometheusText()),
    [Symbol.asyncDispose]: () => telemetry.shutdown(),
  };
}

export interface Series {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Reads Prometheus' text format. */
export function parseSeries(text: string): Series[] {
  return text
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const [, name, labels, value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
      if (name === undefined) throw new Error(`not a series: ${line}`);
      const pairs = [...(labels ?? "").matchAll(/(\w+)="([^"]*)"/g)];
      return {
        name,
        labels: Object.fromEntries(pairs.map(([, label, text]) => [label, text])),
        value: Number(value),
      };
    });
}

/** The value of the one series with this name and these labels. */
export function sampleOf(
  series: Series[],
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number {
  const found = series.filter(
    (one) =>
      one.name === name && Object.entries(labels).every(([label, value]) => one.labels[label] === value),
  );
  if (found.length !== 1) throw new Error(`${found.length} series ${name} ${JSON.stringify(labels)}`);
  return found[0]?.value ?? Number.NaN;
}
