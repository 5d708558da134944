/** Joining what a Welcome in the inbox invites to. */
import { isDirect, type InboxItem } from "@tacit/protocol";
import type { Connection } from "../connection/connection.ts";
import type { ConversationBook } from "../conversation/conversationBook.ts";
import { TacitError } from "../errors.ts";
import type { LiveConversation } from "../conversation/liveConversation.ts";
import { fetched, received } from "../payloads.ts";
import type { BlobTransfer } from "../ports.ts";
import { LostAnswer, Refused } from "../connection/relaySocket.ts";
import type { SealedStore } from "../sealedStore.ts";
import { silent, type ConversationState, type SessionContext, type Step } from "../session/conversation.ts";
import type { Change } from "../session/conversationStore.ts";
import { leftBehind } from "../session/repair/doubt.ts";
import { identities } from "../session/group/group.ts";
import { handedId, importedKey } from "../session/history/importedHistory.ts";
import { openInvitation, type OpenedInvitation } from "../session/joining/invitation.ts";
import { acceptInvitation, beginning, type JoinOutcome } from "../session/joining/joining.ts";
import { unfamiliarLeaves, type AccountDevices, type Listing } from "../session/joining/whomToFollow.ts";
import { newIntent } from "../session/intents.ts";
import { decodeKeyPackageItem, keyPackageKey } from "../session/group/keyPackages.ts";
import { largestTree, unwrapWelcome } from "../session/group/welcomeTree.ts";
import { wipe } from "../session/bytes.ts";
import { secretsOnlyIn } from "../session/group/storedGroup.ts";
import { behindStored } from "../conversation/storedTimeline.ts";

export interface WelcomeDeps {
  readonly context: () => SessionContext;
  readonly store: SealedStore;
  readonly connection: Pick<Connection, "request" | "now">;
  readonly blobs: BlobTransfer;
  readonly book: ConversationBook;
  readonly isShunned: (account: string) => boolean;
  /** What the account's record says, checked. @throws TacitError, Refused, LostAnswer */
  readonly devicesOf: (account: string) => Promise<AccountDevices>;
  readonly arrived: (conversation: LiveConversation) => void;
}

type Welcome = Extract<InboxItem, { kind: "welcome" }>;

/** @throws TacitError `cannot_follow` where it is of no use; LostAnswer, Refused */
export function takeWelcome(deps: WelcomeDeps, item: Welcome): Promise<void> {
  return deps.book.joining(item.conversation, () => take(deps, item));
}

async function take(deps: WelcomeDeps, item: Welcome): Promise<void> {
  const { store, book, isShunned } = deps;
  const stored = await store.get(keyPackageKey(item.keyPackage));
  const opened = stored === undefined ? undefined : await open(deps, item, stored);
  if (stored === undefined || opened === undefined) {
    // A copy of a Welcome that was used comes here too: then the conversation is known.
    if (stored === undefined && book.inLog(item.conversation) !== undefined) return;
    throw new TacitError("cannot_follow", "an invitation is not what it says it is, or its key is not on this device");
  }
  const { lastResort, hash } = decodeKeyPackageItem(item.keyPackage, stored);
  const used = lastResort ? [] : [{ key: keyPackageKey(hash) }];
  const known = concernedBy(book, opened);
  if (known !== undefined) await readBefore(known, item);
  const fresh = await freshFor(deps, opened);
  const listing = await listingFor(deps, known, opened);
  const { account: by } = opened.by;
  const outcomeFor = (state: ConversationState | undefined): JoinOutcome => {
    const isKnown = by === opened.self || book.contacts().has(by);
    return acceptInvitation(state, opened, !isKnown, listing, fresh);
  };
  const isApart = known !== undefined && outcomeFor(known.snapshot).kind === "apart";
  const joins = isApart ? undefined : known;
  if (joins === undefined && isShunned(by)) {
    wipe(opened.consumed);
    return store.commit(used);
  }
  await enter(deps, { opened, joins, fresh, listing, used, outcomeFor });
}

/** The conversation that it invites to, or goes on from, as far as this device has that. */
function concernedBy(book: ConversationBook, opened: OpenedInvitation): LiveConversation | undefined {
  const { conversation: log, id, data } = opened;
  const inLog = book.inLog(log);
  if (inLog !== undefined && isBroughtBeside(inLog, opened)) return undefined;
  const before = data.predecessor === undefined ? undefined : book.inLog(data.predecessor);
  return inLog ?? before ?? book.get(id);
}

/** This device may have been put in anew without having read that it was taken out, or be behind where others go on from. */
async function readBefore(known: LiveConversation, { conversation: log, seq }: Welcome): Promise<void> {
  const { phase, log: own, cursor } = known.snapshot;
  const mayBeAhead = phase === "open" && (own !== log || seq > cursor);
  const unread = mayBeAhead ? await known.catchUp() : undefined;
  // It would be taken for a copy, and the commit that is read later waits for it.
  if (unread !== undefined) throw unread;
}

