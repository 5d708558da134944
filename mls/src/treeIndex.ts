/**
 * What is compared across a whole tree when a commit changes a little of it: RFC 9420, section 7.3. It is kept side by side, so
 * that a look at thousands of members does not visit their nodes; the beginning of a key decides whether its bytes are compared.
 *
 * One index serves a tree and those made from it. Nodes are immutable, so before each use it is brought up to date by
 * comparing which nodes are the same objects.
 */
import type { AuthenticationService } from "./authentication.ts";
import { credentialTypeOf } from "./credential.ts";
import { samePublicBytes } from "./equalBytes.ts";
import type { LeafNode } from "./leafNode.ts";
import type { ParentNode, RatchetTree } from "./ratchetTree.ts";

/** The first four bytes as a number. */
function beginning(bytes: Uint8Array): number {
  return (((bytes[0] ?? 0) << 24) | ((bytes[1] ?? 0) << 16) | ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0)) >>> 0;
}

const blank = -1;
/** Credential types of which a bit is kept for each leaf: those that the RFC defines. */
const commonTypes = 2;

function commonTypesIn(types: readonly number[]): number {
  let bits = 0;
  for (const type of types) if (type <= commonTypes) bits |= 1 << type;
  return bits;
}

export class TreeIndex {
  readonly #leaves: (LeafNode | undefined)[];
  readonly #parents: (ParentNode | undefined)[];
  readonly #leafKeys: Uint32Array;
  readonly #parentKeys: Uint32Array;
  readonly #signatureKeys: Uint32Array;
  readonly #credentialTypes: Int32Array;
  /** Bit t: the leaf supports credential type t, of the common ones. */
  readonly #supported: Uint8Array;
  #identities: { readonly by: AuthenticationService; readonly ofLeaf: (string | undefined)[] } | undefined;

  constructor(leafCount: number) {
    this.#leaves = Array.from({ length: leafCount }, () => undefined);
    this.#parents = Array.from({ length: leafCount - 1 }, () => undefined);
    this.#leafKeys = new Uint32Array(leafCount);
    this.#parentKeys = new Uint32Array(leafCount - 1);
    this.#signatureKeys = new Uint32Array(leafCount);
    this.#credentialTypes = new Int32Array(leafCount).fill(blank);
    this.#supported = new Uint8Array(leafCount);
  }

  get leafCount(): number {
    return this.#leaves.length;
  }

  /** Brings the index up to date with a tree of as many leaves. */
  follow(tree: RatchetTree): void {
    for (let index = 0; index < this.#leaves.length; index++) {
      const leaf = tree.leaves[index];
      if (leaf !== this.#leaves[index]) this.#setLeaf(index, leaf);
    }
    for (let index = 0; index < this.#parents.length; index++) {
      const parent = tree.parents[index];
      if (parent === this.#parents[index]) continue;
      this.#parents[index] = parent;
      if (parent !== undefined) this.#parentKeys[index] = beginning(parent.encryptionKey);
    }
  }

  #setLeaf(index: number, leaf: LeafNode | undefined): void {
    this.#leaves[index] = leaf;
    if (this.#identities !== undefined) this.#identities.ofLeaf[index] = undefined;
    this.#credentialTypes[index] = leaf === undefined ? blank : credentialTypeOf(leaf.credential);
    if (leaf === undefined) return;
    this.#leafKeys[index] = beginning(leaf.encryptionKey);
    this.#signatureKeys[index] = beginning(leaf.signatureKey);
    this.#supported[index] = commonTypesIn(leaf.capabilities.credentials);
  }

  /** Does a node have this encryption key, other than the leaf `except`? */
  hasEncryptionKey(key: Uint8Array, except?: number): boolean {
    const start = beginning(key);
    for (let index = 0; index < this.#leafKeys.length; index++) {
      if (this.#leafKeys[index] !== start || index === except) continue;
      const leaf = this.#leaves[index];
      if (leaf !== undefined && samePublicBytes(leaf.encryptionKey, key)) return true;
    }
    for (let index = 0; index < this.#parentKeys.length; index++) {
      if (this.#parentKeys[index] !== start) continue;
      const parent = this.#parents[index];
      if (parent !== undefined && samePublicBytes(parent.encryptionKey, key)) return true;
    }
    return false;
  }

  /** Does a leaf have this signature key, other than the leaf `except`? */
  hasSignatureKey(key: Uint8Array, except: number): boolean {
    const start = beginning(key);
    for (let index = 0; index < this.#signatureKeys.length; index++) {
      if (this.#signatureKeys[index] !== start || index === except) continue;
      const leaf = this.#leaves[index];
      if (leaf !== undefined && samePublicBytes(leaf.signatureKey, key)) return true;
    }
    return false;
  }

  /** Is a leaf of this client, other than the leaf `except`? */
  hasIdentity(
    identity: string,
    except: number,
    by: AuthenticationService,
    identityOf: (leaf: LeafNode) => string,
  ): boolean {
    if (this.#identities?.by !== by) {
      this.#identities = { by, ofLeaf: this.#leaves.map(() => undefined) };
    }
    const { ofLeaf } = this.#identities;
    for (let index = 0; index < ofLeaf.length; index++) {
      if (index === except) continue;
      const leaf = this.#leaves[index];
      if (leaf !== undefined && (ofLeaf[index] ??= identityOf(leaf)) === identity) return true;
    }
    return false;
  }

  /** Of all members. */
  credentialTypes(): Set<number> {
    const types = new Set<number>();
    let last = blank;
    for (const type of this.#credentialTypes) {
      if (type !== last && type !== blank) types.add(type);
      last = type;
    }
    return types;
  }

  everyoneSupports(type: number): boolean {
    for (let index = 0; index < this.#leaves.length; index++) {
      if (this.#credentialTypes[index] === blank) continue;
      const supported =
        type <= commonTypes
          ? ((this.#supported[index] as number) & (1 << type)) !== 0
          : this.#leaves[index]?.capabilities.credentials.includes(type) === true;
      if (!supported) return false;
    }
    return true;
  }
}

interface Lineage {
  index?: TreeIndex;
}

/** The line of trees, each made from the one before, to which a tree belongs. */
const lineages = new WeakMap<RatchetTree, Lineage>();

function lineageOf(tree: RatchetTree): Lineage {
  let lineage = lineages.get(tree);
  if (lineage === undefined) {
    lineage = {};
    lineages.set(tree, lineage);
  }
  return lineage;
}

/** `tree` is made from `before`, and most of its nodes are the same. */
export function inheritIndex(tree: RatchetTree, before: RatchetTree): void {
  lineages.set(tree, lineageOf(before));
}

/** Up to date until the tree changes or another of its line is asked about: use it at once. */
export function indexOf(tree: RatchetTree): TreeIndex {
  const lineage = lineageOf(tree);
  if (lineage.index?.leafCount !== tree.leaves.length) lineage.index = new TreeIndex(tree.leaves.length);
  lineage.index.follow(tree);
  return lineage.index;
}
