import type { connectionDefinitions } from "./connection-definitions.ts";
import type { Instruments } from "./instruments.ts";
import type { Logger } from "./logger.ts";

type Labels = typeof connectionDefinitions.grpcQuotaRefusals.labels;

interface Refusal {
  readonly kind: Labels["kind"][number];
  readonly scope: Labels["scope"][number];
  /** Undefined where the peer is in no CALLERS_FILE. */
  readonly caller: string | undefined;
  readonly address: string | undefined;
}

interface Deps {
  readonly logger: Logger;
  readonly instruments: Pick<Instruments, "grpcQuotaRefusals">;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** Between two lines about one caller and quota: who is refused may ask again a thousand times a second. */
const quietMs = 60_000;

/** Counts what quotas refuse, and tells the log whom, at once and then at most once a minute. */
export class QuotaTelemetry {
  readonly #deps: Deps;
  // As many as there are callers, and one for all others.
  readonly #told = new Map<string, { at: number; untold: number }>();

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  refused({ kind, scope, caller, address }: Refusal): void {
    const { instruments, logger, now } = this.#deps;
    instruments.grpcQuotaRefusals.add(1, { kind, scope });
    const key = JSON.stringify([kind, scope, caller]);
    const last = this.#told.get(key);
    if (last !== undefined && now() - last.at < quietMs) {
      last.untold += 1;
      return;
    }
    this.#told.set(key, { at: now(), untold: 0 });
    const count = 1 + (last?.untold ?? 0);
    logger.warn("refused beyond a quota", { kind, scope, caller, peer: address, count });
  }
}
