/** Tree hashes: RFC 9420, section 7.8. Cached per node; a change forgets those on its path alone. */
import type { CipherSuite } from "./cipherSuite.ts";
import { Writer } from "./codec.ts";
import { writeLeafNode, type LeafNode } from "./leafNode.ts";
import { parentAt, writeParentNode, type ParentNode, type RatchetTree, type TreeDraft } from "./ratchetTree.ts";
import { left, right, root } from "./treeMath.ts";

const nodeTypes = { leaf: 1, parent: 2 } as const;

export function leafHash(suite: CipherSuite, leafIndex: number, leaf: LeafNode | undefined): Uint8Array {
  const writer = new Writer(512);
  writer.uint8(nodeTypes.leaf);
  writer.uint32(leafIndex);
  writer.optional(leaf, (value) => writeLeafNode(writer, value));
  return suite.hash(writer.finish());
}

function parentNodeHash(
  suite: CipherSuite,
  parent: ParentNode | undefined,
  leftHash: Uint8Array,
  rightHash: Uint8Array,
): Uint8Array {
  const writer = new Writer(256);
  writer.uint8(nodeTypes.parent);
  writer.optional(parent, (value) => writeParentNode(writer, value));
  writer.opaque(leftHash);
  writer.opaque(rightHash);
  return suite.hash(writer.finish());
}

/** The hash of a subtree; fills the cache below it. */
export function treeHashAt(suite: CipherSuite, draft: TreeDraft, node: number): Uint8Array {
  const cached = draft.hashes[node];
  if (cached !== undefined) return cached;
  const hash =
    (node & 1) === 0
      ? leafHash(suite, node >> 1, draft.leaves[node >> 1])
      : parentNodeHash(
          suite,
          parentAt(draft, node),
          treeHashAt(suite, draft, left(node)),
          treeHashAt(suite, draft, right(node)),
        );
  draft.hashes[node] = hash;
  return hash;
}

export function rootHash(suite: CipherSuite, draft: TreeDraft): Uint8Array {
  return treeHashAt(suite, draft, root(draft.leaves.length));
}

/** The hash of a subtree as if some of its leaves had never been added; section 7.9's original_sibling_tree_hash. */
export function treeHashWithout(
  suite: CipherSuite,
  tree: RatchetTree,
  node: number,
  /** Ascending leaf indices, all below `node`. */
  without: readonly number[],
): Uint8Array {
  const cached = tree.hashes[node];
  if (without.length === 0 && cached !== undefined) return cached;
  if ((node & 1) === 0) return leafHash(suite, node >> 1, without.length > 0 ? undefined : tree.leaves[node >> 1]);
  const parent = parentAt(tree, node);
  const reduced =
    parent === undefined || without.length === 0
      ? parent
      : { ...parent, unmergedLeaves: withoutSorted(parent.unmergedLeaves, without) };
  const split = without.findIndex((leafIndex) => 2 * leafIndex > node);
  const inLeft = split === -1 ? without : without.slice(0, split);
  const inRight = split === -1 ? [] : without.slice(split);
  return parentNodeHash(
    suite,
    reduced,
    treeHashWithout(suite, tree, left(node), inLeft),
    treeHashWithout(suite, tree, right(node), inRight),
  );
}

function withoutSorted(from: readonly number[], without: readonly number[]): readonly number[] {
  if (from.length === 0) return from;
  const excluded = new Set(without);
  return from.filter((leafIndex) => !excluded.has(leafIndex));
}
