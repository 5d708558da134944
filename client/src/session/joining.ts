/**
 * Joining by a Welcome: a conversation that is new to this device, one that it could not follow any more and is put into anew, or the
 * successor of one that it is in.
 *
 * Whoever is on no side of it can send a Welcome, and the relay decides which one arrives when. So a Welcome takes nothing back: it
 * counts only where it leads forward in the same log, or, as a successor, where it comes from a device that is in the epoch that this
 * device is in, with accounts, account keys and devices of that epoch, with its roles, and without leaving anybody behind whom the caller
 * could not remove. A device that is not in the epoch counts where its account's record lists it and the log did not show its removal; it may
 * also be there, and invite nobody, where it was revoked since. Whoever is out has no epoch: to them it is a beginning like any other. What this device
 * began itself under a random name, nobody else can invite it to.
 */
import { isDirect } from "@tacit/protocol";
import type { LeafIdentity } from "./group/authenticate.ts";
import {
  directConversationId,
  formerOf,
  newConversation,
  notedAll,
  withGroup,
  type ConversationState,
  type RecentEntry,
  type SessionContext,
  type Step,
} from "./conversation.ts";
import {
  accountsIn,
  epochOf,
  groupDataOf,
  groupIdOf,
  identities,
  isGroupOf,
  leaveProposals,
  type Group,
} from "./group/group.ts";
import { join } from "./group/groupJoin.ts";
import type { OwnKeyPackage } from "./group/member.ts";
import { withoutDoubt } from "./repair/doubt.ts";
import { dataAmong, roleOf, type GroupData } from "./group/groupData.ts";
import { dataNotices } from "./reading/dataNotices.ts";
import { dataChange, givesNoMore, haveOneKeyEach, mayAdminister, mayRemove, sameLooks } from "./group/memberChange.ts";
import { unsealed } from "./outbox.ts";
import { secretsIn } from "./remains.ts";
import { withinDay } from "./repair/repairPauses.ts";
import type { TimelineNotice } from "./timeline.ts";
import { asBefore, withIntentAgain } from "./reading/unheard.ts";

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
  const { group, by, consumed } = await join(context, invitation.welcome, invitation.keyPackage, invitation.tree);
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
  return { ...invitation, id, group, by, data, accounts, consumed, self: context.account };
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

const unlisted: Listing = { listed: new Set(), revoked: new Set() };

export type JoinOutcome =
  | { readonly kind: "joined"; readonly step: Step }
  /** This device is in already, or further: the Welcome is a copy, or came late. */
  | { readonly kind: "member" }
  /** The conversation that it goes on from has ended here: it is to one of its own. */
  | { readonly kind: "apart" }
  /** It would take this device back, or away from those it is with. */
  | { readonly kind: "refused" };

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

/**
 * Takes an opened invitation. `known` is what this device holds of the conversation, or of the one that the invitation goes on from; an own
 * creation that lost included. `request`: the application is to be asked first. `listing`: what the records of the accounts of `unfamiliarLeaves`
 * say. `fresh`: what a conversation that is new to this device begins as.
 */
export function acceptInvitation(
  known: ConversationState | undefined,
  opened: OpenedInvitation,
  request: boolean,
  listing: Listing = unlisted,
  fresh = beginning(opened),
): JoinOutcome {
  const { conversation } = opened;
  if (known === undefined) return begin(fresh, opened, request);
  // Put in anew too late: it has gone on already.
  if (known.log !== conversation && opened.data.generation < known.data.generation) return { kind: "member" };
  if (isWanted(known)) {
    if (known.data.predecessor !== undefined) return meet(known, opened, listing);
    if (known.log === conversation) return open(known, opened, listing);
  }
  if (known.log === conversation) return rejoin(known, opened, { request, listing });
  return succeed(known, opened, { request, listing });
}

/** This device wants it, and was never in its log; other than one that a backup tells of, which it was in before. */
export function isWanted({ cursor, group, phase }: ConversationState): boolean {
  return cursor === 0 && group === undefined && (phase === "opening" || phase === "awaitingWelcome");
}

/** A conversation that is new to this device. */
export function beginning({ id, self, conversation }: OpenedInvitation): ConversationState {
  return { ...newConversation(id, [self]), log: conversation };
}

