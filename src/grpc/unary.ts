import {
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import {
  create,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import { Code, ConnectError, createContextValues } from "@connectrpc/connect";
import { parseTimeout, setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { Failure } from "../domain/failure.ts";
import { type Call, type CallContext, callKey } from "./call.ts";
import { refuse } from "./map-errors.ts";

/** A handler as a Connect router takes it, which a unary call needs less for than Connect gives it. */
export interface UnaryHandler {
  readonly method: DescMethodUnary;
  run(request: unknown, context: CallContext): unknown;
}

export interface UnaryOptions {
  /** @throws ConnectError for whom may not call */
  readonly gate: (context: CallContext) => void;
  readonly readMaxBytes: number;
  readonly writeMaxBytes: number;
}

const envelopeBytes = 5;
/** setTimeout takes 31 bits of milliseconds and fires at once on more; "no deadline" may come as 99999999H. */
export const longestTimeoutMs = 24 * 3600 * 1000;
const authorities = new Set<string>();

/**
 * Whether headers are those of an uncompressed call as gRPC's own clients send it. Everything else (other
 * codecs and compressions, bad deadlines and authorities, expectations) is Connect's to serve or to refuse.
 */
export function isPlainCall(headers: IncomingHttpHeaders): boolean {
  return (
    headers[":method"] === "POST" &&
    headers["content-type"] === "application/grpc" &&
    (headers["grpc-encoding"] ?? "identity") === "identity" &&
    headers.expect === undefined &&
    isAuthority(headers[":authority"]) &&
    timeoutOf(headers).error === undefined
  );
}

// A client says the same one with every call, and parsing it is dear.
function isAuthority(authority: string | undefined): boolean {
  if (authority === undefined) return false;
  if (authorities.has(authority)) return true;
  if (!URL.canParse(`http://${authority}`)) return false;
  if (authorities.size < 1000) authorities.add(authority);
  return true;
}

function timeoutOf(headers: IncomingHttpHeaders): ReturnType<typeof parseTimeout> {
  const value = headers["grpc-timeout"];
  const timeout = parseTimeout(typeof value === "string" ? value : null, Number.MAX_SAFE_INTEGER);
  if (timeout.timeoutMs === undefined) return timeout;
  return { ...timeout, timeoutMs: Math.min(timeout.timeoutMs, longestTimeoutMs) };
}

/**
 * Serves one plain unary call straight from its HTTP/2 stream, with the gate, the handler, the errors and the
 * limits of the Connect router. What Connect builds around a call, streams and signals that no unary handler
 * here looks at, costs more processor time than the rest of it.
 */
export function serveUnary(
  { method, run }: UnaryHandler,
  { stream, headers, call }: { stream: ServerHttp2Stream; headers: IncomingHttpHeaders; call: Call },
  { gate, readMaxBytes, writeMaxBytes }: UnaryOptions,
): void {
  const begunAt = performance.now();
  const { timeoutMs } = timeoutOf(headers);
  const context: CallContext = {
    method,
    service: method.parent,
    values: createContextValues().set(callKey, call),
    timeoutMs: () => (timeoutMs === undefined ? undefined : timeoutMs - (performance.now() - begunAt)),
  };
  const chunks: Buffer[] = [];
  let size = 0;
  let answered = false;

  const end = (error: ConnectError): void => {
    if (answered) return;
    answered = true;
    clearTimeout(deadline);
    endWith(stream, error);
  };
  const fail = (error: unknown): void => {
    if (!answered) end(refuse(call, error));
  };
  const refuseBody = (): void => {
    try {
      requestIn(method, Buffer.concat(chunks), readMaxBytes);
    } catch (error) {
      fail(error);
    }
  };
  const work = async (): Promise<void> => {
    try {
      const request = requestIn(method, Buffer.concat(chunks), readMaxBytes);
      const result = (await run(request, context)) as MessageInitShape<typeof method.output>;
      const answer = toBinary(method.output, create(method.output, result));
      if (answer.length > writeMaxBytes)
        throw new ConnectError("the answer is too large", Code.ResourceExhausted);
      if (answered) return;
      answered = true;
      clearTimeout(deadline);
      answerWith(stream, answer);
    } catch (error) {
      fail(error);
    }
  };
  // Only the wait ends then; the work goes on and is recorded.
  const deadline =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => fail(new ConnectError("the operation timed out", Code.DeadlineExceeded)), timeoutMs);
  stream.once("close", () => {
    answered = true;
    clearTimeout(deadline);
    // V8 keeps closed streams until it collects the old generation, and the whole call with what listens to them.
    stream.removeAllListeners();
  });
  try {
    gate(context);
  } catch (error) {
    end(error as ConnectError);
    return;
  }
  stream.on("data", (chunk: Buffer) => {
    if (answered) return;
    size += chunk.length;
    chunks.push(chunk);
    // What is more than one message can hold is refused before the rest of it comes.
    if (size > readMaxBytes + envelopeBytes) refuseBody();
  });
  stream.once("end", () => {
    // A stream that is closed in the middle of its body ends, too.
    if (answered || isGone(stream)) return;
    call.observation.run(work).catch(() => stream.close(constants.NGHTTP2_INTERNAL_ERROR));
  });
}

/** The one message of a body. @throws what Connect does where it is another number of them, or none that is whole */
function requestIn(method: DescMethodUnary, body: Buffer, readMaxBytes: number) {
  if (body.length === 0) throw protocolError("missing input message for unary method");
  const [message, rest] = unwrap(body, readMaxBytes);
  if (rest.length === 0) return parsed(method, message);
  unwrap(rest, readMaxBytes);
  throw protocolError("received extra input message for unary method");
}

function unwrap(body: Buffer, readMaxBytes: number): [message: Buffer, rest: Buffer] {
  if (body.length < envelopeBytes) throw unreadable();
  const [flags, length] = [body.readUInt8(0), body.readUInt32BE(1)];
  if (length > readMaxBytes) {
    const message = `message size ${length} is larger than configured readMaxBytes ${readMaxBytes}`;
    throw new ConnectError(message, Code.ResourceExhausted);
  }
  const isCompressed = (flags & 1) === 1;
  if (isCompressed || body.length < envelopeBytes + length) throw unreadable();
  return [body.subarray(envelopeBytes, envelopeBytes + length), body.subarray(envelopeBytes + length)];
}

function parsed(method: DescMethodUnary, message: Buffer) {
  try {
    return fromBinary(method.input, message);
  } catch (cause) {
    throw unreadable(cause);
  }
}

export function unreadable(cause?: unknown): Failure {
  return new Failure("INVALID_REQUEST", "the request is unreadable", { cause });
}

function protocolError(what: string): ConnectError {
  return new ConnectError(`protocol error: ${what}`, Code.Unimplemented);
}

/** Node throws where anything is sent on such a stream. */
function isGone(stream: ServerHttp2Stream): boolean {
  return stream.destroyed || stream.closed;
}

const okHeaders = { ":status": 200, "content-type": "application/grpc+proto" };
const okTrailers = { "grpc-status": "0" };

function answerWith(stream: ServerHttp2Stream, message: Uint8Array): void {
  if (isGone(stream)) return;
  const envelope = Buffer.allocUnsafe(envelopeBytes + message.length);
  envelope[0] = 0;
  envelope.writeUInt32BE(message.length, 1);
  envelope.set(message, envelopeBytes);
  stream.respond(okHeaders, { waitForTrailers: true });
  stream.once("wantTrailers", () => {
    if (!isGone(stream)) stream.sendTrailers(okTrailers);
  });
  stream.end(envelope);
}

/** Trailers alone (gRPC over HTTP/2): the status stands in the headers, and they end the stream. */
function endWith(stream: ServerHttp2Stream, error: ConnectError): void {
  if (isGone(stream)) return;
  const status = new Headers();
  setTrailerStatus(status, error);
  const headers: OutgoingHttpHeaders = { ...okHeaders };
  for (const [name, value] of status) headers[name] = name === "grpc-message" ? readable(value) : value;
  stream.respond(headers, { endStream: true });
}

/** @grpc/grpc-js shows "%3A" for a colon that Connect encoded. */
export function readable(message: string): string {
  return encodeURI(decodeURIComponent(message));
}
