/** Families of the ratchet tree: validation, proposals applied to it, and update paths. */
import { decode } from "../../../mls/src/codec.ts";
import { encodeGroupContext } from "../../../mls/src/groupContext.ts";
import { verifyLeafNodeSignature } from "../../../mls/src/leafNode.ts";
import { verifyParentHashes } from "../../../mls/src/parentHash.ts";
import { readProposal } from "../../../mls/src/proposal.ts";
import {
  addLeaf,
  decodeTree,
  draftOf,
  encodeTree,
  freeLeaf,
  occupiedLeaves,
  replaceLeaf,
  resolution,
  truncate,
  type TreeDraft,
} from "../../../mls/src/ratchetTree.ts";
import { rootHash, treeHashAt } from "../../../mls/src/treeHash.ts";
import { decryptUpdatePath, encryptOwnPath, mergeUpdatePath, updateOwnPath } from "../../../mls/src/treeKem.ts";
import { validateUnmergedLeaves } from "../../../mls/src/treeValidation.ts";
import { readUpdatePath } from "../../../mls/src/updatePath.ts";
import type { CipherSuite } from "@tacit/mls";
import { bytes, describeVectors, hex } from "./vectors.ts";

interface TreeValidationCase {
  cipher_suite: number;
  tree: string;
  group_id: string;
  tree_hashes: string[];
  resolutions: number[][];
}

describeVectors<TreeValidationCase>("tree-validation", async (suite, vector) => {
  const tree = decodeTree(bytes(vector.tree));
  rootHash(suite, tree);
  for (const [node, expected] of vector.tree_hashes.entries()) {
    expect(hex(treeHashAt(suite, tree, node))).toBe(expected);
    expect(resolution(tree, node)).toEqual(vector.resolutions[node]);
  }
  verifyParentHashes(suite, tree);
  validateUnmergedLeaves(tree);
  for (const { leafIndex, leafNode } of occupiedLeaves(tree)) {
    expect(await verifyLeafNodeSignature(suite, leafNode, { groupId: bytes(vector.group_id), leafIndex })).toBe(true);
  }
  expect(hex(encodeTree(tree))).toBe(vector.tree);
});

interface TreeOperationsCase {
  cipher_suite: number;
  proposal: string;
  proposal_sender: number;
  tree_before: string;
  tree_after: string;
  tree_hash_before: string;
  tree_hash_after: string;
}

describeVectors<TreeOperationsCase>("tree-operations", (suite, vector) => {
  const before = decodeTree(bytes(vector.tree_before));
  expect(hex(rootHash(suite, before))).toBe(vector.tree_hash_before);
  const draft = draftOf(before);
  const proposal = decode(readProposal, bytes(vector.proposal));
  if (proposal.type === "add") {
    addLeaf(draft, freeLeaf(draft), proposal.keyPackage.leafNode);
  } else if (proposal.type === "update") {
    replaceLeaf(draft, vector.proposal_sender, proposal.leafNode);
  } else if (proposal.type === "remove") {
    replaceLeaf(draft, proposal.removed, undefined);
    truncate(draft);
  } else {
    throw new Error("not a proposal about the tree");
  }
  expect(hex(rootHash(suite, draft))).toBe(vector.tree_hash_after);
  expect(hex(encodeTree(draft))).toBe(vector.tree_after);
  expect(hex(rootHash(suite, before))).toBe(vector.tree_hash_before);
});

interface TreeKemCase {
  cipher_suite: number;
  confirmed_transcript_hash: string;
  epoch: number;
  group_id: string;
  leaves_private: {
    encryption_priv: string;
    index: number;
    path_secrets: { node: number; path_secret: string }[];
    signature_priv: string;
  }[];
  ratchet_tree: string;
  update_paths: {
    commit_secret: string;
    path_secrets: (string | null)[];
    sender: number;
    tree_hash_after: string;
    update_path: string;
  }[];
}

async function privateKeyOf(suite: CipherSuite, pathSecret: string): Promise<Uint8Array> {
  return (await suite.deriveKeyPair(suite.deriveSecret(bytes(pathSecret), "node"))).privateKey;
}

describeVectors<TreeKemCase>("treekem", async (suite, vector) => {
  const tree = decodeTree(bytes(vector.ratchet_tree));
  rootHash(suite, tree);
  verifyParentHashes(suite, tree);
  const groupId = bytes(vector.group_id);
  const contextWith = (draft: TreeDraft): Uint8Array =>
    encodeGroupContext({
      cipherSuite: suite.id,
      groupId,
      epoch: BigInt(vector.epoch),
      treeHash: rootHash(suite, draft),
      confirmedTranscriptHash: bytes(vector.confirmed_transcript_hash),
      extensions: [],
    });
  const keysOf = new Map<number, Map<number, Uint8Array>>();
  for (const leaf of vector.leaves_private) {
    const keys = new Map([[2 * leaf.index, bytes(leaf.encryption_priv)]]);
    for (const { node, path_secret } of leaf.path_secrets) keys.set(node, await privateKeyOf(suite, path_secret));
    keysOf.set(leaf.index, keys);
  }
  const none = new Set<number>();

  for (const update of vector.update_paths) {
    const path = decode(readUpdatePath, bytes(update.update_path));
    const draft = draftOf(tree);
    const position = { groupId, leafIndex: update.sender };
    expect(await verifyLeafNodeSignature(suite, path.leafNode, position)).toBe(true);
    const steps = mergeUpdatePath(suite, draft, update.sender, path, none);
    expect(hex(rootHash(suite, draft))).toBe(update.tree_hash_after);
    for (const [receiver, keys] of keysOf) {
      if (receiver === update.sender) continue;
      const context = contextWith(draft);
      const received = await decryptUpdatePath(suite, draft, steps, path, none, receiver, keys, context);
      expect(hex(received.commitSecret)).toBe(update.commit_secret);
      const lowest = [...received.privateKeys.values()][0] as Uint8Array;
      expect(hex(lowest)).toBe(hex(await privateKeyOf(suite, update.path_secrets[receiver] as string)));
    }
  }

  for (const sender of vector.leaves_private) {
    const draft = draftOf(tree);
    const leaf = tree.leaves[sender.index];
    if (leaf === undefined) throw new Error("the sender's leaf is blank");
    const own = await updateOwnPath(suite, draft, sender.index, leaf, groupId, bytes(sender.signature_priv));
    const context = contextWith(draft);
    const path = await encryptOwnPath(suite, draft, own, none, context);
    const merged = draftOf(tree);
    const steps = mergeUpdatePath(suite, merged, sender.index, path, none);
    expect(hex(rootHash(suite, merged))).toBe(hex(rootHash(suite, draft)));
    for (const [receiver, keys] of keysOf) {
      if (receiver === sender.index) continue;
      const received = await decryptUpdatePath(suite, merged, steps, path, none, receiver, keys, context);
      expect(hex(received.commitSecret)).toBe(hex(own.commitSecret));
    }
  }
});
