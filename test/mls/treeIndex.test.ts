/** The index over a tree says what a look at each node says, for whichever tree of its line it is asked (RFC 9420, section 7.3). */
import type { AuthenticationService, LeafNode } from "@tacit/mls";
import { credentialTypeOf } from "../../mls/src/credential.ts";
import { samePublicBytes } from "../../mls/src/equalBytes.ts";
import { draftOf, encryptionKeyAt, occupiedLeaves, type RatchetTree } from "../../mls/src/ratchetTree.ts";
import { indexOf } from "../../mls/src/treeIndex.ts";
import { nodeWidth } from "../../mls/src/treeMath.ts";
import { seededRandom } from "./world.ts";

/** Bytes below `sides`. */
function dice(seed: string): (sides: number) => number {
  const random = seededRandom(seed);
  return (sides) => (random(1)[0] as number) % sides;
}

/** Few keys, of which many begin alike, and some are too short to have four bytes. */
const keys = Array.from({ length: 24 }, (_, index) =>
  index < 4 ? new Uint8Array(index) : Uint8Array.of(1, 2, 3, index % 3, index),
);
const names = ["alice", "bob", "carol", "dave", "erin"];
const typeLists = [[], [0], [1], [2], [1, 2], [1, 2, 0xf0f0], [0xf0f0]];
const allTypes = [0, 1, 2, 3, 0xf0f0];

const authentication: AuthenticationService = {
  authenticate: () => true,
  identity: (_, signatureKey) => names[signatureKey.length] as string,
};

function someLeaf(roll: (sides: number) => number): LeafNode {
  const leaf: Pick<LeafNode, "encryptionKey" | "signatureKey" | "credential" | "capabilities"> = {
    encryptionKey: keys[roll(keys.length)] as Uint8Array,
    signatureKey: keys[roll(keys.length)]?.slice(0, 4) as Uint8Array,
    credential: { type: "other", credentialType: allTypes[roll(allTypes.length)] as number, data: new Uint8Array(0) },
    capabilities: {
      versions: [1],
      cipherSuites: [1],
      extensions: [],
      proposals: [],
      credentials: typeLists[3 + roll(4)] as number[],
    },
  };
  // What the index does not read is left out.
  return leaf as LeafNode;
}

/** A few nodes changed, by replacing or blanking them. */
function changed(tree: RatchetTree, roll: (sides: number) => number): RatchetTree {
  const draft = draftOf(tree);
  for (let change = 0; change < 3; change++) {
    draft.leaves[roll(draft.leaves.length)] = roll(3) === 0 ? undefined : someLeaf(roll);
    const encryptionKey = keys[roll(keys.length)] as Uint8Array;
    draft.parents[roll(draft.parents.length)] =
      roll(3) === 0 ? undefined : { encryptionKey, parentHash: new Uint8Array(0), unmergedLeaves: [] };
  }
  return draft;
}

const everyoneIsAlice: AuthenticationService = { ...authentication, identity: () => "alice" };

function expectTrue(tree: RatchetTree, hooks: readonly AuthenticationService[] = [authentication]): void {
  const members = occupiedLeaves(tree);
  const nodes = Array.from({ length: nodeWidth(tree.leaves.length) }, (_, node) => node);
  const index = indexOf(tree);
  const same = (a: Uint8Array | undefined, b: Uint8Array): boolean => a !== undefined && samePublicBytes(a, b);
  for (const except of [undefined, 0, 3]) {
    for (const key of keys) {
      const present = nodes.some((node) => node !== 2 * (except ?? -1) && same(encryptionKeyAt(tree, node), key));
      expect(index.hasEncryptionKey(key, except)).toBe(present);
      const signs = members.some(({ leafIndex, leafNode }) => leafIndex !== except && same(leafNode.signatureKey, key));
      expect(index.hasSignatureKey(key, except ?? -1)).toBe(signs);
    }
    for (const by of hooks) {
      const identify = ({ credential, signatureKey }: LeafNode): string => by.identity(credential, signatureKey);
      for (const name of names) {
        const there = members.some(({ leafIndex, leafNode }) => leafIndex !== except && identify(leafNode) === name);
        expect(index.hasIdentity(name, except ?? -1, by, identify)).toBe(there);
      }
    }
  }
  const inUse = members.map(({ leafNode }) => credentialTypeOf(leafNode.credential));
  expect(index.credentialTypes()).toEqual(new Set(inUse));
  for (const type of allTypes) {
    const supported = members.every(({ leafNode }) => leafNode.capabilities.credentials.includes(type));
    expect(index.everyoneSupports(type)).toBe(supported);
  }
}

test.each([2, 8])("%i leaves: trees in a line, its branches, and earlier ones again", (count) => {
  const roll = dice(`index of ${count}`);
  const blank = (length: number): undefined[] => Array.from({ length }, () => undefined);
  const trees: RatchetTree[] = [{ leaves: blank(count), parents: blank(count - 1), hashes: blank(2 * count - 1) }];
  for (let step = 0; step < 60; step++) {
    const from = trees[roll(4) === 0 ? roll(trees.length) : trees.length - 1] as RatchetTree;
    const next = changed(from, roll);
    trees.push(next);
    expectTrue(next, step % 10 === 9 ? [everyoneIsAlice, authentication] : [authentication]);
    if (roll(3) === 0) expectTrue(trees[roll(trees.length)] as RatchetTree);
  }
});

test("a tree that grows or shrinks", () => {
  const roll = dice("size");
  let draft = draftOf(
    changed({ leaves: Array(4).fill(undefined), parents: Array(3).fill(undefined), hashes: [] }, roll),
  );
  for (const count of [8, 4, 2, 16]) {
    draft = draftOf(draft);
    while (draft.leaves.length < count) draft.leaves.push(someLeaf(roll));
    while (draft.parents.length < count - 1) draft.parents.push(undefined);
    draft.leaves.length = count;
    draft.parents.length = count - 1;
    expectTrue(draft);
  }
});