function begin(fresh: ConversationState, opened: OpenedInvitation, request: boolean): JoinOutcome {
  const by = opened.by.account;
  const notice = isContinued(opened)
    ? ({ kind: "rejoined", by, after: 0, successor: true } as const)
    : ({ kind: "opened", by } as const);
  return joined(fresh, opened, { requestBy: request ? by : undefined, notice });
}

/** The two said something before, and one may still say it there, where this device does not come any more. */
function isContinued({ conversation, data }: OpenedInvitation): boolean {
  return isDirect(conversation) && data.predecessor !== undefined;
}

/** One that this device wants. */
function open(known: ConversationState, opened: OpenedInvitation, listing: Listing): JoinOutcome {
  const { conversation, by, self, turn } = opened;
  // The name of a group is random: only whoever chose it could create it, and only who was taken in then puts that device in anew.
  const isKnownThere = known.anchors.length > 0 && isByMember(known, opened, listing);
  if (!isDirect(conversation) && by.account !== self && !isKnownThere) return { kind: "refused" };
  // One that this device was to be in before: its own creation expired before it was read, or the Welcome did not come.
  const isLate = known.repair !== undefined && turn > 1;
  return joined(known, opened, {
    requestBy: known.requestBy,
    notice: isLate
      ? { kind: "rejoined", by: by.account, after: 0, successor: false }
      : { kind: "opened", by: by.account },
  });
}

/** Another member opened the very successor that this device wanted, or the two went on from that already. */
function meet(known: ConversationState, opened: OpenedInvitation, listing: Listing): JoinOutcome {
  const { by, data, conversation } = opened;
  const { predecessor, generation } = known.data;
  const isTheSame = data.predecessor === predecessor && data.generation === generation;
  const isLater = isDirect(conversation) && data.generation > generation;
  if (!(isTheSame || isLater) || !mayGoOn(known, opened, listing)) return { kind: "refused" };
  return joined({ ...known, log: conversation }, opened, {
    requestBy: known.requestBy,
    notice: { kind: "rejoined", by: by.account, after: known.repair?.after ?? 0, successor: true },
  });
}

function rejoin(
  known: ConversationState,
  opened: OpenedInvitation,
  { request, listing }: { readonly request: boolean; readonly listing: Listing },
): JoinOutcome {
  const { seq, turn, by, group } = opened;
  switch (known.phase) {
    case "opening":
      return { kind: "member" };
    case "open": {
      // It asked, because it may be in an epoch of its own; what it read since it began to doubt is read anew from there.
      const { group: own, doubt } = known;
      const isWanted = doubt.isAsking && doubt.after !== undefined && seq > doubt.after;
      const isAhead = own !== undefined && epochOf(group) > epochOf(own);
      if (!isWanted || !isAhead || !isByMember(known, opened, listing)) return { kind: "member" };
      return joined(known, opened, {
        requestBy: known.requestBy,
        notice: { kind: "rejoined", by: by.account, after: doubt.after, successor: false },
      });
    }
    case "ended":
      // What has ended can begin again, later in the log. Where it stands the relay says; the epoch is the group's.
      if (seq <= known.cursor || turn <= known.turn || epochOf(group) <= known.lastEpoch) return { kind: "member" };
      return joined(begunAgain(known), opened, {
        requestBy: request ? by.account : undefined,
        notice: { kind: "opened", by: by.account },
      });
    case "stuck":
    case "awaitingWelcome": {
      const isAhead = turn >= known.turn && (known.group === undefined || epochOf(group) > epochOf(known.group));
      // The own removal was read already, the commit that comes with the Welcome is that one.
      if (!isAhead) return { kind: "member" };
      // It came late: what followed is gone, and this device has found that it cannot follow there.
      if (seq < known.cursor) return { kind: "member" };
      if (!isByMember(known, opened, listing)) return { kind: "refused" };
      return joined(known, opened, {
        requestBy: known.requestBy,
        notice: { kind: "rejoined", by: by.account, after: lastRead(known), successor: false },
      });
    }
  }
}

