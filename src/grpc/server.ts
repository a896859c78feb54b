import http2, { type Http2SecureServer, type Http2Server, type ServerHttp2Session } from "node:http2";
import { type AddressInfo, Server as NetServer, type Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { Failure } from "../domain/failure.ts";
import { type AccessTable, authenticate, callerOfPeer } from "./authenticate.ts";
import type { Peer } from "./call.ts";
import type { Callers } from "./callers-file.ts";
import { type HandshakeFailure, handshakeFailureOf } from "./handshake-failure.ts";
import { Handshakes } from "./handshakes.ts";
import { defaultLimits, type GrpcLimits } from "./limits.ts";
import { grpcListener } from "./listener.ts";
import type { Observe } from "./observe.ts";
import { peersOfSessions } from "./peers.ts";
import { type Quota, type QuotaObserver, Quotas } from "./quotas.ts";
import type { CountRefused } from "./refused-calls.ts";
import type { Routes } from "./routes.ts";
import { secureContext } from "./secure-context.ts";
import { Sessions } from "./sessions.ts";
import type { TlsCertificates } from "./tls-files.ts";

export interface GrpcServerOptions {
  /** Port 0 takes any free one. */
  readonly listen: { readonly host: string; readonly port: number };
  /**
   * Registers the services.
   * @param closing fires when the server starts to close, with the Failure that ends streams
   */
  routes(routes: Routes, closing: AbortSignal): void;
  /** Mutual TLS. Without it the connection is h2c and every caller is `local`. */
  readonly tls?: { readonly certificates: TlsCertificates; callers(): Callers };
  readonly observe: Observe;
  /** Who may use which RPC; default the table of everything that the service serves. */
  readonly access?: AccessTable;
  readonly limits?: Partial<GrpcLimits>;
  /** Takes a call that was refused from its caller's rate; none is taken unless given. */
  readonly countRefused?: CountRefused;
  readonly quotaObserver?: QuotaObserver;
  onHandshakeFailure?(failure: HandshakeFailure): void;
}

export interface GrpcServer {
  readonly address: AddressInfo;
  /** What all peers hold open now. */
  readonly held: Quota;
  /** New connections get these; open ones keep theirs. Without TLS from the start: an error. */
  setTls(certificates: TlsCertificates): void;
  /**
   * Stops listening, ends streams at once and lets the other calls finish; what is left after `graceMs`,
   * 30 s by default, is cut off.
   * @returns true where every call finished by itself
   */
  drain(graceMs?: number): Promise<boolean>;
}

/** Serves gRPC over HTTP/2. @throws Error where the address cannot be listened on */
export async function startGrpcServer(options: GrpcServerOptions): Promise<GrpcServer> {
  const limits: GrpcLimits = { ...defaultLimits, ...options.limits };
  const closing = new AbortController();
  const sessions = new Sessions(limits);
  const sockets = new Set<Socket>();
  const callers = options.tls?.callers ?? noCallers;
  const peerOf = peersOfSessions(options.tls !== undefined);
  const callerOf = (peer: Peer) => callerOfPeer(peer, callers);
  const quotas = new Quotas(limits.quotas, options.quotaObserver);
  const handshakes = new Handshakes(limits.handshakes);
  const listener = grpcListener({
    routes: (routes) => options.routes(routes, closing.signal),
    gate: authenticate(callers, options.access),
    observe: options.observe,
    ...{ quotas, peerOf, callerOf },
    countRefused: options.countRefused ?? (() => Promise.resolve()),
    readMaxBytes: limits.readMaxBytes,
    writeMaxBytes: limits.writeMaxBytes,
    headerBytes: limits.headerBytes,
    bodyTimeoutMs: limits.bodyTimeoutMs,
  });
  const server = createServer(options.tls?.certificates, limits);
  server.on("stream", listener);
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    // Read now, a socket remembers it: who failed the handshake is asked after its end.
    void socket.remoteAddress;
    socket.once("close", () => sockets.delete(socket));
    handshakes.add(socket);
  });
  server.on("session", (session: ServerHttp2Session) => {
    sessions.add(session);
    if (closing.signal.aborted) sessions.leave();
    const establish = () => {
      const release = quotas.connect(callerOf(peerOf(session)), session);
      if (release === undefined) {
        endSoon(session);
        return;
      }
      handshakes.done(session.socket);
      session.once("close", release);
    };
    // Without TLS there is a session before its client has said a word.
    if (options.tls !== undefined) establish();
    else session.once("remoteSettings", establish);
  });
  // Broken connections are the peers' affair; unheard, they would end the process.
  server.on("sessionError", () => {});
  server.on("tlsClientError", (error: Error, socket: TLSSocket) =>
    options.onHandshakeFailure?.(handshakeFailureOf(error, socket)),
  );
  await listen(server, options.listen);
  // From here on: a connection that could not be accepted, e.g. for want of file descriptors.
  server.on("error", () => {});

  return {
    address: server.address() as AddressInfo,
    held: quotas.held,
    setTls(certificates) {
      if (!("setSecureContext" in server)) throw new Error("the server does not speak TLS");
      server.setSecureContext(secureContext(certificates));
    },
    async drain(graceMs = 30_000) {
      // Of net.Server, for http2's own close() also ends the sessions, without the notice that they need.
      const closed = new Promise<true>((resolve) =>
        NetServer.prototype.close.call(server, () => resolve(true)),
      );
      closing.abort(
        new Failure("SERVICE_UNAVAILABLE", "the server is shutting down", { retryAfterMs: 1000 }),
      );
      sessions.leave();
      const grace = Promise.withResolvers<false>();
      const timer = setTimeout(() => grace.resolve(false), graceMs);
      const finished = await Promise.race([closed, grace.promise]);
      clearTimeout(timer);
      sessions.destroy();
      for (const socket of sockets) socket.destroy();
      await closed;
      return finished;
    },
  };
}

/** Long enough for its client's first calls to be told why. */
const refusedConnectionMs = 1000;

function endSoon(session: ServerHttp2Session): void {
  const timer = setTimeout(() => {
    if (!session.destroyed) session.close();
  }, refusedConnectionMs);
  session.once("close", () => clearTimeout(timer));
}

function noCallers(): Callers {
  return { list: [], bySubjectAltName: new Map() };
}

function createServer(
  certificates: TlsCertificates | undefined,
  limits: GrpcLimits,
): Http2Server | Http2SecureServer {
  const options = {
    settings: { maxConcurrentStreams: limits.streamsPerConnection, maxHeaderListSize: limits.headerBytes },
    maxSessionInvalidFrames: 100,
    streamResetBurst: limits.resetBurst,
    streamResetRate: limits.resetsPerSecond,
  };
  if (certificates === undefined) return http2.createServer(options);
  return http2.createSecureServer({
    ...options,
    ...secureContext(certificates),
    requestCert: true,
    rejectUnauthorized: true,
    allowHTTP1: false,
    handshakeTimeout: limits.handshakeTimeoutMs,
  });
}

function listen(
  server: Http2Server | Http2SecureServer,
  { host, port }: GrpcServerOptions["listen"],
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
}
