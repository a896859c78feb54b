import http2, { type Http2SecureServer, type Http2Server, type ServerHttp2Session } from "node:http2";
import { type AddressInfo, Server as NetServer, type Socket } from "node:net";
import { Failure } from "../domain/failure.ts";
import { type AccessTable, authenticate } from "./authenticate.ts";
import type { Callers } from "./callers-file.ts";
import { grpcListener } from "./listener.ts";
import type { Observe } from "./observe.ts";
import type { Routes } from "./routes.ts";
import { type SessionLimits, Sessions } from "./sessions.ts";
import type { TlsCertificates } from "./tls-files.ts";

export interface GrpcLimits extends SessionLimits {
  /** Bytes of one request message; the largest that passes the contract's bounds has under 40 KiB. */
  readonly readMaxBytes: number;
  /** Bytes of one answer; 4 MiB is what gRPC clients take by default. */
  readonly writeMaxBytes: number;
  /** Bytes of a request's headers. */
  readonly headerBytes: number;
  readonly connections: number;
  readonly streamsPerConnection: number;
  /** Calls at once, watchers included; each holds up to 80 KiB, so this bounds memory. */
  readonly streams: number;
  /** Milliseconds that a unary request may take to arrive. */
  readonly bodyTimeoutMs: number;
  readonly handshakeTimeoutMs: number;
  /** Resets of streams by one client: so many at once, so many a second. Beyond it, its connection ends. */
  readonly resetBurst: number;
  readonly resetsPerSecond: number;
}

export const defaultLimits: GrpcLimits = {
  readMaxBytes: 64 * 1024,
  writeMaxBytes: 4 * 1024 * 1024,
  headerBytes: 16 * 1024,
  connections: 2000,
  streamsPerConnection: 1000,
  streams: 5000,
  bodyTimeoutMs: 10_000,
  handshakeTimeoutMs: 10_000,
  resetBurst: 1000,
  resetsPerSecond: 200,
  keepaliveMs: 30_000,
  maxAgeMs: 30 * 60_000,
  // Longer than any signature lives, so that a WatchSignature ends by itself.
  maxAgeGraceMs: 15 * 60_000,
};

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
}

export interface GrpcServer {
  readonly address: AddressInfo;
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
  const listener = grpcListener({
    routes: (routes) => options.routes(routes, closing.signal),
    gate: authenticate(options.tls?.callers ?? noCallers, options.access),
    observe: options.observe,
    secure: options.tls !== undefined,
    readMaxBytes: limits.readMaxBytes,
    writeMaxBytes: limits.writeMaxBytes,
    bodyTimeoutMs: limits.bodyTimeoutMs,
    streams: limits.streams,
  });
  const server = createServer(options.tls?.certificates, limits);
  server.maxConnections = limits.connections;
  server.on("stream", listener);
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.on("session", (session: ServerHttp2Session) => {
    sessions.add(session);
    if (closing.signal.aborted) sessions.leave();
  });
  // Broken connections and failed handshakes are the peers' affair; unheard, they would end the process.
  server.on("sessionError", () => {});
  server.on("tlsClientError", () => {});
  await listen(server, options.listen);
  // From here on: a connection that could not be accepted, e.g. for want of file descriptors.
  server.on("error", () => {});

  return {
    address: server.address() as AddressInfo,
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

function noCallers(): Callers {
  return { list: [], bySubjectAltName: new Map() };
}

function secureContext({ cert, key, clientCa }: TlsCertificates) {
  return { cert, key, ca: clientCa, minVersion: "TLSv1.2" } as const;
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
