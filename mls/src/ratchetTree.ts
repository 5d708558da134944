/**
 * The ratchet tree as data: RFC 9420, sections 4.1, 7.1, 7.7, and the extension of section 12.4.3.3. Trees are immutable; a
 * `TreeDraft` is a copy under change that only the function that made it can see.
 */
import { decode, decodeFailed, encode, type Reader, type Writer } from "./codec.ts";
import { invalid } from "./failure.ts";
import { readLeafNode, writeLeafNode, type LeafNode } from "./leafNode.ts";
import { inheritIndex } from "./treeIndex.ts";
import { directPath, left, nodeWidth, right, sibling } from "./treeMath.ts";

export interface ParentNode {
  readonly encryptionKey: Uint8Array;
  readonly parentHash: Uint8Array;
  /** Leaf indices, ascending. */
  readonly unmergedLeaves: readonly number[];
}

export interface RatchetTree {
  /** By leaf index; as many as a power of two. */
  readonly leaves: readonly (LeafNode | undefined)[];
  /** Parent node 2i + 1 at i. */
  readonly parents: readonly (ParentNode | undefined)[];
  /** Tree hashes by node index; all present in a tree that is not a draft (treeHash.ts). */
  readonly hashes: readonly (Uint8Array | undefined)[];
}

export interface TreeDraft {
  leaves: (LeafNode | undefined)[];
  parents: (ParentNode | undefined)[];
  hashes: (Uint8Array | undefined)[];
}

/** Node indices stay below 2^25: a bound on memory, far above any group that can be used. */
export const maximumLeaves = 1 << 24;

export function draftOf(tree: RatchetTree): TreeDraft {
  const draft = { leaves: tree.leaves.slice(), parents: tree.parents.slice(), hashes: tree.hashes.slice() };
  inheritIndex(draft, tree);
  return draft;
}

/** The leaf at an index that may come from the wire. */
export function leafAt(tree: RatchetTree, leafIndex: number): LeafNode | undefined {
  return Number.isInteger(leafIndex) && leafIndex >= 0 ? tree.leaves[leafIndex] : undefined;
}

/** The leaf at an index from the wire, which must be occupied. */
export function requireLeaf(tree: RatchetTree, leafIndex: number): LeafNode {
  const leaf = leafAt(tree, leafIndex);
  if (leaf === undefined) throw invalid("unknown_member", "the leaf index does not name a member");
  return leaf;
}

export function parentAt(tree: RatchetTree, node: number): ParentNode | undefined {
  return tree.parents[(node - 1) >> 1];
}

export function encryptionKeyAt(tree: RatchetTree, node: number): Uint8Array | undefined {
  return (node & 1) === 0 ? tree.leaves[node >> 1]?.encryptionKey : parentAt(tree, node)?.encryptionKey;
}

/** Forgets the cached hashes of a node and of all above it. */
export function touch(draft: TreeDraft, node: number): void {
  draft.hashes[node] = undefined;
  for (const above of directPath(node, draft.leaves.length)) draft.hashes[above] = undefined;
}

export function setParent(draft: TreeDraft, node: number, parent: ParentNode | undefined): void {
  draft.parents[(node - 1) >> 1] = parent;
  draft.hashes[node] = undefined;
}

/** Section 7.7: doubles the tree. */
function extend(draft: TreeDraft): void {
  const count = draft.leaves.length;
  if (count * 2 > maximumLeaves) throw invalid("group_too_large", "the tree would have too many leaves");
  draft.leaves.length = count * 2;
  draft.leaves.fill(undefined, count);
  const parents = draft.parents.length;
  draft.parents.length = count * 2 - 1;
  draft.parents.fill(undefined, parents);
  const hashes = draft.hashes.length;
  draft.hashes.length = nodeWidth(count * 2);
  draft.hashes.fill(undefined, hashes);
}

/** The leftmost empty leaf at or after `from`, made by doubling the tree if there is none. */
export function freeLeaf(draft: TreeDraft, from = 0): number {
  for (let index = from; index < draft.leaves.length; index++) if (draft.leaves[index] === undefined) return index;
  const index = draft.leaves.length;
  extend(draft);
  return index;
}

/** Section 12.1.1. */
export function addLeaf(draft: TreeDraft, leafIndex: number, leaf: LeafNode): void {
  draft.leaves[leafIndex] = leaf;
  for (const node of directPath(2 * leafIndex, draft.leaves.length)) {
    const parent = parentAt(draft, node);
    if (parent === undefined) continue;
    const unmergedLeaves = [...parent.unmergedLeaves, leafIndex].sort((a, b) => a - b);
    setParent(draft, node, { ...parent, unmergedLeaves });
  }
  touch(draft, 2 * leafIndex);
}

export function blankPath(draft: TreeDraft, leafIndex: number): void {
  for (const node of directPath(2 * leafIndex, draft.leaves.length)) setParent(draft, node, undefined);
  touch(draft, 2 * leafIndex);
}

/** Sections 12.1.2 and 12.1.3: replaces or blanks a leaf, and blanks what is above it. */
export function replaceLeaf(draft: TreeDraft, leafIndex: number, leaf: LeafNode | undefined): void {
  draft.leaves[leafIndex] = leaf;
  blankPath(draft, leafIndex);
}

/** Section 7.7: halves the tree while its right half is empty. */
export function truncate(draft: TreeDraft): void {
  let last = draft.leaves.length - 1;
  while (last > 0 && draft.leaves[last] === undefined) last--;
  let count = draft.leaves.length;
  while (count > 1 && count / 2 > last) count /= 2;
  draft.leaves.length = count;
  draft.parents.length = count - 1;
  draft.hashes.length = nodeWidth(count);
}

