import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import {
  create,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import { Code, ConnectError, createContextValues } from "@connectrpc/connect";
import { type Call, type CallContext, callKey } from "./call.ts";
import { envelopeBytes, unwrap } from "./envelopes.ts";
import { unreadable } from "./errors.ts";
import { refuse } from "./map-errors.ts";
import { UnaryMetadata } from "./metadata.ts";
import { type CountRefused, countedRefusal } from "./refused-calls.ts";
import { timeoutOf } from "./timeout.ts";
import { answerWith, endWith, isGone } from "./unary-answer.ts";

/** A handler as a Connect router takes it, which a unary call needs less for than Connect gives it. */
export interface UnaryHandler {
  readonly method: DescMethodUnary;
  run(request: unknown, context: CallContext): unknown;
}

export interface UnaryOptions {
  /** @throws ConnectError for whom may not call, and for a timeout that is none */
  readonly gate: (context: CallContext) => void;
  readonly readMaxBytes: number;
  readonly writeMaxBytes: number;
  readonly countRefused: CountRefused;
}

/**
 * Whether headers are those of an uncompressed call as gRPC's own clients send it. Everything else (other
 * codecs and compressions, expectations) is Connect's to serve or to refuse.
 */
export function isPlainCall(headers: IncomingHttpHeaders): boolean {
  return (
    headers[":method"] === "POST" &&
    headers["content-type"] === "application/grpc" &&
    (headers["grpc-encoding"] ?? "identity") === "identity" &&
    headers.expect === undefined
  );
}

/**
 * Serves one plain unary call straight from its HTTP/2 stream, with the gate, the handler, the errors and the
 * limits of the Connect router. What Connect builds around a call, streams and signals that no unary handler
 * here looks at, costs more processor time than the rest of it.
 */
export function serveUnary(
  { method, run }: UnaryHandler,
  { stream, headers, call }: { stream: ServerHttp2Stream; headers: IncomingHttpHeaders; call: Call },
  { gate, readMaxBytes, writeMaxBytes, countRefused }: UnaryOptions,
): void {
  const begunAt = performance.now();
  const timeoutMs = timeoutOf(headers["grpc-timeout"]);
  const metadata = new UnaryMetadata(headers);
  const context: CallContext = Object.assign(metadata, {
    method,
    service: method.parent,
    values: createContextValues().set(callKey, call),
    timeoutMs: () => (timeoutMs === undefined ? undefined : timeoutMs - (performance.now() - begunAt)),
  });
  const chunks: Buffer[] = [];
  let size = 0;
  let answered = false;

  const end = (error: ConnectError): void => {
    if (answered) return;
    answered = true;
    clearTimeout(deadline);
    endWith(stream, error, metadata);
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
      answerWith(stream, answer, metadata);
    } catch (error) {
      fail(await countedRefusal(call, error, countRefused));
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

function parsed(method: DescMethodUnary, message: Buffer) {
  try {
    return fromBinary(method.input, message);
  } catch (cause) {
    throw unreadable(cause);
  }
}

function protocolError(what: string): ConnectError {
  return new ConnectError(`protocol error: ${what}`, Code.Unimplemented);
}
