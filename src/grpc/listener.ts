import http2, {
  constants,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type Http2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import { Code, ConnectError, createConnectRouter, createContextValues } from "@connectrpc/connect";
import type { Compression, UniversalHandler, UniversalServerResponse } from "@connectrpc/connect/protocol";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import {
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import { type Call, type CallContext, type Caller, callKey, type Peer } from "./call.ts";
import { grpcContentType } from "./content-type.ts";
import { tooLarge, wholeEnvelopes } from "./envelopes.ts";
import { unreadable } from "./errors.ts";
import { mapErrors, refuse } from "./map-errors.ts";
import { UnaryMetadata } from "./metadata.ts";
import { type Observe, observeHandlers, observeStream } from "./observe.ts";
import type { Quotas } from "./quotas.ts";
import { type CountRefused, countedRefusal } from "./refused-calls.ts";
import { type Routes, routesInto } from "./routes.ts";
import { boundedTimeout } from "./timeout.ts";
import { isPlainCall, serveUnary, type UnaryHandler } from "./unary.ts";
import { endWith, readable } from "./unary-answer.ts";

export interface ListenerOptions {
  readonly routes: (routes: Routes) => void;
  readonly gate: (context: CallContext) => void;
  readonly observe: Observe;
  readonly readMaxBytes: number;
  readonly writeMaxBytes: number;
  /** Of a request's headers as HTTP/2 counts them. */
  readonly headerBytes: number;
  /** How long a request that is no stream may take to arrive. */
  readonly bodyTimeoutMs: number;
  readonly quotas: Quotas;
  readonly peerOf: (session: Http2Session | undefined) => Peer;
  readonly callerOf: (peer: Peer) => Caller | undefined;
  readonly countRefused: CountRefused;
}

type StreamListener = (
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  flags: number,
  rawHeaders: string[],
) => void;

const gzip: Compression = {
  ...compressionGzip,
  async decompress(bytes, readMaxBytes) {
    try {
      return await compressionGzip.decompress(bytes, readMaxBytes);
    } catch (error) {
      throw isExhausted(error) ? tooLarge(readMaxBytes) : error;
    }
  },
};
const encodings: ReadonlySet<string> = new Set(["identity", gzip.name]);
/** Peers put anything there, which no URL has for a host: names of sockets, lists of targets. Nothing reads it. */
const anyAuthority = "signature-router";

/**
 * Serves a Connect router as gRPC, and as nothing else; plain unary calls go past Connect. It stands where
 * connectNodeAdapter would, because that one throws into the event loop on an :authority that is no host, writes
 * errors to the console, and encodes grpc-message so that @grpc/grpc-js shows "%3A" for a colon.
 */
export function grpcListener(options: ListenerOptions): StreamListener {
  const router = createConnectRouter({
    grpc: true,
    grpcWeb: false,
    connect: false,
    requestGate: options.gate,
    interceptors: [observeHandlers, mapErrors(options.countRefused)],
    readMaxBytes: options.readMaxBytes,
    writeMaxBytes: options.writeMaxBytes,
    acceptCompression: [gzip],
  });
  const unary = new Map<string, UnaryHandler>();
  options.routes(routesInto(router, unary));
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  const observed = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Call => {
    const handler = handlers.get(headers[":path"] ?? "");
    const begun = {
      service: handler?.service.typeName ?? "_OTHER",
      method: handler?.method.name ?? "_OTHER",
      headers,
    };
    return observeStream(options.observe, stream, begun, options.peerOf(stream.session));
  };

  const refuseBeyondQuota = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, failure: unknown) => {
    const call = observed(stream, headers);
    call.caller = options.callerOf(call.peer);
    endWith(stream, refuse(call, failure), new UnaryMetadata(headers));
    // Its client need not end it: what is refused holds nothing.
    stream.close(constants.NGHTTP2_NO_ERROR);
  };

  const serveByConnect = (req: Http2ServerRequest, res: Http2ServerResponse): void => {
    const handler = handlers.get(req.url);
    const call = observed(req.stream, req.headers);
    discardUnread(req.stream);
    if (handler === undefined || !streamsRequests(handler)) limitBodyTime(req.stream, options.bodyTimeoutMs);
    if (handler === undefined) refuseUnknown(req);
    else
      serve(handler, req, res, call, options).catch(() => req.stream.close(constants.NGHTTP2_PROTOCOL_ERROR));
  };
  // It never listens: it makes the requests and responses that Connect takes of streams that come elsewhere.
  const requests = http2.createServer();
  requests.on("request", serveByConnect);
  // Node would answer these itself, read nothing of them, and keep the stream for as long as its client likes.
  requests.on("checkExpectation", serveByConnect);
  requests.on("connect", serveByConnect);

  return (stream, headers, flags, rawHeaders) => {
    // A stream that breaks is its client's affair; unheard, it would end the process.
    stream.on("error", () => {});
    const { session } = stream;
    // Its connection has ended with it.
    if (session === undefined || stream.destroyed) return;
    // HTTP/2 holds a client to the limit only once it has acknowledged the settings.
    if (sizeOf(rawHeaders) > options.headerBytes) {
      discardUnread(stream);
      stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
      return;
    }
    try {
      const isStream = (handlers.get(headers[":path"] ?? "")?.method.methodKind ?? "unary") !== "unary";
      const caller = options.callerOf(options.peerOf(session));
      stream.once("close", options.quotas.begin(caller, session, isStream));
    } catch (failure) {
      refuseBeyondQuota(stream, headers, failure);
      return;
    }
    const contentType = grpcContentType(headers["content-type"]);
    if (contentType !== undefined) headers["content-type"] = contentType;
    const handler = isPlainCall(headers) ? unary.get(headers[":path"] ?? "") : undefined;
    if (handler === undefined) {
      headers[":authority"] = anyAuthority;
      requests.emit("stream", stream, headers, flags, rawHeaders);
      return;
    }
    discardUnread(stream);
    limitBodyTime(stream, options.bodyTimeoutMs);
    serveUnary(handler, { stream, headers, call: observed(stream, headers) }, options);
  };
}

/** RFC 9113, 6.5.2: names, values, and 32 bytes for each pair. */
function sizeOf(rawHeaders: readonly string[]): number {
  let bytes = rawHeaders.length * 16;
  for (const text of rawHeaders) bytes += text.length;
  return bytes;
}

async function serve(
  handler: UniversalHandler,
  req: Http2ServerRequest,
  res: Http2ServerResponse,
  call: Call,
  { readMaxBytes, countRefused }: ListenerOptions,
): Promise<void> {
  const values = createContextValues().set(callKey, call);
  const request = universalRequestFromNodeRequest(req, res, undefined, values);
  const timeout = request.header.get("grpc-timeout");
  if (timeout !== null) request.header.set("grpc-timeout", boundedTimeout(timeout));
  const encoding = request.header.get("grpc-encoding") ?? "identity";
  const rules = { readMaxBytes, compressed: encoding !== "identity" };
  const body = wholeEnvelopes(request.body as AsyncIterable<Uint8Array>, rules, call);
  const response = await handler({ ...request, body });
  if (!encodings.has(encoding)) response.header?.set("grpc-accept-encoding", [...encodings].join(","));
  await universalResponseToNodeResponse(fitTrailers(response, call, countRefused), res);
}

/** Corrects the status that Connect wrote, once there is one: after the last byte of the body. */
function fitTrailers(
  response: UniversalServerResponse,
  call: Call,
  countRefused: CountRefused,
): UniversalServerResponse {
  const { body, trailer } = response;
  if (body === undefined || trailer === undefined) return response;
  async function* fitted(bytes: AsyncIterable<Uint8Array>, status: Headers): AsyncGenerator<Uint8Array> {
    yield* bytes;
    if (!call.refused) {
      const error = errorOfConnect(Number(status.get("grpc-status")), call.reached);
      if (error !== undefined) {
        setTrailerStatus(status, refuse(call, await countedRefusal(call, error, countRefused)));
      }
    }
    const message = status.get("grpc-message");
    if (message !== null) status.set("grpc-message", readable(message));
  }
  return { ...response, body: fitted(body, trailer) };
}

/** What stands for an error of Connect's own: before the handler, it could not read the request; after, not write. */
function errorOfConnect(code: Code, reached: boolean): Error | undefined {
  if (code !== Code.Internal && code !== Code.InvalidArgument) return undefined;
  return reached ? new Error("the answer could not be written") : unreadable();
}

function isExhausted(error: unknown): boolean {
  return error instanceof ConnectError && error.code === Code.ResourceExhausted;
}

// Node keeps a stream, and never says that it closed, until the last byte of the request is read. An answer
// that comes early, to an unknown caller or a message too large, would leave it there with the connection.
function discardUnread(stream: ServerHttp2Stream): void {
  stream.once("finish", () => stream.removeAllListeners("data").resume());
}

function streamsRequests(handler: UniversalHandler): boolean {
  const { methodKind } = handler.method;
  return methodKind === "client_streaming" || methodKind === "bidi_streaming";
}

function limitBodyTime(stream: ServerHttp2Stream, ms: number): void {
  const timer = setTimeout(() => stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM), ms);
  stream.once("end", () => clearTimeout(timer));
  stream.once("close", () => clearTimeout(timer));
}

function refuseUnknown({ headers, stream }: Http2ServerRequest): void {
  const isGrpc = grpcContentType(headers["content-type"]) !== undefined;
  // Trailers alone (gRPC over HTTP/2): the status stands in the headers, and they end the stream.
  const status = {
    "content-type": "application/grpc",
    "grpc-status": "12",
    "grpc-message": "unknown method",
  };
  stream.respond(isGrpc ? { ":status": 200, ...status } : { ":status": 415 }, { endStream: true });
}
