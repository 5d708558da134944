/**
 * An MLS group (RFC 9420) as its conversation reads it. With its neighbours (groupCommit.ts, groupJoin.ts, groupMessages.ts, storedGroup.ts) it
 * is the seam to the engine: what a conversation needs of a group, and nothing else. Pure: the same arguments, the same answers, apart from
 * randomness; arguments are not changed.
 */
import {
  exportSecret,
  findExtension,
  memberAt,
  members,
  MlsError,
  pendingProposals,
  type Extension,
  type GroupState,
} from "@tacit/mls";
import { leafIdentity, type LeafIdentity } from "./authenticate.ts";
import { sameBytes, utf8 } from "../bytes.ts";
import { decodeGroupData, groupDataExtension, type GroupData } from "./groupData.ts";

export type Group = GroupState;

export interface Leaf {
  readonly leafIndex: number;
  readonly identity: LeafIdentity;
}

/** Every leaf of the group. */
export function leavesOf(group: Group): readonly Leaf[] {
  return members(group).map(({ leafIndex, leafNode }) => ({
    leafIndex,
    identity: leafIdentity(leafNode.credential),
  }));
}

/** Every device of the group. */
export function identities(group: Group): readonly LeafIdentity[] {
  return members(group).map(({ leafNode }) => leafIdentity(leafNode.credential));
}

export function identityAt(group: Group, leafIndex: number): LeafIdentity {
  const member = memberAt(group, leafIndex);
  if (member === undefined) throw new MlsError("invalid_argument", "there is no such leaf");
  return leafIdentity(member.leafNode.credential);
}

/** Accounts of the group, sorted, each once. */
export function accountsOf(group: Group): readonly string[] {
  return accountsIn(identities(group));
}

/** Sorted, each once. */
export function accountsIn(leaves: readonly Pick<LeafIdentity, "account">[]): readonly string[] {
  return [...new Set(leaves.map(({ account }) => account))].sort();
}

export function ownLeafIndex(group: Group): number {
  return group.epoch.ownLeafIndex;
}

export function signatureKeyAt(group: Group, leafIndex: number): Uint8Array | undefined {
  return memberAt(group, leafIndex)?.leafNode.signatureKey;
}

/** What its members agree on; undefined in a group that none of our clients made. */
export function groupDataOf(group: Group): GroupData | undefined {
  return dataIn(group.epoch.groupContext.extensions);
}

/** Undefined where the extensions are not those of a group of ours. */
export function dataIn(extensions: readonly Extension[]): GroupData | undefined {
  const extension = findExtension(extensions, groupDataExtension);
  return extension === undefined || extensions.length !== 1 ? undefined : decodeGroupData(extension.data);
}

/** Proposals by which others asked to leave, of this epoch. The own one is on its way: once the log shows it, this device is out. */
export function leaveProposals(
  group: Group,
): readonly { readonly account: string; readonly leafIndex: number; readonly reference: Uint8Array }[] {
  const own = ownLeafIndex(group);
  return selfRemovals(group).flatMap(({ removed, ref }) =>
    removed === own ? [] : [{ account: identityAt(group, removed).account, leafIndex: removed, reference: ref }],
  );
}

/** Leaves whose members proposed to remove them, this device's among them. */
export function selfRemovals(group: Group): readonly { readonly removed: number; readonly ref: Uint8Array }[] {
  return pendingProposals(group).flatMap(({ proposal, sender, ref }) => {
    const isOfItself = proposal.type === "remove" && sender.type === "member" && sender.leafIndex === proposal.removed;
    return isOfItself ? [{ removed: proposal.removed, ref }] : [];
  });
}

/** A key that all members of the epoch can derive (RFC 9420, section 8.5). */
export function exportKey(group: Group, label: string, context: Uint8Array, length: number): Uint8Array {
  return exportSecret(group, label, context, length);
}

/** Names the epoch; both sides of a signal must be in the same. */
export function epochOf(group: Group): bigint {
  return group.epoch.groupContext.epoch;
}

export function groupIdOf(group: Group): Uint8Array {
  return group.epoch.groupContext.groupId;
}

/** Compares bytes: a group's id is whatever its creator chose, and need not be text. */
export function isGroupOf(groupId: Uint8Array, conversation: string): boolean {
  return sameBytes(groupId, utf8(conversation));
}