/** Section 4.1.1: node indices, in the order of the encryptions of an update path. */
export function resolution(tree: RatchetTree, node: number): number[] {
  const found: number[] = [];
  collect(tree, node, found);
  return found;
}

function collect(tree: RatchetTree, node: number, found: number[]): void {
  if ((node & 1) === 0) {
    if (tree.leaves[node >> 1] !== undefined) found.push(node);
    return;
  }
  const parent = parentAt(tree, node);
  if (parent !== undefined) {
    found.push(node);
    for (const leafIndex of parent.unmergedLeaves) found.push(2 * leafIndex);
    return;
  }
  collect(tree, left(node), found);
  collect(tree, right(node), found);
}

function isEmptySubtree(tree: RatchetTree, node: number): boolean {
  if ((node & 1) === 0) return tree.leaves[node >> 1] === undefined;
  if (parentAt(tree, node) !== undefined) return false;
  return isEmptySubtree(tree, left(node)) && isEmptySubtree(tree, right(node));
}

export interface PathStep {
  readonly node: number;
  /** The child of `node` that is not above the leaf. */
  readonly copath: number;
}

/** Section 4.1.2: the direct path without the nodes whose copath child has an empty resolution. */
export function filteredDirectPath(tree: RatchetTree, leafIndex: number): PathStep[] {
  const steps: PathStep[] = [];
  let child = 2 * leafIndex;
  for (const node of directPath(child, tree.leaves.length)) {
    const copath = sibling(child);
    if (!isEmptySubtree(tree, copath)) steps.push({ node, copath });
    child = node;
  }
  return steps;
}

export interface Member {
  readonly leafIndex: number;
  readonly leafNode: LeafNode;
}

export function occupiedLeaves(tree: RatchetTree): Member[] {
  const members: Member[] = [];
  tree.leaves.forEach((leafNode, leafIndex) => {
    if (leafNode !== undefined) members.push({ leafIndex, leafNode });
  });
  return members;
}

export function writeParentNode(writer: Writer, parent: ParentNode): void {
  writer.opaque(parent.encryptionKey);
  writer.opaque(parent.parentHash);
  writer.vector(parent.unmergedLeaves, (leafIndex) => writer.uint32(leafIndex));
}

/** Section 7.1: unmerged leaves are sorted, without repetition. */
function readParentNode(reader: Reader): ParentNode {
  const encryptionKey = reader.opaque();
  const parentHash = reader.opaque();
  let previous = -1;
  const unmergedLeaves = reader.vector((item) => {
    const leafIndex = item.uint32();
    if (leafIndex <= previous) throw decodeFailed("unmerged leaves are not in ascending order");
    previous = leafIndex;
    return leafIndex;
  });
  return { encryptionKey, parentHash, unmergedLeaves };
}

const nodeTypes = { leaf: 1, parent: 2 } as const;

export function writeRatchetTree(writer: Writer, tree: RatchetTree): void {
  let width = nodeWidth(tree.leaves.length);
  while (width > 0 && encryptionKeyAt(tree, width - 1) === undefined) width--;
  writer.nested(() => {
    for (let node = 0; node < width; node++) {
      if ((node & 1) === 0) {
        writer.optional(tree.leaves[node >> 1], (leaf) => {
          writer.uint8(nodeTypes.leaf);
          writeLeafNode(writer, leaf);
        });
      } else {
        writer.optional(parentAt(tree, node), (parent) => {
          writer.uint8(nodeTypes.parent);
          writeParentNode(writer, parent);
        });
      }
    }
  });
}

/** A draft without hashes. Leaves and parents stand where they may; unmerged leaves are in range. */
export function readRatchetTree(reader: Reader): TreeDraft {
  const leaves: (LeafNode | undefined)[] = [];
  const parents: (ParentNode | undefined)[] = [];
  let node = 0;
  let blankAtEnd = true;
  reader.nested((inner) => {
    for (; inner.remaining > 0; node++) {
      if (node >= nodeWidth(maximumLeaves)) throw decodeFailed("the ratchet tree is too large");
      const expected = (node & 1) === 0 ? nodeTypes.leaf : nodeTypes.parent;
      const present = inner.optional((item) => {
        if (item.uint8() !== expected) throw decodeFailed("a node of the ratchet tree is of the wrong type");
        if (expected === nodeTypes.leaf) leaves.push(readLeafNode(item));
        else parents.push(readParentNode(item));
        return true;
      });
      blankAtEnd = present === undefined;
      if (present === undefined) (expected === nodeTypes.leaf ? leaves : parents).push(undefined);
    }
  });
  if (blankAtEnd) throw decodeFailed("the ratchet tree ends with a blank node");
  let count = 1;
  while (nodeWidth(count) < node) count *= 2;
  while (leaves.length < count) leaves.push(undefined);
  while (parents.length < count - 1) parents.push(undefined);
  for (const parent of parents) {
    if (parent?.unmergedLeaves.some((leafIndex) => leafIndex >= count)) {
      throw decodeFailed("an unmerged leaf is outside of the tree");
    }
  }
  return { leaves, parents, hashes: Array.from({ length: nodeWidth(count) }, () => undefined) };
}

export function encodeTree(tree: RatchetTree): Uint8Array {
  return encode(writeRatchetTree, tree);
}

export function decodeTree(bytes: Uint8Array): TreeDraft {
  return decode(readRatchetTree, bytes);
}
