/** What a Welcome from the inbox holds: opened, and held against what the relay says of it, before anything is known of whoever sent it. */
import { isDirect } from "@tacit/protocol";
import { directConversationId, type SessionContext } from "../conversation.ts";
import type { LeafIdentity } from "../group/authenticate.ts";
import { accountsIn, epochOf, groupDataOf, groupIdOf, identities, isGroupOf, type Group } from "../group/group.ts";
import type { GroupData } from "../group/groupData.ts";
import { join } from "../group/groupJoin.ts";
import type { OwnKeyPackage } from "../group/member.ts";
import { haveOneKeyEach } from "../group/memberChange.ts";
import { unservedAmong, type Unserved } from "../group/unserved.ts";

export interface Invitation {
  /** The log. */
  readonly conversation: string;
  /** Where the commit stands that made it. */
  readonly seq: number;
  /** Commits in the log with that one. */
  readonly turn: number;
  readonly at: number;
  readonly welcome: Uint8Array;
  /** The sealed tree, where it travelled apart. */
  readonly tree: Uint8Array | undefined;
  readonly keyPackage: OwnKeyPackage;
}

export interface OpenedInvitation extends Invitation {
  /** What the application knows the conversation by, where this device knows nothing of it: the two of a direct one have one for ever. */
  readonly id: string;
  readonly group: Group;
  readonly by: LeafIdentity;
  readonly data: GroupData;
  readonly accounts: readonly string[];
  readonly unserved: Unserved;
  /** The account of this device. */
  readonly self: string;
  /** Wipe when what became of it is stored. */
  readonly consumed: readonly Uint8Array[];
}

/**
 * Opens the Welcome. Undefined: the group is not what the relay says it is, or none of ours.
 * @throws MlsError where it cannot be opened or is not valid
 */
export async function openInvitation(
  context: SessionContext,
  invitation: Invitation,
): Promise<OpenedInvitation | undefined> {
  const { conversation } = invitation;
  const { group, by, consumed, ...told } = await join(
    context,
    invitation.welcome,
    invitation.keyPackage,
    invitation.tree,
  );
  const leaves = identities(group);
  const accounts = accountsIn(leaves);
  const data = groupDataOf(group);
  // A turn brings one epoch at the most: no made-up group keeps this device from being put in anew by ever later ones.
  if (epochOf(group) > BigInt(invitation.turn)) return undefined;
  if (data === undefined || !isGroupOf(groupIdOf(group), conversation)) return undefined;
  // The own leaf is in the group: so all leaves of the own account are of the own account key.
  if (!haveOneKeyEach(leaves)) return undefined;
  const isWhole = isDirect(conversation) || data.owners.length > 0;
  const areIn = data.owners.concat(data.admins).every((account) => accounts.includes(account));
  const id = isDirect(conversation) ? directId(context, conversation, accounts, data) : conversation;
  if (!isWhole || !areIn || id === undefined) return undefined;
  const unserved = unservedAmong(accounts, told.unserved);
  return { ...invitation, id, group, by, data, accounts, unserved, consumed, self: context.account };
}

/**
 * The name of a direct conversation names both accounts, so only the peer itself can show a key for the peer. Undefined: it is of others, or
 * of another generation.
 */
function directId(
  { provider, account }: SessionContext,
  conversation: string,
  accounts: readonly string[],
  { generation }: GroupData,
): string | undefined {
  const [peer, ...more] = accounts.filter((each) => each !== account);
  if (peer === undefined || more.length > 0) return undefined;
  const isOurs = directConversationId(provider, account, peer, generation) === conversation;
  return isOurs ? directConversationId(provider, account, peer) : undefined;
}
