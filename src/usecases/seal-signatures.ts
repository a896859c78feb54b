import type { EvidenceStore, FinishedDay, MadeCheckpoint } from "../domain/evidence-store.ts";
import type { KeySource } from "../domain/keys.ts";
import { MerkleRoot } from "../domain/merkle-tree.ts";
import type { Observer } from "../domain/observation.ts";
import {
  checkpointHash,
  type SealedChain,
  type SealedDay,
  sealLeaf,
  signCheckpoint,
  signSeals,
} from "../domain/seal-statement.ts";
import { RingSigner, type Signer } from "../domain/signer.ts";
import { issueReceipts } from "./issue-receipt.ts";

interface Deps {
  readonly evidence: EvidenceStore;
  readonly keys: KeySource;
  /** Default: the receipt ring. */
  readonly signer?: Signer | undefined;
  readonly observer?: Observer | undefined;
  /** Checkpoints that are kept outside the database, whose owner could remove them there. */
  readonly outside?: (() => Promise<readonly MadeCheckpoint[]>) | undefined;
}

/** Rows per round: short transactions, and their locks with them. */
const batch = 50;
/** Of seals for each search for missing receipts, which goes through all that is closed and not sealed. */
const batches = 10;
/** A checkpoint that is gone stays gone: it is told of again after so many sweeps. */
const roundsBetweenAlerts = 60;

/**
 * Makes evidence of what is over: receipts that a crash kept from being stored, a seal over each closed
 * signature, once more when late facts have come in, and the checkpoint of each finished day.
 */
export class SealSignatures {
  readonly #deps: Deps;
  readonly #signer: Signer;
  /** Those of this process, which nobody can remove from a database. */
  readonly #seen = new Map<string, MadeCheckpoint>();
  readonly #missing = new Map<string, number>();

  constructor(deps: Deps) {
    this.#deps = deps;
    this.#signer = deps.signer ?? new RingSigner(deps.keys);
  }

  /** Some batches of seals; says how many it made, or receipts, so that full ones are followed by others. */
  async once(signal: AbortSignal): Promise<number> {
    const { evidence } = this.#deps;
    // Only those whose key is at hand: the others wait for a replica that has it, and hold nobody up.
    const missing = await evidence.missingReceipts(batch, this.#signer.keyIds());
    if (signal.aborted) return 0;
    await issueReceipts(evidence, this.#signer, missing);
    const sealed = await this.#seal(signal);
    if (!signal.aborted) await evidence.sealActs(this.#sign);
    if (!signal.aborted) await this.#addCheckpoint();
    return Math.max(missing.length, sealed);
  }

  async #seal(signal: AbortSignal): Promise<number> {
    let sealed = 0;
    for (let round = 0; round < batches && !signal.aborted; round += 1) {
      const some = await this.#deps.evidence.sealClosed(batch, this.#sign);
      sealed += some;
      if (some < batch) break;
    }
    return sealed;
  }

  /** Seals one signature now, where it is closed, and adds the checkpoints that are due. */
  async seal(signatureId: string): Promise<void> {
    const { evidence } = this.#deps;
    const facts = await evidence.receiptFacts(signatureId);
    await issueReceipts(evidence, this.#signer, facts === undefined ? [] : [facts]);
    await evidence.sealClosed(1, this.#sign, signatureId);
    while (await this.#addCheckpoint());
  }

  /** False where none was due. */
  async #addCheckpoint(): Promise<boolean> {
    const { evidence, observer, outside } = this.#deps;
    const known = [...(await (outside?.() ?? [])), ...this.#seen.values()];
    const { made, missing } = await evidence.addCheckpoint(
      this.#summary,
      (day) => signCheckpoint(this.#signer, day),
      known,
    );
    if (made !== undefined) this.#seen.set(made.day, { day: made.day, hash: checkpointHash(made) });
    for (const day of missing) {
      const rounds = this.#missing.get(day) ?? 0;
      this.#missing.set(day, rounds + 1);
      if (rounds % roundsBetweenAlerts === 0) observer?.observe({ type: "checkpoint_missing", day });
    }
    return made !== undefined;
  }

  readonly #sign = (chains: readonly SealedChain[]) => signSeals(this.#signer, chains);

  readonly #summary = async ({ day, previous, seals }: FinishedDay): Promise<SealedDay> => {
    const root = new MerkleRoot();
    for await (const some of seals) for (const seal of some) root.add(sealLeaf(seal));
    return { day, seals: root.size, digest: root.hash(), previous };
  };
}
