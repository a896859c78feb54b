import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { leafHash, MerkleRoot, rootOfPath } from "../../src/domain/merkle-tree.ts";
import { inclusionPath } from "../support/merkle-tree.ts";

/** The leaves and roots of Certificate Transparency's own tests (google/certificate-transparency, merkle_tree_test). */
const contents = [
  "",
  "00",
  "10",
  "2021",
  "3031",
  "40414243",
  "5051525354555657",
  "606162636465666768696a6b6c6d6e6f",
];
const roots = [
  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

const rootOf = (leaves: readonly Buffer[]) => {
  const root = new MerkleRoot();
  for (const leaf of leaves) root.add(leaf);
  return root.hash();
};
const leaf = (number: number) => leafHash(Buffer.from(String(number)));

describe("the Merkle tree", () => {
  test.each(roots.map((root, size) => [size, root] as const))(
    "has the known root over %i leaves",
    (size, root) => {
      const leaves = contents.slice(0, size).map((hex) => leafHash(Buffer.from(hex, "hex")));
      expect(rootOf(leaves).toString("hex")).toBe(root);
    },
  );

  test("leads from every leaf to the root, and from no other leaf, place, size or path", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 70 }), fc.nat(), fc.nat(), (size, first, second) => {
        const leaves = Array.from({ length: size }, (_, number) => leaf(number));
        const [index, other] = [first % size, second % size];
        const tree = new MerkleRoot();
        for (const [n, one] of leaves.entries()) tree.add(one, n === index || n === other);
        const wanted = [...new Set([index, other])].toSorted((a, b) => a - b);
        expect(tree.paths()).toEqual(
          wanted.map((n) => ({ leaf: leaf(n), index: n, path: inclusionPath(leaves, n) })),
        );
        const path = tree.paths().find((one) => one.index === index)?.path ?? [];
        const root = rootOf(leaves);
        expect(tree.hash()).toEqual(root);
        expect(rootOfPath(leaf(index), index, size, path)).toEqual(root);
        expect(rootOfPath(leaf(-1), index, size, path)).not.toEqual(root);
        if (other !== index) expect(rootOfPath(leaf(index), other, size, path)).not.toEqual(root);
        expect(rootOfPath(leaf(index), index, size, [...path, leaf(0)])).toBeUndefined();
        if (path.length > 0) expect(rootOfPath(leaf(index), index, size, path.slice(1))).toBeUndefined();
        expect(rootOfPath(leaf(index), size, size, path)).toBeUndefined();
      }),
      { numRuns: 300 },
    );
  });
});
