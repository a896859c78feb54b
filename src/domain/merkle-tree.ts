import { createHash } from "node:crypto";

// The Merkle tree of RFC 9162, 2.1: leaves and nodes are hashed with different prefixes, so that none passes
// for the other. A path of log2(n) hashes shows that a leaf is among n without showing the others.

export function leafHash(content: Uint8Array): Buffer {
  return createHash("sha256").update("\0").update(content).digest();
}

function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  return createHash("sha256").update("\x01").update(left).update(right).digest();
}

/** The root over leaves that come one after another; it keeps one hash for each level. */
export class MerkleRoot {
  /** Roots of complete subtrees, largest first. */
  readonly #subtrees: { readonly size: number; readonly hash: Buffer }[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(leaf: Buffer): void {
    this.#size += 1;
    let subtree = { size: 1, hash: leaf };
    for (let last = this.#subtrees.at(-1); last?.size === subtree.size; last = this.#subtrees.at(-1)) {
      this.#subtrees.pop();
      subtree = { size: subtree.size * 2, hash: nodeHash(last.hash, subtree.hash) };
    }
    this.#subtrees.push(subtree);
  }

  /** SHA-256 of nothing where there is no leaf. */
  hash(): Buffer {
    const hashes = this.#subtrees.map((subtree) => subtree.hash);
    const last = hashes.pop() ?? createHash("sha256").digest();
    return hashes.reduceRight((right, left) => nodeHash(left, right), last);
  }
}

function rootOf(leaves: readonly Buffer[]): Buffer {
  const root = new MerkleRoot();
  for (const leaf of leaves) root.add(leaf);
  return root.hash();
}

/** The hashes beside the way from a leaf to the root, from the leaf upwards. */
export function inclusionPath(leaves: readonly Buffer[], index: number): Buffer[] {
  if (leaves.length < 2) return [];
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  const [left, right] = [leaves.slice(0, split), leaves.slice(split)];
  return index < split
    ? [...inclusionPath(left, index), rootOf(right)]
    : [...inclusionPath(right, index - split), rootOf(left)];
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
