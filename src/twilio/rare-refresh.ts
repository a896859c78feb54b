import type { Clock } from "../domain/clock.ts";

interface Deps {
  /** Reads the credentials again. */
  readonly refresh: () => Promise<unknown>;
  readonly clock: Pick<Clock, "now">;
}

/** Between the starts of two refreshes, in milliseconds. */
const everyMs = 10_000;

/**
 * Reads credentials again for callers that prove nothing: whatever they send, Vault is asked at most once in
 * 10 s. Who comes while it is being asked shares the answer.
 */
export class RareRefresh {
  readonly #deps: Deps;
  #startedAt = Number.NEGATIVE_INFINITY;
  #running: Promise<boolean> | undefined;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** False: it is too early, or the refresh failed, and nothing is known that was not before. */
  async run(): Promise<boolean> {
    const now = this.#deps.clock.now();
    if (this.#running === undefined) {
      if (now - this.#startedAt < everyMs) return false;
      this.#startedAt = now;
      this.#running = this.#refresh();
    }
    return await this.#running;
  }

  async #refresh(): Promise<boolean> {
    try {
      await this.#deps.refresh();
      return true;
    } catch {
      // Whoever reads the secrets tells of its faults.
      return false;
    } finally {
      this.#running = undefined;
    }
  }
}
