/** Parent hashes: RFC 9420, section 7.9. */
import type { CipherSuite } from "./cipherSuite.ts";
import { Writer } from "./codec.ts";
import { invalid } from "./failure.ts";
import { equalBytes } from "./equalBytes.ts";
import { parentAt, type ParentNode, type RatchetTree } from "./ratchetTree.ts";
import { treeHashWithout } from "./treeHash.ts";
import { firstLeaf, lastLeaf, left, nodeWidth, right } from "./treeMath.ts";

/** The parent hash of `parent` with a copath child of the given original tree hash. */
export function parentHash(
  suite: CipherSuite,
  parent: Pick<ParentNode, "encryptionKey" | "parentHash">,
  originalSiblingTreeHash: Uint8Array,
): Uint8Array {
  const writer = new Writer(256);
  writer.opaque(parent.encryptionKey);
  writer.opaque(parent.parentHash);
  writer.opaque(originalSiblingTreeHash);
  return suite.hash(writer.finish());
}

function within(unmergedLeaves: readonly number[], node: number): readonly number[] {
  if (unmergedLeaves.length === 0) return unmergedLeaves;
  const first = firstLeaf(node);
  const last = lastLeaf(node);
  return unmergedLeaves.filter((leafIndex) => leafIndex >= first && leafIndex <= last);
}

/**
 * The one node in the resolution of `child` that may carry the parent hash of a node above with these unmerged leaves under
 * `child`: the resolution must be these leaves and one more. Stops as soon as it has too many.
 */
function soleOther(tree: RatchetTree, child: number, unmerged: readonly number[]): number | undefined {
  const expected = new Set(unmerged);
  let met = 0;
  let other: number | undefined;
  const visit = (node: number): boolean => {
    if ((node & 1) === 0) {
      const leafIndex = node >> 1;
      if (tree.leaves[leafIndex] === undefined) return true;
      return take(node, leafIndex);
    }
    const parent = parentAt(tree, node);
    if (parent === undefined) return visit(left(node)) && visit(right(node));
    return take(node, undefined) && parent.unmergedLeaves.every((leafIndex) => take(2 * leafIndex, leafIndex));
  };
  const take = (node: number, leafIndex: number | undefined): boolean => {
    if (leafIndex !== undefined && expected.has(leafIndex)) {
      met++;
      return true;
    }
    if (other !== undefined) return false;
    other = node;
    return true;
  };
  return visit(child) && met === expected.size ? other : undefined;
}

function hashCarriedBy(tree: RatchetTree, node: number): Uint8Array | undefined {
  if ((node & 1) === 1) return parentAt(tree, node)?.parentHash;
  const leaf = tree.leaves[node >> 1];
  return leaf?.source === "commit" ? leaf.parentHash : undefined;
}

function vouches(suite: CipherSuite, tree: RatchetTree, parent: ParentNode, child: number, other: number): boolean {
  const descendant = soleOther(tree, child, within(parent.unmergedLeaves, child));
  if (descendant === undefined) return false;
  const carried = hashCarriedBy(tree, descendant);
  if (carried === undefined || carried.length === 0) return false;
  const original = treeHashWithout(suite, tree, other, within(parent.unmergedLeaves, other));
  return equalBytes(carried, parentHash(suite, parent, original));
}

/**
 * Section 7.9.2: each parent that is not blank has exactly one descendant that carries its hash. By induction a leaf stands at
 * the end of each chain. The tree's hashes must be filled.
 */
export function verifyParentHashes(suite: CipherSuite, tree: RatchetTree): void {
  for (let node = 1; node < nodeWidth(tree.leaves.length); node += 2) {
    const parent = parentAt(tree, node);
    if (parent === undefined) continue;
    const byLeft = vouches(suite, tree, parent, left(node), right(node));
    const byRight = vouches(suite, tree, parent, right(node), left(node));
    if (byLeft === byRight)
      throw invalid("parent_hash_invalid", "a parent node is not vouched for by exactly one descendant");
  }
}
