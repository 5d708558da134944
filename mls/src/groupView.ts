/** What an application may ask of a group's state. */
import { deriveExported } from "./keySchedule.ts";
import { encodeTree, leafAt, occupiedLeaves, type Member } from "./ratchetTree.ts";
import type { GroupState, PendingProposal } from "./groupState.ts";
import type { LeafNode } from "./leafNode.ts";

export function members(state: GroupState): readonly Member[] {
  return occupiedLeaves(state.epoch.tree);
}

export function memberAt(state: GroupState, leafIndex: number): Member | undefined {
  const leafNode = leafAt(state.epoch.tree, leafIndex);
  return leafNode === undefined ? undefined : { leafIndex, leafNode };
}

export function ownLeaf(state: GroupState): LeafNode {
  return state.epoch.tree.leaves[state.epoch.ownLeafIndex] as LeafNode;
}

/** RFC 9420, section 8.5. */
export function exportSecret(state: GroupState, label: string, context: Uint8Array, length: number): Uint8Array {
  return deriveExported(state.suite, state.epoch.secrets.exporterSecret, label, context, length);
}

/** Section 8.7; a copy. */
export function epochAuthenticator(state: GroupState): Uint8Array {
  return state.epoch.secrets.epochAuthenticator.slice();
}

/** Section 8.6: of the current epoch; a copy. */
export function resumptionPsk(state: GroupState): Uint8Array {
  return state.epoch.secrets.resumptionPsk.slice();
}

/** Received or sent in this epoch, and not yet committed. */
export function pendingProposals(state: GroupState): readonly PendingProposal[] {
  return state.epoch.proposals;
}

/** Forgets them; a commit by another member can then not refer to them. */
export function clearPendingProposals(state: GroupState): GroupState {
  return { ...state, epoch: { ...state.epoch, proposals: [] } };
}

/** Section 12.4.3.3: `optional<Node> ratchet_tree<V>`, for joiners. */
export function encodeRatchetTree(state: GroupState): Uint8Array {
  return encodeTree(state.epoch.tree);
}
