/**
 * Array-based trees: RFC 9420, appendix C. Leaf i is node 2i; a tree always has a power of two leaves. Functions assume
 * arguments in range: whatever comes from the wire is checked before.
 */

/** 0 for leaves. */
export function level(node: number): number {
  return (node & 1) === 0 ? 0 : 31 - Math.clz32(~node & (node + 1));
}

export function nodeWidth(leafCount: number): number {
  return leafCount === 0 ? 0 : 2 * leafCount - 1;
}

export function root(leafCount: number): number {
  return leafCount - 1;
}

export function left(parent: number): number {
  return parent ^ (1 << (level(parent) - 1));
}

export function right(parent: number): number {
  return parent ^ (3 << (level(parent) - 1));
}

/** Of any node but the root. */
export function parentOf(node: number): number {
  const k = level(node);
  return (node | (1 << k)) & ~(1 << (k + 1));
}

export function sibling(node: number): number {
  const parent = parentOf(node);
  return node < parent ? right(parent) : left(parent);
}

/** From the parent of the node to the root. */
export function directPath(node: number, leafCount: number): number[] {
  const top = root(leafCount);
  const path: number[] = [];
  for (let current = node; current !== top;) {
    current = parentOf(current);
    path.push(current);
  }
  return path;
}

/** Is the leaf below (or at) the node? */
export function covers(node: number, leafIndex: number): boolean {
  const reach = (1 << level(node)) - 1;
  return Math.abs(2 * leafIndex - node) <= reach;
}

/** The lowest node above both leaves (a leaf itself if they are the same). */
export function commonAncestor(leafA: number, leafB: number): number {
  let a = 2 * leafA;
  const b = leafB;
  while (!covers(a, b)) a = parentOf(a);
  return a;
}

export function firstLeaf(node: number): number {
  return (node - ((1 << level(node)) - 1)) / 2;
}

export function lastLeaf(node: number): number {
  return (node + ((1 << level(node)) - 1)) / 2;
}
