import { constants, type ServerHttp2Session } from "node:http2";

export interface SessionLimits {
  /** Milliseconds between pings; a connection that leaves one unanswered until the next is destroyed. */
  readonly keepaliveMs: number;
  /** After this a connection is asked to go, so that load spreads and withdrawn certificates lose theirs. */
  readonly maxAgeMs: number;
  /** What its calls may take to finish then. */
  readonly maxAgeGraceMs: number;
}

interface Tracked {
  readonly since: number;
  awaitsPong: boolean;
  leaving: boolean;
}

/** The open connections of one server: kept alive, aged and drained. */
export class Sessions {
  readonly #limits: SessionLimits;
  readonly #tracked = new Map<ServerHttp2Session, Tracked>();
  readonly #timer: NodeJS.Timeout;

  constructor(limits: SessionLimits) {
    this.#limits = limits;
    this.#timer = setInterval(() => this.#look(), limits.keepaliveMs).unref();
  }

  add(session: ServerHttp2Session): void {
    // Connections that began together do not end together.
    const jitterMs = Math.random() * 0.1 * this.#limits.maxAgeMs;
    this.#tracked.set(session, { since: performance.now() - jitterMs, awaitsPong: false, leaving: false });
    session.once("close", () => this.#tracked.delete(session));
  }

  /** Asks every connection to go; calls in flight finish. */
  leave(): void {
    for (const session of this.#tracked.keys()) this.#leave(session);
  }

  destroy(): void {
    clearInterval(this.#timer);
    for (const session of this.#tracked.keys()) session.destroy();
  }

  #look(): void {
    for (const [session, tracked] of this.#tracked) {
      const ageMs = performance.now() - tracked.since;
      if (tracked.awaitsPong || ageMs > this.#limits.maxAgeMs + this.#limits.maxAgeGraceMs) {
        session.destroy();
        continue;
      }
      if (ageMs > this.#limits.maxAgeMs) this.#leave(session);
      if (tracked.leaving || session.destroyed) continue;
      tracked.awaitsPong = true;
      session.ping((error) => {
        tracked.awaitsPong = error !== null;
      });
    }
  }

  // As gRPC servers do it: first a notice that takes every stream still on its way, then, once the client
  // must have read it, the real end. A single GOAWAY would drop the calls that crossed it on the wire.
  #leave(session: ServerHttp2Session): void {
    const tracked = this.#tracked.get(session);
    if (tracked === undefined || tracked.leaving || session.destroyed) return;
    tracked.leaving = true;
    session.goaway(constants.NGHTTP2_NO_ERROR, 2 ** 31 - 1);
    const close = (): void => {
      clearTimeout(timer);
      if (!session.destroyed) session.close();
    };
    // Clients on Node that have nothing to finish fall silent at the notice.
    const timer = setTimeout(close, longestPongMs);
    session.ping(close);
  }
}

const longestPongMs = 500;
