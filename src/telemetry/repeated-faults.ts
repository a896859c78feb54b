import { Failure } from "../domain/failure.ts";
import { ProviderError } from "../domain/provider.ts";
import type { Logger } from "./logger.ts";

/** What is logged of one kind of fault: when it begins, once a minute while it goes on, and when it is over. */
export interface FaultTexts {
  readonly begun: string;
  readonly goesOn: string;
  readonly over: string;
}

export const faultTexts = {
  upkeep: { begun: "upkeep failed", goesOn: "upkeep still failing", over: "upkeep works again" },
  receipt: {
    begun: "receipt not recorded",
    goesOn: "receipts still not recorded",
    over: "receipts are recorded again",
  },
  http: {
    begun: "http request failed",
    goesOn: "http requests still failing",
    over: "http requests work again",
  },
  writes: {
    begun: "database takes no writes",
    goesOn: "database still takes no writes",
    over: "database takes writes again",
  },
} as const satisfies Record<string, FaultTexts>;

interface Episode {
  readonly texts: FaultTexts;
  readonly reason: string;
  /** The steps that failed, and when last. */
  readonly failedAt: Map<string, number>;
  readonly begunAt: number;
  lineAt: number;
  count: number;
  /** A step of it has succeeded since. */
  recovering: boolean;
}

interface Deps {
  readonly logger: Logger;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

const lineEveryMs = 60_000;
/** What has not failed for so long is over, where nothing says so: twice the longest pause between two sweeps. */
const quietMs = 130_000;
/** The same, where a step of it has succeeded. */
const recoveredMs = 5_000;

/**
 * Logs faults that repeat themselves, many times a second while the database is away: one line when they begin, one
 * a minute with their number, one when they are over. What fails for want of the database is one fault, whatever
 * the step.
 */
export class RepeatedFaults {
  readonly #deps: Deps;
  readonly #episodes = new Map<string, Episode>();

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  failed(texts: FaultTexts, step: string, cause: unknown): void {
    const { logger, now } = this.#deps;
    const reason = reasonOf(cause);
    const key = JSON.stringify([texts.begun, reason, reason === "SERVICE_UNAVAILABLE" ? "" : step]);
    const at = now();
    const episode = this.#episodes.get(key);
    if (episode === undefined) {
      logger.error(texts.begun, { step, reason }, cause);
      const failedAt = new Map([[step, at]]);
      this.#episodes.set(key, {
        ...{ texts, reason, failedAt, begunAt: at, lineAt: at, count: 1, recovering: false },
      });
      return;
    }
    episode.count += 1;
    episode.failedAt.set(step, at);
    episode.recovering = false;
    this.check();
  }

  /** The step succeeded after it had failed. */
  recovered(texts: FaultTexts, step: string): void {
    for (const episode of this.#episodes.values()) {
      if (episode.texts === texts && episode.failedAt.delete(step)) episode.recovering = true;
    }
    this.check();
  }

  /** Writes what is due; to be called every few seconds. */
  check(): void {
    const { logger, now } = this.#deps;
    const at = now();
    for (const [key, episode] of this.#episodes) {
      const { texts, reason, failedAt, begunAt, count, recovering } = episode;
      const quiet = recovering ? recoveredMs : quietMs;
      if ([...failedAt.values()].every((last) => at - last >= quiet)) {
        this.#episodes.delete(key);
        logger.info(texts.over, { reason, count, duration_ms: Math.round(at - begunAt) });
      } else if (at - episode.lineAt >= lineEveryMs) {
        episode.lineAt = at;
        const step = [...failedAt.keys()].join(" ");
        logger.error(texts.goesOn, { step, reason, count, duration_ms: Math.round(at - begunAt) });
      }
    }
  }
}

/** One of the reasons that callers know: a closed set. */
function reasonOf(cause: unknown): string {
  if (cause instanceof Failure) return cause.reason;
  return cause instanceof ProviderError ? "PROVIDER_UNAVAILABLE" : "INTERNAL";
}