/** As what a conversation begins that is new to this device: behind the history that it was handed, and by the name that this has. */
async function freshFor({ store, book }: WelcomeDeps, opened: OpenedInvitation): Promise<ConversationState> {
  const handed = await store.get(importedKey(opened.conversation));
  const id = handed === undefined ? undefined : handedId(handed);
  const isFree = id !== undefined && book.get(id) === undefined;
  const begun = beginning(opened);
  return behindStored(store, isFree ? { ...begun, id } : begun);
}

interface Entrance {
  readonly opened: OpenedInvitation;
  /** Undefined: it is a conversation of its own, which begins as `fresh`. */
  readonly joins: LiveConversation | undefined;
  readonly fresh: ConversationState;
  readonly listing: Listing;
  /** What goes from the store with it. */
  readonly used: readonly Change[];
  readonly outcomeFor: (state: ConversationState | undefined) => JoinOutcome;
}

/** @throws TacitError `cannot_follow` where it is refused; LostAnswer where it is to be looked at again */
async function enter(deps: WelcomeDeps, { opened, joins, fresh, listing, used, outcomeFor }: Entrance): Promise<void> {
  const { book, isShunned } = deps;
  const conversation = joins ?? book.provisional(fresh);
  let outcome: JoinOutcome | undefined;
  await conversation.take((state) => {
    if (joins !== undefined && state.phase === "ended" && isShunned(opened.by.account)) return undefined;
    outcome = outcomeFor(joins && state);
    if (outcome.kind === "joined") return withoutRevoked(deps.context(), outcome.step, listing);
    // It ended just now: it is looked at again.
    if (outcome.kind === "apart") throw new LostAnswer("the conversation has ended meanwhile");
    return outcome.kind === "refused" ? passedOver(deps, opened, state) : undefined;
  }, used);
  if (outcome?.kind !== "joined") wipe([...opened.consumed, ...secretsOnlyIn(opened.group, undefined)]);
  if (outcome?.kind === "refused") {
    joins?.run();
    throw new TacitError("cannot_follow", "an invitation would lead back, or away from the others");
  }
  if (outcome?.kind !== "joined") return;
  if (joins === undefined) {
    book.keep(conversation);
    deps.arrived(conversation);
  }
  conversation.run();
}

/** Members may be in a successor that this device does not follow. Whoever is no member has nothing to say about where they are. */
function passedOver(
  { context, connection }: WelcomeDeps,
  { conversation: log, data, by }: OpenedInvitation,
  state: ConversationState,
): Step | undefined {
  const isNext = state.log !== log && (state.log === data.predecessor || isDirect(log));
  if (!isNext || !state.roster.includes(by.account)) return undefined;
  return silent(leftBehind(context(), state, log, connection.now()));
}

async function open(deps: WelcomeDeps, item: Welcome, stored: Uint8Array): Promise<OpenedInvitation | undefined> {
  const context = deps.context();
  const payloads = { ...deps, provider: context.provider };
  const payload = await received(payloads, item.payload);
  if (payload === undefined) return undefined;
  const { welcome, tree } = unwrapWelcome(payload);
  const isFetched = tree !== undefined && tree.size <= largestTree;
  const sealedTree = isFetched ? await fetched(payloads, tree) : undefined;
  const keyPackage = decodeKeyPackageItem(item.keyPackage, stored);
  const { conversation, seq, turn, at } = item;
  return openInvitation(context, { conversation, seq, turn, at, welcome, tree: sealedTree, keyPackage });
}

/**
 * A device that was linked lately can come into a successor that somebody opened before it comes into the log that this goes on from, to where
 * its account may have stayed with the others: where the account's own device brings it in there, that is another conversation to it.
 */
function isBroughtBeside({ snapshot }: LiveConversation, { conversation, by, self }: OpenedInvitation): boolean {
  const { id, log, data } = snapshot;
  return !isDirect(conversation) && id === log && data.predecessor === conversation && by.account === self;
}

/** What the records say of accounts with devices that the epoch which is known does not have. */
async function listingFor(
  { devicesOf }: WelcomeDeps,
  known: LiveConversation | undefined,
  opened: OpenedInvitation,
): Promise<Listing> {
  const leaves = known === undefined ? [] : unfamiliarLeaves(known.snapshot, opened);
  const listed = new Set<string>();
  const revoked = new Set<string>();
  for (const account of new Set(leaves.map((leaf) => leaf.account))) {
    try {
      const devices = await devicesOf(account);
      for (const device of devices.listed) listed.add(device);
      for (const device of devices.revoked) revoked.add(device);
    } catch (error) {
      // A record that does not hold lists nobody, nor does one that there is not.
      const isNone = error instanceof Refused && !error.refusal.retryable;
      if (!isNone && !(error instanceof TacitError && error.code === "identity_invalid")) throw error;
    }
  }
  return { listed, revoked };
}

/** Own devices that were revoked since the others opened it go before this device sends anything. */
function withoutRevoked(context: SessionContext, step: Step, { revoked }: Listing): Step {
  const { state } = step;
  const leaves = state.group === undefined ? [] : identities(state.group);
  const remove = leaves.flatMap(({ account, device }) =>
    account === context.account && revoked.has(device) ? [device] : [],
  );
  if (remove.length === 0) return step;
  const intent = newIntent(context, { kind: "devices", add: [], remove, claimed: [] });
  return { ...step, state: { ...state, intents: [intent, ...state.intents] } };
}
