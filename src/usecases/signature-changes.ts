import type { Clock } from "../domain/clock.ts";
import type { Observer } from "../domain/observation.ts";
import type { SignatureReader } from "../domain/signature-reader.ts";

interface Deps {
  readonly reader: SignatureReader;
  readonly clock: Clock;
  readonly observer: Observer;
  /** Between two looks at the database. */
  readonly pollMs: number;
}

interface Waiter {
  readonly version: number;
  readonly wake: () => void;
}

/** Signatures asked for in one query at most. */
const batch = 1000;

/**
 * Changes made by any replica, seen by one shared poll per process: a query for all who wait, not one
 * each, and no NOTIFY, which would serialise the commits of the hot statements.
 */
export class SignatureChanges {
  readonly #deps: Deps;
  readonly #waiters = new Map<string, Set<Waiter>>();
  #polling = false;
  #failing = false;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** Resolves once the signature has another version than the given one, or when the signal fires. */
  next(signatureId: string, version: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const waiters = this.#waiters.get(signatureId) ?? new Set();
      const done = () => {
        waiters.delete(waiter);
        if (waiters.size === 0 && this.#waiters.get(signatureId) === waiters)
          this.#waiters.delete(signatureId);
        signal.removeEventListener("abort", done);
        resolve();
      };
      const waiter: Waiter = { version, wake: done };
      waiters.add(waiter);
      this.#waiters.set(signatureId, waiters);
      signal.addEventListener("abort", done, { once: true });
      if (!this.#polling) void this.#poll();
    });
  }

  get watched(): number {
    return this.#waiters.size;
  }

  async #poll(): Promise<void> {
    const { reader, clock, observer, pollMs } = this.#deps;
    this.#polling = true;
    while (this.#waiters.size > 0) {
      await clock.sleep(pollMs);
      const ids = [...this.#waiters.keys()];
      try {
        for (let from = 0; from < ids.length; from += batch) {
          const versions = await reader.versions(ids.slice(from, from + batch));
          for (const [id, version] of versions) this.#wake(id, version);
        }
        if (this.#failing) observer.observe({ type: "upkeep_recovered", step: "watch" });
        this.#failing = false;
      } catch (cause) {
        this.#failing = true;
        observer.observe({ type: "upkeep_failed", step: "watch", cause });
      }
    }
    this.#polling = false;
  }

  #wake(signatureId: string, version: number): void {
    for (const waiter of [...(this.#waiters.get(signatureId) ?? [])]) {
      if (waiter.version !== version) waiter.wake();
    }
  }
}
