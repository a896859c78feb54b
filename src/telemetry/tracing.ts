import {
  type Attributes,
  context,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import { Failure } from "../domain/failure.ts";
import { describeError } from "./error-description.ts";

export interface SpanDescription {
  readonly name: string;
  readonly kind: SpanKind;
  /** Nothing personal: no number, text, code, customer, statement or query string. */
  readonly attributes?: Attributes;
  /** Only as part of something larger: polls and sweeps would fill the traces with single spans. */
  readonly insideOnly?: boolean;
}

export interface TracingOptions {
  readonly tracer: Tracer;
  /** False where no span leaves the process: then nothing is wrapped and nothing is paid. */
  readonly enabled: boolean;
}

/** Makes spans around work. What is not sampled costs one look at the active span. */
export class Tracing {
  readonly tracer: Tracer;
  readonly enabled: boolean;

  constructor({ tracer, enabled }: TracingOptions) {
    this.tracer = tracer;
    this.enabled = enabled;
  }

  /** Runs the work inside a span, if one is wanted; the span is undefined if not. */
  async span<T>(description: SpanDescription, work: (span: Span | undefined) => Promise<T>): Promise<T> {
    const parent = trace.getActiveSpan();
    const wanted = parent === undefined ? description.insideOnly !== true : parent.isRecording();
    if (!this.enabled || !wanted) return await work(undefined);
    const { name, kind, attributes } = description;
    const span = this.tracer.startSpan(name, { kind, ...(attributes !== undefined && { attributes }) });
    try {
      return await context.with(trace.setSpan(context.active(), span), () => work(span));
    } catch (error) {
      markFailed(span, error);
      throw error;
    } finally {
      span.end();
    }
  }

  /** A use case whose execute() runs in a span. Not for one that answers with a stream. */
  useCase<Result, Arguments extends unknown[]>(
    name: string,
    useCase: { execute(...args: Arguments): Promise<Result> },
  ): { execute(...args: Arguments): Promise<Result> } {
    if (!this.enabled) return useCase;
    const description = { name, kind: SpanKind.INTERNAL };
    return { execute: (...args) => this.span(description, () => useCase.execute(...args)) };
  }
}

/** A refusal is a result and no error of the span's; of an error only its class or code is kept. */
export function markFailed(span: Span, error: unknown): void {
  const { code, name } = describeError(error);
  span.setAttribute("error.type", code ?? name);
  if (!(error instanceof Failure)) span.setStatus({ code: SpanStatusCode.ERROR });
}
