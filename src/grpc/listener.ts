import http2, {
  constants,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type Http2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import type { TLSSocket } from "node:tls";
import { Code, ConnectError, createConnectRouter, createContextValues } from "@connectrpc/connect";
import type { Compression, UniversalHandler, UniversalServerResponse } from "@connectrpc/connect/protocol";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import {
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import { peerOf } from "./authenticate.ts";
import { type Call, type CallContext, callKey, type Peer } from "./call.ts";
import { grpcContentType } from "./content-type.ts";
import { tooLarge, wholeEnvelopes } from "./envelopes.ts";
import { unreadable } from "./errors.ts";
import { mapErrors, refuse } from "./map-errors.ts";
import { type Observe, observeHandlers, observeStream } from "./observe.ts";
import { type Routes, routesInto } from "./routes.ts";
import { boundedTimeout } from "./timeout.ts";
import { isPlainCall, serveUnary, type UnaryHandler } from "./unary.ts";
import { readable } from "./unary-answer.ts";

export interface ListenerOptions {
  readonly routes: (routes: Routes) => void;
  readonly gate: (context: CallContext) => void;
  readonly observe: Observe;
  /** Whether callers are known by certificate. */
  readonly secure: boolean;
  readonly readMaxBytes: number;
  readonly writeMaxBytes: number;
  /** How long a request that is no stream may take to arrive. */
  readonly bodyTimeoutMs: number;
  /** Calls at once, over all connections; further ones are refused unread. */
  readonly streams: number;
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
    interceptors: [observeHandlers, mapErrors],
    readMaxBytes: options.readMaxBytes,
    writeMaxBytes: options.writeMaxBytes,
    acceptCompression: [gzip],
  });
  const unary = new Map<string, UnaryHandler>();
  options.routes(routesInto(router, unary));
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  const peers = new WeakMap<object, Peer>();
  let open = 0;

  const observed = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Call => {
    const handler = handlers.get(headers[":path"] ?? "");
    const begun = {
      service: handler?.service.typeName ?? "_OTHER",
      method: handler?.method.name ?? "_OTHER",
      headers,
    };
    const peer: Peer = options.secure ? peerOfSession(peers, stream.session) : { kind: "plain" };
    return observeStream(options.observe, stream, begun, peer);
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
    // It tells the client that nothing was done, so that it may call again (RFC 9113, 8.7).
    if (open >= options.streams) {
      stream.close(constants.NGHTTP2_REFUSED_STREAM);
      return;
    }
    open += 1;
    stream.once("close", () => {
      open -= 1;
    });
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

async function serve(
  handler: UniversalHandler,
  req: Http2ServerRequest,
  res: Http2ServerResponse,
  call: Call,
  { readMaxBytes }: ListenerOptions,
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
  await universalResponseToNodeResponse(fitTrailers(response, call), res);
}

/** Corrects the status that Connect wrote, once there is one: after the last byte of the body. */
function fitTrailers(response: UniversalServerResponse, call: Call): UniversalServerResponse {
  const { body, trailer } = response;
  if (body === undefined || trailer === undefined) return response;
  async function* fitted(bytes: AsyncIterable<Uint8Array>, status: Headers): AsyncGenerator<Uint8Array> {
    yield* bytes;
    if (!call.refused) {
      const error = errorOfConnect(Number(status.get("grpc-status")), call.reached);
      if (error !== undefined) setTrailerStatus(status, refuse(call, error));
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

// Reading a certificate is dear, so it is done once for each connection.
function peerOfSession(peers: WeakMap<object, Peer>, session: Http2Session | undefined): Peer {
  const known = session && peers.get(session);
  if (known) return known;
  if (session === undefined || session.destroyed) return { kind: "certificate", subjectAltNames: [] };
  const peer = peerOf(session.socket as TLSSocket);
  peers.set(session, peer);
  return peer;
}
