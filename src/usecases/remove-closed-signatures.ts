import type { Clock } from "../domain/clock.ts";
import type { EvidenceStore } from "../domain/evidence-store.ts";

interface Deps {
  readonly evidence: EvidenceStore;
  /** Days after closure. */
  readonly retentionDays: number;
  readonly clock: Clock;
}

/** Rows per round: one short transaction, and one entry in the log of acts, each. */
const batch = 500;
/** Until the next look once all is removed: a log entry for each sweep would bury those of operators. */
const pauseMs = 10 * 60_000;

/** Ends the retention of closed signatures: whole ones, sealed ones; seals and checkpoints stay. */
export class RemoveClosedSignatures {
  readonly #deps: Deps;
  #nextAt = Number.NEGATIVE_INFINITY;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** One batch, unless all was removed lately; says how many were removed. */
  async once(): Promise<number> {
    const { clock, evidence, retentionDays } = this.#deps;
    if (clock.now() < this.#nextAt) return 0;
    const removed = await evidence.removeClosed(retentionDays, batch);
    if (removed < batch) this.#nextAt = clock.now() + pauseMs;
    return removed;
  }
}
