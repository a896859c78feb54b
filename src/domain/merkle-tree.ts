import { createHash } from "node:crypto";

// The Merkle tree of RFC 9162, 2.1: leaves and nodes are hashed with different prefixes, so that none passes
// for the other. A path of log2(n) hashes shows that a leaf is among n without showing the others.

export function leafHash(content: Uint8Array): Buffer {
  return createHash("sha256").update("\0").update(content).digest();
}

function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  return createHash("sha256").update("\x01").update(left).update(right).digest();
}

/** The hashes beside the way from a leaf to the root, from the leaf upwards. */
export interface InclusionPath {
  readonly leaf: Buffer;
  readonly index: number;
  readonly path: readonly Buffer[];
}

interface Subtree {
  readonly size: number;
  readonly hash: Buffer;
  /** Of the leaves in it whose way to the root is wanted. */
  readonly paths: readonly InclusionPath[];
}

function joined(left: Subtree, right: Subtree): Subtree {
  const beside = (paths: readonly InclusionPath[], hash: Buffer) =>
    paths.map(({ path, ...leaf }) => ({ ...leaf, path: [...path, hash] }));
  return {
    size: left.size + right.size,
    hash: nodeHash(left.hash, right.hash),
    // Nearly always there is none.
    paths:
      left.paths.length + right.paths.length === 0
        ? left.paths
        : [...beside(left.paths, right.hash), ...beside(right.paths, left.hash)],
  };
}

const none: readonly InclusionPath[] = [];

/** The root over leaves that come one after another; it keeps one hash for each level, and the ways that are wanted. */
export class MerkleRoot {
  /** Complete subtrees, largest first. */
  readonly #subtrees: Subtree[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** @param wanted whether `paths` is to show its way to the root */
  add(leaf: Buffer, wanted = false): void {
    const paths = wanted ? [{ leaf, index: this.#size, path: [] }] : none;
    this.#size += 1;
    let subtree: Subtree = { size: 1, hash: leaf, paths };
    for (let last = this.#subtrees.at(-1); last?.size === subtree.size; last = this.#subtrees.at(-1)) {
      this.#subtrees.pop();
      subtree = joined(last, subtree);
    }
    this.#subtrees.push(subtree);
  }

  /** SHA-256 of nothing where there is no leaf. */
  hash(): Buffer {
    return this.#whole()?.hash ?? createHash("sha256").digest();
  }

  /** Of the wanted leaves, in their order. */
  paths(): readonly InclusionPath[] {
    return this.#whole()?.paths ?? none;
  }

  #whole(): Subtree | undefined {
    const last = this.#subtrees.at(-1);
    return last && this.#subtrees.slice(0, -1).reduceRight((right, left) => joined(left, right), last);
  }
}

/** The root that a path leads to (RFC 9162, 2.1.3.2), undefined where it is too long or too short. */
export function rootOfPath(
  leaf: Buffer,
  index: number,
  size: number,
  path: readonly Buffer[],
): Buffer | undefined {
  if (index >= size) return undefined;
  let [node, last, hash] = [index, size - 1, leaf];
  for (const beside of path) {
    if (last === 0) return undefined;
    if (node % 2 === 1 || node === last) {
      hash = nodeHash(beside, hash);
      while (node % 2 === 0 && node !== 0) [node, last] = [Math.floor(node / 2), Math.floor(last / 2)];
    } else {
      hash = nodeHash(hash, beside);
    }
    [node, last] = [Math.floor(node / 2), Math.floor(last / 2)];
  }
  return last === 0 ? hash : undefined;
}
