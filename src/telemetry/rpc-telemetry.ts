import { randomUUID } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import {
  context,
  defaultTextMapGetter,
  isSpanContextValid,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from "@opentelemetry/api";
import { serverErrors } from "./convention-definitions.ts";
import type { Instruments } from "./instruments.ts";
import type { Logger, LogLevel } from "./logger.ts";
import { metricDefinitions } from "./metric-definitions.ts";
import { type ProviderTime, timingProvider } from "./provider-time.ts";
import type { Tracing } from "./tracing.ts";

/** A call as it arrives; service and method are "_OTHER" where they are not served. */
export interface BegunCall {
  readonly service: string;
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
}

export interface EndedCall {
  readonly service: string;
  readonly method: string;
  readonly caller: string | undefined;
  /** Name of the gRPC code. */
  readonly code: string;
  readonly reason: string | undefined;
  readonly signatureId: string | undefined;
  readonly durationMs: number;
  readonly cause: unknown;
}

export interface CallObservation {
  readonly traceId: string;
  run<T>(work: () => T): T;
  end(call: EndedCall): void;
}

interface Deps {
  readonly logger: Logger;
  readonly instruments: Instruments;
  readonly tracing: Tracing;
}

/** One span, one measurement and one access line for every call. */
export class RpcTelemetry {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  begin({ service, method, headers }: BegunCall): CallObservation {
    const span = this.#span(service, methodName(service, method), headers);
    const providerTime: ProviderTime = { ms: undefined };
    const inside = trace.setSpan(ROOT_CONTEXT, span);
    return {
      traceId: span.spanContext().traceId,
      run: (work) => timingProvider(providerTime, () => context.with(inside, work)),
      // A closing stream is nobody's context; its line belongs to the call's trace all the same.
      end: (call) => context.with(inside, () => this.#end(span, call, providerTime)),
    };
  }

  /** The caller's trace goes on; where it has none, and no span is made, the ids still join the log's lines. */
  #span(service: string, name: string, headers: IncomingHttpHeaders): Span {
    const remote = propagation.extract(ROOT_CONTEXT, headers, defaultTextMapGetter);
    const { tracer, enabled } = this.#deps.tracing;
    if (enabled && !isInfrastructure(service)) {
      const attributes = { "rpc.system.name": "grpc", "rpc.method": name };
      return tracer.startSpan(name, { kind: SpanKind.SERVER, attributes }, remote);
    }
    const caller = trace.getSpanContext(remote);
    // Node keeps random UUIDs in stock: a tenth of what fresh random bytes cost.
    const id = randomUUID().replaceAll("-", "");
    return trace.wrapSpanContext({
      traceId: caller !== undefined && isSpanContextValid(caller) ? caller.traceId : id,
      spanId: id.slice(16),
      traceFlags: TraceFlags.NONE,
    });
  }

  #end(span: Span, call: EndedCall, providerTime: ProviderTime): void {
    const { instruments } = this.#deps;
    const code = knownCode(call.code);
    const failed = serverErrors.find((error) => error === code);
    const labels = {
      "rpc.system.name": "grpc",
      "rpc.method": methodName(call.service, call.method),
      "rpc.status_code": code,
      ...(failed !== undefined && { "error.type": failed }),
    } as const;
    instruments.rpcDuration.record(call.durationMs / 1000, labels);
    const reason = metricDefinitions.refusals.labels.reason.find((known) => known === call.reason);
    if (reason !== undefined) instruments.refusals.add(1, { reason });
    if (span.isRecording()) {
      span.setAttribute("rpc.status_code", code);
      if (call.signatureId !== undefined) span.setAttribute("signature.id", call.signatureId);
      if (failed !== undefined) span.setAttribute("error.type", failed);
      if (failed !== undefined) span.setStatus({ code: SpanStatusCode.ERROR });
    }
    span.end();
    this.#accessLine(call, failed !== undefined, providerTime);
  }

  #accessLine(call: EndedCall, failed: boolean, providerTime: ProviderTime): void {
    const fields = {
      service: call.service,
      method: call.method,
      caller: call.caller,
      code: call.code,
      reason: call.reason,
      signature_id: call.signatureId,
      duration_ms: tenths(call.durationMs),
      provider_ms: providerTime.ms === undefined ? undefined : tenths(providerTime.ms),
    };
    this.#deps.logger[levelOf(call)]("call answered", fields, failed ? call.cause : undefined);
  }
}

function tenths(ms: number): number {
  return Math.round(ms * 10) / 10;
}

function levelOf({ service, code }: EndedCall): LogLevel {
  if (code === "INTERNAL" || code === "UNKNOWN" || code === "DATA_LOSS") return "error";
  if (code === "UNAVAILABLE") return "warn";
  // Probes come every few seconds from everywhere.
  return isInfrastructure(service) ? "debug" : "info";
}

/** Health and reflection. */
function isInfrastructure(service: string): boolean {
  return service.startsWith("grpc.");
}

function methodName(service: string, method: string): string {
  return service === "_OTHER" || method === "_OTHER" ? "_OTHER" : `${service}/${method}`;
}

type Code = (typeof metricDefinitions.rpcDuration.labels)["rpc.status_code"][number];

function knownCode(code: string): Code {
  return metricDefinitions.rpcDuration.labels["rpc.status_code"].find((known) => known === code) ?? "UNKNOWN";
}
