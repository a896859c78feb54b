import type { Observer } from "../domain/observation.ts";
import type { ClosingStore, KeptReceipt } from "../domain/stores.ts";

interface Deps {
  readonly closings: Pick<ClosingStore, "keepReceipts">;
  readonly observer: Observer;
}

/** Rows per statement at most. */
const batch = 500;

/**
 * Stores the receipts of completions after they were answered, all that wait in one statement: what a crash
 * loses of them the sweep makes again, byte for byte, and so does whoever asks for one before it is stored.
 */
export class KeepReceipts {
  readonly #deps: Deps;
  #waiting: KeptReceipt[] = [];
  #storing: Promise<void> | undefined;
  #failing = false;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  add(receipt: KeptReceipt): void {
    this.#waiting.push(receipt);
    this.#storing ??= this.#store().finally(() => {
      this.#storing = undefined;
    });
  }

  /** Resolves once none waits any more. */
  async stored(): Promise<void> {
    while (this.#storing !== undefined) await this.#storing;
  }

  async #store(): Promise<void> {
    while (this.#waiting.length > 0) {
      const some = this.#waiting.splice(0, batch);
      try {
        await this.#deps.closings.keepReceipts(some);
        if (this.#failing) this.#deps.observer.observe({ type: "upkeep_recovered", step: "keep_receipts" });
        this.#failing = false;
      } catch (cause) {
        this.#failing = true;
        this.#deps.observer.observe({ type: "upkeep_failed", step: "keep_receipts", cause });
      }
    }
  }
}
