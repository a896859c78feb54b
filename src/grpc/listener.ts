import http2, {
  constants,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type Http2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import type { TLSSocket } from "node:tls";
import { createConnectRouter, createContextValues } from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerResponse } from "@connectrpc/connect/protocol";
import { parseTimeout, setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import {
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import { peerOf } from "./authenticate.ts";
import { type Call, type CallContext, callKey, type Peer } from "./call.ts";
import { mapErrors, refuse } from "./map-errors.ts";
import { type Observe, observeHandlers, observeStream } from "./observe.ts";
import { type Routes, routesInto } from "./routes.ts";
import {
  isPlainCall,
  longestTimeoutMs,
  readable,
  serveUnary,
  type UnaryHandler,
  unreadable,
} from "./unary.ts";

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

/**
 * Serves a Connect router as gRPC, and as nothing else; plain unary calls go past Connect. It stands where
 * connectNodeAdapter would, because that one throws into the event loop on a malformed :authority, writes
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
    acceptCompression: [compressionGzip],
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
    else serve(handler, req, res, call).catch(() => req.stream.close(constants.NGHTTP2_PROTOCOL_ERROR));
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
    const handler = isPlainCall(headers) ? unary.get(headers[":path"] ?? "") : undefined;
    if (handler === undefined) {
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
): Promise<void> {
  const values = createContextValues().set(callKey, call);
  const request = universalRequestFromNodeRequest(req, res, undefined, values);
  boundTimeout(request.header);
  await universalResponseToNodeResponse(fitTrailers(await handler(request), call), res);
}

function boundTimeout(header: Headers): void {
  const { timeoutMs } = parseTimeout(header.get("grpc-timeout"), Number.MAX_SAFE_INTEGER);
  if (timeoutMs !== undefined && timeoutMs > longestTimeoutMs) header.set("grpc-timeout", "24H");
}

/** Mends the status that Connect wrote, once there is one: after the last byte of the body. */
function fitTrailers(response: UniversalServerResponse, call: Call): UniversalServerResponse {
  const { body, trailer } = response;
  if (body === undefined || trailer === undefined) return response;
  async function* mended(bytes: AsyncIterable<Uint8Array>, status: Headers): AsyncGenerator<Uint8Array> {
    yield* bytes;
    // Errors of ours have details; these are Connect's about a request that it could not read.
    const isUnreadable = status.get("grpc-status") === "13" || status.get("grpc-status") === "3";
    if (isUnreadable && !status.has("grpc-status-details-bin")) {
      setTrailerStatus(status, refuse(call, unreadable()));
    }
    const message = status.get("grpc-message");
    if (message !== null) status.set("grpc-message", readable(message));
  }
  return { ...response, body: mended(body, trailer) };
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
  const isGrpc = headers["content-type"]?.startsWith("application/grpc");
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
