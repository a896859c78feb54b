import { AsyncLocalStorage } from "node:async_hooks";
import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { Code, type Interceptor } from "@connectrpc/connect";
import { type Call, callOf, type Peer } from "./call.ts";
import { unsaidCompression } from "./envelopes.ts";
import { timeoutOf } from "./timeout.ts";

/** A call as it arrives. Service and method are a closed set: "_OTHER" stands for what is not served. */
export interface BegunCall {
  readonly service: string;
  readonly method: string;
  /** For the W3C trace context. */
  readonly headers: IncomingHttpHeaders;
}

/** A call once its stream is closed: everything an access line or a metric may say about it. */
export interface EndedCall {
  readonly service: string;
  readonly method: string;
  readonly caller: string | undefined;
  /** Name of the gRPC code, e.g. "OK", "FAILED_PRECONDITION". */
  readonly code: string;
  /** The ErrorInfo's reason. */
  readonly reason: string | undefined;
  readonly signatureId: string | undefined;
  readonly durationMs: number;
  /** The error behind a failure; it may quote anything, so only its class is fit for a log. */
  readonly cause: unknown;
}

export interface CallObservation {
  /** Named to the caller in the answer to an internal error. */
  readonly traceId: string | undefined;
  /** Runs the work of the call, e.g. inside its span. */
  run<T>(work: () => T): T;
  /** Exactly once for every call, whatever became of it. */
  end(call: EndedCall): void;
}

/** What the composition root makes of calls: access lines, metrics, spans. */
export interface Observe {
  begin(call: BegunCall): CallObservation;
}

/**
 * Watches one HTTP/2 stream from its headers to its close. An interceptor alone would miss what Connect
 * refuses before interceptors run: oversized or unreadable messages, bad timeouts, unknown methods.
 */
export function observeStream(
  observe: Observe,
  stream: ServerHttp2Stream,
  begun: BegunCall,
  peer: Peer,
): Call {
  const startedAt = performance.now();
  const observation = observe.begin(begun);
  const call: Call = {
    observation,
    peer,
    timeout: begun.headers["grpc-timeout"],
    isWanted: () => !stream.destroyed && !stream.closed && !stream.writableEnded,
    caller: undefined,
    signatureId: undefined,
    reason: undefined,
    cause: undefined,
    reached: false,
    refused: false,
  };
  stream.once("close", () => {
    const durationMs = performance.now() - startedAt;
    observation.end({
      service: begun.service,
      method: begun.method,
      caller: call.caller?.name,
      code: codeOnWire(stream, call.timeout, durationMs),
      reason: call.reason,
      signatureId: call.signatureId,
      durationMs,
      cause: call.cause,
    });
  });
  return call;
}

/** Surrounds handlers with the call's observation; a stream's messages are made inside it, too. */
export const observeHandlers: Interceptor = (next) => (request) => {
  const { observation } = callOf(request.contextValues);
  return observation.run(async () => {
    const response = await next(request);
    if (!response.stream) return response;
    return { ...response, message: inside(AsyncLocalStorage.snapshot(), response.message) };
  });
};

// Handlers of streams run when their messages are pulled, which happens outside of `run`.
function inside<T>(
  scope: ReturnType<typeof AsyncLocalStorage.snapshot>,
  messages: AsyncIterable<T>,
): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]() {
      const iterator = messages[Symbol.asyncIterator]();
      return {
        next: () => scope(() => iterator.next()),
        return: async (value?: unknown) =>
          scope(async () => (await iterator.return?.(value)) ?? { done: true, value: undefined }),
      };
    },
  };
}

/** The code as the caller sees it: from the trailers, or why there were none. */
function codeOnWire(
  stream: ServerHttp2Stream,
  timeout: string | string[] | undefined,
  durationMs: number,
): string {
  const told = stream.sentTrailers?.["grpc-status"] === undefined ? stream.sentHeaders : stream.sentTrailers;
  const status = told?.["grpc-status"];
  // INTERNAL would alert our operators, too.
  if (Number(status) === Code.Internal && isAbout(unsaidCompression, told?.["grpc-message"])) {
    return codeName(Code.InvalidArgument);
  }
  if (status !== undefined) return codeName(Number(status));
  // What is no gRPC is the caller's fault. UNKNOWN, which a client makes of it, would alert our operators.
  if (stream.sentHeaders?.[":status"] === 415) return codeName(Code.InvalidArgument);
  return codeName(cutOff(timeoutOf(timeout), durationMs));
}

function isAbout(message: string, sent: unknown): boolean {
  return typeof sent === "string" && decodeURIComponent(sent) === message;
}

/** What ended a call that was never answered: its deadline, or its caller's will. */
export function cutOff(timeoutMs: number | undefined, durationMs: number): Code {
  if (timeoutMs === undefined) return Code.Canceled;
  // A client cancels at its deadline, too, and its clock began before its request was here.
  const wayMs = Math.min(50, timeoutMs / 10);
  return durationMs >= timeoutMs - wayMs ? Code.DeadlineExceeded : Code.Canceled;
}

const codeNames = new Map<number, string>([
  [0, "OK"],
  [Code.Canceled, "CANCELLED"],
  [Code.Unknown, "UNKNOWN"],
  [Code.InvalidArgument, "INVALID_ARGUMENT"],
  [Code.DeadlineExceeded, "DEADLINE_EXCEEDED"],
  [Code.NotFound, "NOT_FOUND"],
  [Code.AlreadyExists, "ALREADY_EXISTS"],
  [Code.PermissionDenied, "PERMISSION_DENIED"],
  [Code.ResourceExhausted, "RESOURCE_EXHAUSTED"],
  [Code.FailedPrecondition, "FAILED_PRECONDITION"],
  [Code.Aborted, "ABORTED"],
  [Code.OutOfRange, "OUT_OF_RANGE"],
  [Code.Unimplemented, "UNIMPLEMENTED"],
  [Code.Internal, "INTERNAL"],
  [Code.Unavailable, "UNAVAILABLE"],
  [Code.DataLoss, "DATA_LOSS"],
  [Code.Unauthenticated, "UNAUTHENTICATED"],
]);

function codeName(code: number): string {
  return codeNames.get(code) ?? "UNKNOWN";
}
