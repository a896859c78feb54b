import type { Instruments } from "./instruments.ts";
import type { Logger } from "./logger.ts";
import { metricDefinitions } from "./metric-definitions.ts";

interface FailedHandshake {
  readonly fault: string;
  readonly code: string;
  readonly address: string | undefined;
}

interface Deps {
  readonly logger: Logger;
  readonly instruments: Pick<Instruments, "handshakeFailures">;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** Between two lines about one fault: a client that cannot connect tries again at once, and for as long. */
const quietMs = 60_000;

/** Counts failed TLS handshakes, and tells the log of each kind at once and then at most once a minute. */
export class HandshakeTelemetry {
  readonly #deps: Deps;
  readonly #told = new Map<string, { at: number; untold: number }>();

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  failed({ fault, code, address }: FailedHandshake): void {
    const { instruments, logger, now } = this.#deps;
    const known = metricDefinitions.handshakeFailures.labels.fault.find((one) => one === fault) ?? "other";
    instruments.handshakeFailures.add(1, { fault: known });
    const last = this.#told.get(known);
    if (last !== undefined && now() - last.at < quietMs) {
      last.untold += 1;
      return;
    }
    this.#told.set(known, { at: now(), untold: 0 });
    const fields = { reason: known, error_code: code, peer: address, count: 1 + (last?.untold ?? 0) };
    // Load balancers that only try whether the port is open end every connection so.
    logger[known === "cut_off" ? "debug" : "warn"]("tls handshake failed", fields);
  }
}
