import type { EvidenceStore } from "../domain/evidence-store.ts";

interface Deps {
  readonly evidence: EvidenceStore;
  /** Days after closure. */
  readonly retentionDays: number;
}

/** Rows per round: one short transaction each. */
const batch = 50;

/** Ends the retention of closed signatures: whole ones, sealed ones; seals and checkpoints stay. */
export class RemoveClosedSignatures {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** One batch; says how many were removed. */
  async once(): Promise<number> {
    return await this.#deps.evidence.removeClosed(this.#deps.retentionDays, batch);
  }
}
