import { MerkleRoot } from "../../src/domain/merkle-tree.ts";

function rootOf(leaves: readonly Buffer[]): Buffer {
  const root = new MerkleRoot();
  for (const leaf of leaves) root.add(leaf);
  return root.hash();
}

/** PATH(m, D[n]) as RFC 9162, 2.1.3.1 defines it, over all leaves at once. */
export function inclusionPath(leaves: readonly Buffer[], index: number): Buffer[] {
  if (leaves.length < 2) return [];
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  const [left, right] = [leaves.slice(0, split), leaves.slice(split)];
  return index < split
    ? [...inclusionPath(left, index), rootOf(right)]
    : [...inclusionPath(right, index - split), rootOf(left)];
}
