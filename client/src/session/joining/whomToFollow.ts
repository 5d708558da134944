/**
 * Whose invitation a device follows that is in a conversation already. Who the members of its last epoch were it knows; of devices that came in
 * since, the records of their accounts tell.
 */
import { isDirect } from "@tacit/protocol";
import type { ConversationState } from "../conversation.ts";
import type { LeafIdentity } from "../group/authenticate.ts";
import { identities, leaveProposals } from "../group/group.ts";
import { dataAmong, roleOf, type GroupData } from "../group/groupData.ts";
import { dataChange, givesNoMore, mayAdminister, mayRemove, sameLooks } from "../group/memberChange.ts";
import { asBefore } from "../reading/unheard.ts";
import type { OpenedInvitation } from "./invitation.ts";

/** What accounts' records say of their devices. */
export interface AccountDevices {
  readonly listed: readonly string[];
  /** They were listed once. */
  readonly revoked: readonly string[];
}

/** Of the accounts of `unfamiliarLeaves`. */
export interface Listing {
  readonly listed: ReadonlySet<string>;
  readonly revoked: ReadonlySet<string>;
}

export const noListing: Listing = { listed: new Set(), revoked: new Set() };

/** Leaves of accounts that are in the epoch of `known`, by devices that are not: whether they count, the accounts' records say. */
export function unfamiliarLeaves(known: ConversationState, opened: OpenedInvitation): readonly LeafIdentity[] {
  const { by, group } = opened;
  const epoch = epochOfKnown(known);
  if (epoch.length === 0) return isDirect(known.log) || known.phase === "ended" ? [] : [by];
  const before = asBefore(known);
  const beside = before === undefined ? [] : unfamiliarLeaves(before, opened);
  const unfamiliar = [by, ...identities(group)].filter(
    (leaf) => epoch.some((old) => old.account === leaf.account) && !epoch.some((old) => old.device === leaf.device),
  );
  return [...unfamiliar, ...beside];
}

/** Who came in since, this device cannot tell; but whoever puts it in anew was in before, and so were the keys of those who still are. */
export function isByMember(known: ConversationState, opened: OpenedInvitation, listing: Listing): boolean {
  const epoch = epochOfKnown(known);
  const were = new Set(epoch.map(({ account }) => account));
  return (
    isFamiliar(known, opened.by, mayInvite(known, listing)) &&
    isListedIfUnknown(known, opened.by, listing) &&
    identities(opened.group).every(
      (leaf) =>
        !were.has(leaf.account) || epoch.some((old) => old.account === leaf.account && isKeyOf(known, old, leaf)),
    )
  );
}

/** Members of an epoch go on together, as far as whoever calls them may leave somebody behind, and as what they were. */
export function mayGoOn(known: ConversationState, opened: OpenedInvitation, listing: Listing): boolean {
  const { by, accounts, conversation } = opened;
  const areMembers =
    isFamiliar(known, by, mayInvite(known, listing)) &&
    identities(opened.group).every((leaf) => isFamiliar(known, leaf, mayBeThere(known, opened.self, listing)));
  const isHeard = !known.suspended.includes(by.account) || mayAdminister(known.data, by.account);
  if (!areMembers || !isHeard || !isListedIfUnknown(known, by, listing)) return false;
  // Both are in it, and there are no roles (openInvitation).
  if (isDirect(conversation)) return true;
  const asked = new Set(known.group === undefined ? [] : leaveProposals(known.group).map(({ account }) => account));
  const left = known.roster.filter((account) => !accounts.includes(account) && !asked.has(account));
  return left.every((account) => mayRemove(known.data, by.account, account)) && mayDescribe(known, opened);
}

/**
 * As a commit may, or as it was once: whoever calls them may not know what changed since. But nobody is given a role again that was taken from
 * them, owners stay, so that a group is not left to one who never comes, and no admin is one no more where another could then remove them.
 */
function mayDescribe(
  { data: known, formerData }: ConversationState,
  { data, by: { account: by }, accounts }: OpenedInvitation,
): boolean {
  const expected = dataAmong(known, accounts);
  const rolesChanged = (from: GroupData): boolean => dataChange(from, data, accounts).rolesChanged.length > 0;
  const mayByRole =
    (!rolesChanged(expected) || roleOf(known, by) === "owner") && (sameLooks(data, known) || mayAdminister(known, by));
  const wasOnce = formerData.some((former) => sameLooks(data, former) && !rolesChanged(dataAmong(former, accounts)));
  const isHarmless =
    givesNoMore(data, expected, accounts) &&
    isWithin(expected.owners, data.owners) &&
    (data.admins.length === 0 || isWithin(expected.admins, data.admins));
  return mayByRole || (wasOnce && isHarmless);
}

function isWithin(few: readonly string[], many: readonly string[]): boolean {
  return few.every((each) => many.includes(each));
}

/** To a device that knows no epoch, the record of whoever calls it vouches: with it their key is pinned, or was. */
function isListedIfUnknown(known: ConversationState, by: LeafIdentity, { listed }: Listing): boolean {
  return epochOfKnown(known).length > 0 || isDirect(known.log) || listed.has(by.device);
}

/** Everybody of the last epoch that this device was in. */
export function epochOfKnown({ group, anchors }: ConversationState): readonly LeafIdentity[] {
  return group === undefined ? anchors : identities(group);
}

type Vouching = (leaf: LeafIdentity) => boolean;

/** Whether a device that the last epoch did not have may invite to a successor. */
function mayInvite({ expelled }: ConversationState, { listed }: Listing): Vouching {
  return ({ device }) => listed.has(device) && !expelled.includes(device);
}

/**
 * Whether a device that the last epoch did not have may be in a successor: also one that was revoked since that was opened, as it may be in
 * an epoch of the log. Its account takes it out; where that is the own one, before anything is sent.
 */
function mayBeThere(known: ConversationState, self: string, listing: Listing): Vouching {
  const isInviting = mayInvite(known, listing);
  return (leaf) =>
    isInviting(leaf) ||
    (listing.revoked.has(leaf.device) && (leaf.account === self || !known.expelled.includes(leaf.device)));
}

/** Whether a leaf is of somebody who is in the last epoch that this device was in, and of a device that was, or of which that `isVouched`. */
function isFamiliar(known: ConversationState, leaf: LeafIdentity, isVouched: Vouching): boolean {
  const epoch = epochOfKnown(known);
  // Never joined here, or known from a backup: names are known, and pins say which keys.
  if (epoch.length === 0) return known.roster.includes(leaf.account);
  const ofAccount = epoch.filter(({ account }) => account === leaf.account);
  return ofAccount.some(
    (old) =>
      isKeyOf(known, old, leaf) &&
      (old.accountKey !== leaf.accountKey || ofAccount.some(({ device }) => device === leaf.device) || isVouched(leaf)),
  );
}

/** The same key, or one that followed it; in a direct conversation any but one that was left: the pin is looked at before anything is sent. */
function isKeyOf({ log }: ConversationState, old: LeafIdentity, leaf: LeafIdentity): boolean {
  if (old.accountKey === leaf.accountKey || leaf.formerKeys.includes(old.accountKey)) return true;
  return isDirect(log) && !old.formerKeys.includes(leaf.accountKey);
}
