import type { QuotaRules } from "./quotas.ts";
import type { SessionLimits } from "./sessions.ts";

export interface GrpcLimits extends SessionLimits {
  /** Bytes of one request message; the largest that passes the contract's bounds has under 40 KiB. */
  readonly readMaxBytes: number;
  /** Bytes of one answer; 4 MiB is what gRPC clients take by default. */
  readonly writeMaxBytes: number;
  /** Bytes of a request's headers. */
  readonly headerBytes: number;
  /** Calls on one connection that clients are told of; Node ends connections that have more. */
  readonly streamsPerConnection: number;
  /** Each call at once holds up to 80 KiB, so this bounds memory, too. */
  readonly quotas: QuotaRules;
  /** Connections whose peer is not known yet, at once. */
  readonly handshakes: number;
  /** Milliseconds that a unary request may take to arrive. */
  readonly bodyTimeoutMs: number;
  readonly handshakeTimeoutMs: number;
  /** Resets of streams by one client: so many at once, so many a second. Beyond it, its connection ends. */
  readonly resetBurst: number;
  readonly resetsPerSecond: number;
}

export const defaultQuotas: QuotaRules = {
  all: { connections: 2000, calls: 5000, streams: 3000 },
  caller: { connections: 200, calls: 2000, streams: 1000 },
  unknown: { connections: 20, calls: 50, streams: 10 },
  connectionCalls: 900,
};

export const defaultLimits: GrpcLimits = {
  readMaxBytes: 64 * 1024,
  writeMaxBytes: 4 * 1024 * 1024,
  headerBytes: 16 * 1024,
  streamsPerConnection: 1000,
  quotas: defaultQuotas,
  handshakes: 500,
  bodyTimeoutMs: 10_000,
  handshakeTimeoutMs: 10_000,
  // A client resets each call whose deadline passes: more than a caller ever has at once, and begins in a second.
  resetBurst: 2000,
  resetsPerSecond: 1000,
  keepaliveMs: 30_000,
  maxAgeMs: 30 * 60_000,
  // Longer than any signature lives, so that a WatchSignature ends by itself.
  maxAgeGraceMs: 15 * 60_000,
};