/** Who came in since, this device cannot tell; but whoever puts it in anew was in before, and so were the keys of those who still are. */
function isByMember(known: ConversationState, opened: OpenedInvitation, listing: Listing): boolean {
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

function succeed(
  known: ConversationState,
  opened: OpenedInvitation,
  { request, listing }: { readonly request: boolean; readonly listing: Listing },
): JoinOutcome {
  const { data, by, conversation } = opened;
  const isNext = data.predecessor === known.log && data.generation === known.data.generation + 1;
  // The two have one conversation, and this device may have been passed over when it went on.
  const isLater = isDirect(known.log) && data.generation > known.data.generation;
  if (!(isNext || isLater)) return { kind: "refused" };
  const hasEnded = known.phase === "ended";
  const there = { log: conversation, cursor: 0, turn: 0, recent: [], former: formerOf(known), lastEpoch: 0 };
  // Where the relay alone said that it is out, it knows the epoch still (askForRepair.ts).
  const sawItselfGo = hasEnded && epochOfKnown(known).length === 0;
  const views = sawItselfGo ? [] : [known, asBefore(known)];
  if (views.some((view) => view !== undefined && mayGoOn(view, opened, listing))) {
    return joined({ ...withIntentAgain(hasEnded ? begunAgain(known) : known), ...there }, opened, {
      requestBy: hasEnded && request ? by.account : known.requestBy,
      notice: { kind: "rejoined", by: by.account, after: lastRead(known), successor: true },
    });
  }
  if (!hasEnded) return { kind: "refused" };
  // Somebody invites it, or took it along and does not know that it is out. Whose word would make that the same group, nobody can tell.
  if (!isDirect(known.log)) return { kind: "apart" };
  return joined({ ...begunAgain(known), ...there, acceptedKeys: [] }, opened, {
    requestBy: request ? by.account : undefined,
    notice: { kind: "opened", by: by.account },
  });
}

/** Whatever becomes of the invitation, what its user once wanted is kept. */
function begunAgain(known: ConversationState): ConversationState {
  return { ...known, wasWanted: known.wasWanted || known.requestBy === undefined };
}

/** The entry at which a device finds that it cannot follow is one that it cannot read. */
function lastRead({ repair, cursor }: ConversationState): number {
  return Math.min(repair?.after ?? cursor, cursor);
}

/** Members of an epoch go on together, as far as whoever calls them may leave somebody behind, and as what they were. */
function mayGoOn(known: ConversationState, opened: OpenedInvitation, listing: Listing): boolean {
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
function epochOfKnown({ group, anchors }: ConversationState): readonly LeafIdentity[] {
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

function joined(
  known: ConversationState,
  { group, seq, turn, at, consumed, data, accounts, by }: OpenedInvitation,
  { requestBy, notice }: { readonly requestBy: string | undefined; readonly notice: TimelineNotice },
): JoinOutcome {
  const hadAsked = known.doubt.isAsking || (known.repair?.attempts ?? 0) > 0;
  const state: ConversationState = {
    ...withGroup(known, group),
    // What a commit said that may be void, the group never was.
    ...(known.provisional ? { formerData: known.formerData } : {}),
    phase: "open",
    requestBy,
    pending: undefined,
    leaving: undefined,
    unlisted: [],
    justDropped: [],
    droppedBy: undefined,
    suspended: [],
    strangers: [],
    // Turns are counted from zero in each log.
    outbox: unsealed(known.outbox),
    anchors: [],
    cursor: seq - 1,
    chain: undefined,
    turn,
    joinedAt: seq,
    provisional: turn > 1,
    epochIncomplete: false,
    renewedAt: at,
    repair: undefined,
    doubt: withoutDoubt(known.doubt),
    unheard: undefined,
    restored: hadAsked ? [...withinDay(known.restored, at), at] : known.restored,
    // They were asked for in an epoch that is over here: whoever needs it asks again.
    intents: known.intents.filter(({ kind }) => kind !== "readmit"),
    // What was read from there on is read once more, and is no copy of itself.
    recent: [...known.recent.filter((entry) => entry.seq < seq), unread(seq)],
  };
  // What a successor is called, and who runs it, is the word of whoever opened it.
  const changed = dataChange(dataAmong(known.data, accounts), data, accounts);
  const changes = notice.kind === "rejoined" && notice.successor ? dataNotices(changed, data, by.account) : [];
  const opened = notedAll(state, [notice, ...changes], { seq, storedAt: at });
  return { kind: "joined", step: { ...opened, consumed: [...consumed, ...secretsIn(known)] } };
}

/** The commit that a Welcome came with counts as read; how the log goes on from it is known once it is. */
function unread(seq: number): RecentEntry {
  return { seq, hash: "", chain: undefined, afterGap: false };
}
