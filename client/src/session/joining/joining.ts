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
import {
  formerOf,
  isWanted,
  newConversation,
  notedAll,
  withGroup,
  type ConversationState,
  type RecentEntry,
  type Step,
} from "../conversation.ts";
import { epochOf } from "../group/group.ts";
import { dataAmong } from "../group/groupData.ts";
import { dataChange } from "../group/memberChange.ts";
import { unsealed } from "../outbox.ts";
import { dataNotices } from "../reading/dataNotices.ts";
import { asBefore, withIntentAgain } from "../reading/unheard.ts";
import { secretsIn } from "../remains.ts";
import { withoutDoubt } from "../repair/doubt.ts";
import { withinDay } from "../repair/repairPauses.ts";
import type { TimelineNotice } from "../timeline.ts";
import type { OpenedInvitation } from "./invitation.ts";
import { epochOfKnown, isByMember, mayGoOn, noListing, type Listing } from "./whomToFollow.ts";

export type JoinOutcome =
  | { readonly kind: "joined"; readonly step: Step }
  /** This device is in already, or further: the Welcome is a copy, or came late. */
  | { readonly kind: "member" }
  /** The conversation that it goes on from has ended here: it is to one of its own. */
  | { readonly kind: "apart" }
  /** It would take this device back, or away from those it is with. */
  | { readonly kind: "refused" };

/**
 * Takes an opened invitation. `known` is what this device holds of the conversation, or of the one that the invitation goes on from; an own
 * creation that lost included. `request`: the application is to be asked first. `listing`: what the records of the accounts of `unfamiliarLeaves`
 * say. `fresh`: what a conversation that is new to this device begins as.
 */
export function acceptInvitation(
  known: ConversationState | undefined,
  opened: OpenedInvitation,
  request: boolean,
  listing: Listing = noListing,
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
      const isAskedFor = doubt.isAsking && doubt.after !== undefined && seq > doubt.after;
      const isAhead = own !== undefined && epochOf(group) > epochOf(own);
      if (!isAskedFor || !isAhead || !isByMember(known, opened, listing)) return { kind: "member" };
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

function joined(
  known: ConversationState,
  { group, seq, turn, at, consumed, data, accounts, unserved, by }: OpenedInvitation,
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
    ...unserved,
    justDropped: [],
    droppedBy: undefined,
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
