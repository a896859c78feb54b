import type { Attributes, Counter, Histogram, Meter, Observable, ObservableGauge } from "@opentelemetry/api";
import type { LabelSet, MetricDefinition } from "./metric-definition.ts";
import { metricDefinitions } from "./metric-definitions.ts";

type Definitions = typeof metricDefinitions;
type ValueOf<Set> = Set extends readonly string[] ? Set[number] : string;
type LabelsOf<D extends MetricDefinition> = { [Label in keyof D["labels"]]?: ValueOf<D["labels"][Label]> };
type InstrumentOf<D extends MetricDefinition> = D["kind"] extends "counter"
  ? Counter<LabelsOf<D>>
  : D["kind"] extends "histogram"
    ? Histogram<LabelsOf<D>>
    : Observable<LabelsOf<D>>;

/** One instrument for each definition; their labels take nothing but the values of the definition. */
export type Instruments = { readonly [Name in keyof Definitions]: InstrumentOf<Definitions[Name]> };

/**
 * Creates every instrument. Counters begin at 0 for every value that is known beforehand: a series that
 * appears with its first event has no rate, and so no alert, for that event.
 */
export function createInstruments(meter: Meter): Instruments {
  const instruments = Object.entries(metricDefinitions).map(([key, definition]) => [
    key,
    create(meter, definition),
  ]);
  // Entries lose which key has which instrument; the table above is what both are made from.
  return Object.fromEntries(instruments) as Instruments;
}

function create(
  meter: Meter,
  definition: MetricDefinition,
): Counter | Histogram | ObservableGauge | Observable {
  const { name, unit, description, buckets } = definition;
  switch (definition.kind) {
    case "counter": {
      const counter = meter.createCounter(name, { unit, description });
      for (const labels of knownLabels(definition.labels)) counter.add(0, labels);
      return counter;
    }
    case "histogram":
      return meter.createHistogram(name, {
        unit,
        description,
        ...(buckets !== undefined && { advice: { explicitBucketBoundaries: [...buckets] } }),
      });
    case "gauge":
      return meter.createObservableGauge(name, { unit, description });
    case "observed_counter":
      return meter.createObservableCounter(name, { unit, description });
  }
}

function knownLabels(labels: Readonly<Record<string, LabelSet>>): Attributes[] {
  let combinations: Attributes[] = [{}];
  for (const [label, set] of Object.entries(labels)) {
    const values = "known" in set ? set.known : set;
    combinations = combinations.flatMap((others) => values.map((value) => ({ ...others, [label]: value })));
  }
  return combinations;
}
