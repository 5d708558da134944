/** Is a ratchet tree that was received sound? RFC 9420, section 12.4.3.1, "verify the integrity of the ratchet tree". */
import type { AuthenticationService } from "./authentication.ts";
import type { CipherSuite } from "./cipherSuite.ts";
import { equalBytes } from "./equalBytes.ts";
import { invalid } from "./failure.ts";
import type { GroupContext } from "./groupContext.ts";
import { checkAllUnique, checkEncryptionKey, validateChangedLeaves, validateLeafNode } from "./leafNodeValidation.ts";
import { checkLifetime, type LifetimePolicy } from "./lifetime.ts";
import { verifyParentHashes } from "./parentHash.ts";
import { occupiedLeaves, parentAt, type RatchetTree, type TreeDraft } from "./ratchetTree.ts";
import { rootHash } from "./treeHash.ts";
import { covers, nodeWidth, parentOf } from "./treeMath.ts";

/** Unmerged leaves are members below their node, and listed by every node in between. */
export function validateUnmergedLeaves(tree: RatchetTree): void {
  const listed = new Map<number, ReadonlySet<number>>();
  const width = nodeWidth(tree.leaves.length);
  for (let node = 1; node < width; node += 2) {
    const parent = parentAt(tree, node);
    if (parent !== undefined) listed.set(node, new Set(parent.unmergedLeaves));
  }
  for (const [node, leaves] of listed) {
    for (const leafIndex of leaves) {
      if (tree.leaves[leafIndex] === undefined || !covers(node, leafIndex)) {
        throw invalid("unmerged_leaf_invalid", "an unmerged leaf is not a member below its node");
      }
      for (let between = parentOf(2 * leafIndex); between !== node; between = parentOf(between)) {
        if (listed.get(between)?.has(leafIndex) === false) {
          throw invalid("unmerged_leaf_invalid", "an unmerged leaf is missing in a node in between");
        }
      }
    }
  }
}

export interface TreeValidation {
  readonly authentication: AuthenticationService;
  /** If given, the lifetimes of leaves that never committed are checked. */
  readonly lifetime?: LifetimePolicy | undefined;
}

/** Fills the hashes of the draft. Cheap checks come first, signatures last and side by side. */
export async function validateTree(
  suite: CipherSuite,
  draft: TreeDraft,
  groupContext: GroupContext,
  options: TreeValidation,
): Promise<void> {
  if (!equalBytes(rootHash(suite, draft), groupContext.treeHash)) {
    throw invalid("tree_hash_invalid", "the ratchet tree is not that of the group");
  }
  for (const parent of draft.parents) if (parent !== undefined) checkEncryptionKey(suite, parent.encryptionKey);
  validateUnmergedLeaves(draft);
  verifyParentHashes(suite, draft);
  const members = occupiedLeaves(draft);
  checkAllUnique(draft, options.authentication);
  const indices = members.map(({ leafIndex }) => leafIndex);
  validateChangedLeaves(draft, indices, groupContext, false, options.authentication);
  await Promise.all(
    members.map(({ leafIndex, leafNode }) => {
      checkLifetime(leafNode, options.lifetime);
      return validateLeafNode(suite, leafNode, { groupId: groupContext.groupId, leafIndex }, options.authentication, {
        role: "member",
        groupContext,
      });
    }),
  );
}
