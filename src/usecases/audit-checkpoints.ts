import type { EvidenceStore, MadeCheckpoint } from "../domain/evidence-store.ts";
import { MerkleRoot } from "../domain/merkle-tree.ts";
import {
  type Checkpoint,
  checkpointHash,
  isCheckpointBy,
  isSealBy,
  sealLeaf,
} from "../domain/seal-statement.ts";

interface Deps {
  readonly evidence: EvidenceStore;
  /** Public keys of the receipt ring by id. */
  readonly publicKeys: ReadonlyMap<string, Uint8Array>;
  readonly retentionDays: number;
  /** Checkpoints that are kept outside the database. */
  readonly outside?: (() => Promise<readonly MadeCheckpoint[]>) | undefined;
}

export interface Audit {
  /** What does not fit, oldest day first; empty where all fits. */
  readonly faults: readonly string[];
  readonly checkpoints: number;
  readonly seals: number;
  /** The hash to keep outside the database: all checkpoints so far hang together in it. */
  readonly latest: { readonly day: string; readonly hash: string } | undefined;
}

/** Seals without their signature that are named one by one. */
const mostOrphans = 20;
const dayMs = 86_400_000;

/** Compares every checkpoint with the seals that the database has, and the seals with the signatures. */
export class AuditCheckpoints {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** @param expected a hash that an earlier audit printed, in lower-case hex: it must still be one of this history */
  async execute(expected?: string): Promise<Audit> {
    const { evidence, retentionDays } = this.#deps;
    const checkpoints = await evidence.checkpoints();
    const faults = [
      ...(await evidence.missingDays()).map((day) => `${day}: the checkpoint is missing`),
      ...(await this.#exchanged(checkpoints)),
      ...expectationFaults(checkpoints, expected),
    ];
    let seals = 0;
    let before: Checkpoint | undefined;
    for (const checkpoint of checkpoints) {
      const found = await this.#day(checkpoint, before);
      faults.push(...found.faults.map((fault) => `${checkpoint.day}: ${fault}`));
      seals += found.seals;
      before = checkpoint;
    }
    const orphans = await evidence.orphanedSeals(retentionDays, mostOrphans);
    for (const { signatureId } of orphans) faults.push(`signature ${signatureId} was sealed and is missing`);
    const latest = before && { day: before.day, hash: checkpointHash(before).toString("hex") };
    return { faults, checkpoints: checkpoints.length, seals, latest };
  }

  /** Checkpoints that are others than those which were made. */
  async #exchanged(checkpoints: readonly Checkpoint[]): Promise<string[]> {
    const { evidence, outside } = this.#deps;
    const hashes = new Map(checkpoints.map((one) => [one.day, checkpointHash(one)]));
    const told = (known: readonly MadeCheckpoint[], where: string) =>
      known.flatMap(({ day, hash }) => {
        const found = hashes.get(day);
        if (found === undefined) return [`${day}: the checkpoint ${where} is not in the database`];
        return found.equals(hash) ? [] : [`${day}: the checkpoint is another one than that ${where}`];
      });
    return [
      ...told(await evidence.madeCheckpoints(), "which was made"),
      ...told((await outside?.()) ?? [], "which is kept outside"),
    ];
  }

  async #day(
    checkpoint: Checkpoint,
    before: Checkpoint | undefined,
  ): Promise<{ faults: string[]; seals: number }> {
    const { evidence, publicKeys } = this.#deps;
    const faults: string[] = [];
    const key = publicKeys.get(checkpoint.keyId);
    if (key === undefined) faults.push(`the key ${checkpoint.keyId} of the checkpoint is not known`);
    else if (!isCheckpointBy(checkpoint, key)) faults.push("the checkpoint was changed");
    if (before !== undefined && Date.parse(checkpoint.day) - Date.parse(before.day) !== dayMs) {
      faults.push("the checkpoint of the day before is missing");
    } else if (before === undefined && !checkpointHash(undefined).equals(checkpoint.previous)) {
      faults.push("the checkpoints before it are missing");
    } else if (!checkpointHash(before).equals(checkpoint.previous)) {
      faults.push("the checkpoint does not follow the one before it");
    }
    const root = new MerkleRoot();
    await evidence.readSeals(checkpoint.day, (seals) => {
      for (const seal of seals) {
        root.add(sealLeaf(seal));
        const sealKey = publicKeys.get(seal.keyId);
        if (sealKey === undefined || !isSealBy(seal, sealKey)) {
          faults.push(`the seal over ${seal.length} events of signature ${seal.signatureId} was changed`);
        }
      }
    });
    if (root.size < checkpoint.seals) faults.push(`${checkpoint.seals - root.size} seals are missing`);
    else if (root.size > checkpoint.seals) faults.push(`${root.size - checkpoint.seals} seals were added`);
    else if (!root.hash().equals(checkpoint.digest)) faults.push("seals were changed or exchanged");
    return { faults, seals: root.size };
  }
}

function expectationFaults(checkpoints: readonly Checkpoint[], expected: string | undefined): string[] {
  if (expected === undefined) return [];
  return checkpoints.some((one) => checkpointHash(one).toString("hex") === expected)
    ? []
    : ["no checkpoint has the hash that was expected: the history up to it is gone or is another one"];
}
