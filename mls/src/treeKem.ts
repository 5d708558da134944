/** Evolving the ratchet tree: RFC 9420, sections 7.4 to 7.6. */
import type { CipherSuite, KeyPair } from "./cipherSuite.ts";
import { equalBytes } from "./equalBytes.ts";
import { invalid, local } from "./failure.ts";
import { signLeafNode, type LeafNode, type UnsignedLeafNode } from "./leafNode.ts";
import { parentHash } from "./parentHash.ts";
import {
  blankPath,
  encryptionKeyAt,
  filteredDirectPath,
  resolution,
  setParent,
  touch,
  type PathStep,
  type RatchetTree,
  type TreeDraft,
} from "./ratchetTree.ts";
import { treeHashAt } from "./treeHash.ts";
import { covers } from "./treeMath.ts";
import type { UpdatePath, UpdatePathNode } from "./updatePath.ts";

/** Private keys of tree nodes that this member knows, its own leaf included, by node index. */
export type PathKeys = ReadonlyMap<number, Uint8Array>;

const label = "UpdatePathNode";

/** Where a path secret goes: the resolution of the copath child, without those added by the same commit (section 7.5). */
function recipients(tree: RatchetTree, step: PathStep, newLeaves: ReadonlySet<number>): number[] {
  return resolution(tree, step.copath).filter((node) => (node & 1) === 1 || !newLeaves.has(node >> 1));
}

/** Sets the public keys and parent hashes of a path from its top to its bottom; gives the leaf's parent hash. */
function setPathNodes(
  suite: CipherSuite,
  draft: TreeDraft,
  steps: readonly PathStep[],
  encryptionKeys: readonly Uint8Array[],
): Uint8Array {
  let above: Uint8Array = new Uint8Array(0);
  for (let index = steps.length - 1; index >= 0; index--) {
    const step = steps[index] as PathStep;
    const node = {
      encryptionKey: encryptionKeys[index] as Uint8Array,
      parentHash: above,
      unmergedLeaves: [],
    };
    setParent(draft, step.node, node);
    above = parentHash(suite, node, treeHashAt(suite, draft, step.copath));
  }
  return above;
}

export interface OwnPath {
  readonly leafNode: LeafNode;
  readonly steps: readonly PathStep[];
  readonly encryptionKeys: readonly Uint8Array[];
  /** One per step. */
  readonly pathSecrets: readonly Uint8Array[];
  readonly commitSecret: Uint8Array;
  /** The leaf's and the path's new private keys, by node. */
  readonly privateKeys: ReadonlyMap<number, Uint8Array>;
}

/** What the committer decides about its new leaf; keys, source and parent hash are the path's. */
export type NewLeaf = Pick<LeafNode, "signatureKey" | "credential" | "capabilities" | "extensions">;

/** Section 7.5, the first list: new keys for the sender's direct path, set in the draft. */
export async function updateOwnPath(
  suite: CipherSuite,
  draft: TreeDraft,
  leafIndex: number,
  leaf: NewLeaf,
  groupId: Uint8Array,
  signaturePrivateKey: Uint8Array,
): Promise<OwnPath> {
  blankPath(draft, leafIndex);
  const steps = filteredDirectPath(draft, leafIndex);
  const privateKeys = new Map<number, Uint8Array>();
  const pathSecrets: Uint8Array[] = [];
  const encryptionKeys: Uint8Array[] = [];
  let secret = suite.random(suite.hashLength);
  for (const step of steps) {
    const keyPair = await nodeKeyPair(suite, secret);
    privateKeys.set(step.node, keyPair.privateKey);
    encryptionKeys.push(keyPair.publicKey);
    pathSecrets.push(secret);
    secret = suite.deriveSecret(secret, "path");
  }
  const leafKeyPair = await suite.generateKeyPair();
  privateKeys.set(2 * leafIndex, leafKeyPair.privateKey);
  const carried = setPathNodes(suite, draft, steps, encryptionKeys);
  const unsigned: UnsignedLeafNode = {
    encryptionKey: leafKeyPair.publicKey,
    signatureKey: leaf.signatureKey,
    credential: leaf.credential,
    capabilities: leaf.capabilities,
    source: "commit",
    parentHash: carried,
    extensions: leaf.extensions,
  };
  const leafNode = await signLeafNode(suite, unsigned, { groupId, leafIndex }, signaturePrivateKey);
  draft.leaves[leafIndex] = leafNode;
  touch(draft, 2 * leafIndex);
  return { leafNode, steps, encryptionKeys, pathSecrets, commitSecret: secret, privateKeys };
}

async function nodeKeyPair(suite: CipherSuite, pathSecret: Uint8Array): Promise<KeyPair> {
  const nodeSecret = suite.deriveSecret(pathSecret, "node");
  const keyPair = await suite.deriveKeyPair(nodeSecret);
  nodeSecret.fill(0);
  return keyPair;
}

