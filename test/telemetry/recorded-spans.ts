import { context, propagation, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import {
  AlwaysOnSampler,
  InMemorySpanExporter,
  ParentBasedSampler,
  type ReadableSpan,
  SimpleSpanProcessor,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import { Tracing } from "../../src/telemetry/tracing.ts";

export interface RecordedSpans extends Disposable {
  readonly tracing: Tracing;
  spans(): ReadableSpan[];
}

/** Tracing as with an exporter, whose spans stay in memory. */
export function recordedSpans(): RecordedSpans {
  const exporter = new InMemorySpanExporter();
  const provider = new TracerProvider({
    spanProcessors: [new SimpleSpanProcessor({ exporter })],
    sampler: new ParentBasedSampler({ root: new AlwaysOnSampler() }),
  });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  return {
    tracing: new Tracing({ tracer: provider.getTracer("test"), enabled: true }),
    spans: () => exporter.getFinishedSpans(),
    [Symbol.dispose]() {
      for (const api of [context, propagation, trace]) api.disable();
    },
  };
}

/** A span as far as a trace shows it. */
export function shown({ name, kind, attributes, status, events, parentSpanContext }: ReadableSpan) {
  return { name, kind, attributes, status, events, parent: parentSpanContext?.spanId };
}