/** Section 7.5, the second list: the path secrets for everyone else who was there before. */
export async function encryptOwnPath(
  suite: CipherSuite,
  tree: RatchetTree,
  path: OwnPath,
  newLeaves: ReadonlySet<number>,
  /** The provisional group context, encoded. */
  context: Uint8Array,
): Promise<UpdatePath> {
  const nodes = await Promise.all(
    path.steps.map(async (step, index): Promise<UpdatePathNode> => {
      const secret = path.pathSecrets[index] as Uint8Array;
      const encryptedPathSecrets = await Promise.all(
        recipients(tree, step, newLeaves).map(async (node) =>
          suite.encryptWithLabel(encryptionKeyAt(tree, node) as Uint8Array, label, context, secret),
        ),
      );
      return { encryptionKey: path.encryptionKeys[index] as Uint8Array, encryptedPathSecrets };
    }),
  );
  return { leafNode: path.leafNode, nodes };
}

/**
 * Section 7.5, the third list: another member's path, set in the draft. Checks its shape and the leaf's parent hash; the leaf
 * itself is checked by the caller.
 */
export function mergeUpdatePath(
  suite: CipherSuite,
  draft: TreeDraft,
  leafIndex: number,
  path: UpdatePath,
  newLeaves: ReadonlySet<number>,
): readonly PathStep[] {
  blankPath(draft, leafIndex);
  const steps = filteredDirectPath(draft, leafIndex);
  if (steps.length !== path.nodes.length) throw invalid("path_invalid", "the update path has the wrong length");
  steps.forEach((step, index) => {
    if (path.nodes[index]?.encryptedPathSecrets.length !== recipients(draft, step, newLeaves).length) {
      throw invalid("path_invalid", "the update path has the wrong number of ciphertexts");
    }
  });
  const keys = path.nodes.map((node) => node.encryptionKey);
  const carried = setPathNodes(suite, draft, steps, keys);
  const leaf = path.leafNode;
  if (leaf.source !== "commit" || !equalBytes(leaf.parentHash, carried)) {
    throw invalid("parent_hash_invalid", "the committer's leaf does not carry the hash of its path");
  }
  draft.leaves[leafIndex] = leaf;
  touch(draft, 2 * leafIndex);
  return steps;
}

export interface ReceivedPath {
  readonly commitSecret: Uint8Array;
  readonly privateKeys: ReadonlyMap<number, Uint8Array>;
}

/** Section 7.5, the fourth list. Failures are this member's alone: others may have been sent good secrets. */
export async function decryptUpdatePath(
  suite: CipherSuite,
  tree: RatchetTree,
  steps: readonly PathStep[],
  path: UpdatePath,
  newLeaves: ReadonlySet<number>,
  ownLeafIndex: number,
  pathKeys: PathKeys,
  context: Uint8Array,
): Promise<ReceivedPath> {
  const index = steps.findIndex((step) => covers(step.copath, ownLeafIndex));
  const step = steps[index];
  if (step === undefined) throw local("path_secret_missing", "the update path holds nothing for this member");
  const candidates = recipients(tree, step, newLeaves);
  const position = candidates.findIndex((node) => pathKeys.has(node));
  const node = candidates[position];
  const ciphertext = path.nodes[index]?.encryptedPathSecrets[position];
  if (node === undefined || ciphertext === undefined) {
    throw local("path_secret_missing", "this member has no key for the update path");
  }
  const secret = await suite.decryptWithLabel(
    pathKeys.get(node) as Uint8Array,
    encryptionKeyAt(tree, node) as Uint8Array,
    label,
    context,
    ciphertext,
  );
  return derivePathKeys(
    suite,
    tree,
    steps.slice(index).map((each) => each.node),
    secret,
  );
}

/** Derives the key pairs upwards from a path secret and compares them with the tree. Takes over (and wipes) the secret. */
export async function derivePathKeys(
  suite: CipherSuite,
  tree: RatchetTree,
  nodes: readonly number[],
  pathSecret: Uint8Array,
): Promise<ReceivedPath> {
  const privateKeys = new Map<number, Uint8Array>();
  let secret = pathSecret;
  for (const node of nodes) {
    const keyPair = await nodeKeyPair(suite, secret);
    const expected = encryptionKeyAt(tree, node);
    if (expected === undefined || !equalBytes(keyPair.publicKey, expected)) {
      throw local("path_secret_invalid", "a path secret does not match the public keys of the path");
    }
    privateKeys.set(node, keyPair.privateKey);
    const next = suite.deriveSecret(secret, "path");
    secret.fill(0);
    secret = next;
  }
  return { commitSecret: secret, privateKeys };
}
