/** Joining what a Welcome in the inbox invites to. */
import { isDirect, type InboxItem } from "@tacit/protocol";
import type { Connection } from "./connection.ts";
import type { ConversationBook } from "./conversationBook.ts";
import { TacitError } from "./errors.ts";
import type { LiveConversation } from "./liveConversation.ts";
import { fetched, received } from "./payloads.ts";
import type { BlobTransfer } from "./ports.ts";
import { LostAnswer, Refused } from "./relaySocket.ts";
import type { SealedStore } from "./sealedStore.ts";
import { silent, type ConversationState, type SessionContext, type Step } from "./session/conversation.ts";
import { leftBehind } from "./session/doubt.ts";
import { identities } from "./session/group.ts";
import { handedId, importedKey } from "./session/importedHistory.ts";
import {
  acceptInvitation,
  beginning,
  openInvitation,
  unfamiliarLeaves,
  type AccountDevices,
  type JoinOutcome,
  type Listing,
  type OpenedInvitation,
} from "./session/joining.ts";
import { newIntent } from "./session/intents.ts";
import { decodeKeyPackageItem, keyPackageKey } from "./session/keyPackages.ts";
import { largestTree, unwrapWelcome } from "./session/welcomeTree.ts";
import { wipe } from "./session/bytes.ts";
import { secretsOnlyIn } from "./session/storedGroup.ts";
import { behindStored } from "./storedTimeline.ts";

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
  const { store, book } = deps;
  const { conversation: log, seq } = item;
  const stored = await store.get(keyPackageKey(item.keyPackage));
  const opened = stored === undefined ? undefined : await open(deps, item, stored);
  if (stored === undefined || opened === undefined) {
    // A copy of a Welcome that was used comes here too: then the conversation is known.
    if (stored === undefined && book.inLog(log) !== undefined) return;
    throw new TacitError("cannot_follow", "an invitation is not what it says it is, or its key is not on this device");
  }
  const { lastResort, hash } = decodeKeyPackageItem(item.keyPackage, stored);
  const used = lastResort ? [] : [{ key: keyPackageKey(hash) }];
  const { predecessor } = opened.data;
  const before = predecessor === undefined ? undefined : book.inLog(predecessor);
  const inLog = book.inLog(log);
  const isBeside = inLog !== undefined && isBroughtBeside(inLog, opened);
  const known = isBeside ? undefined : (inLog ?? before ?? book.get(opened.id));
  if (known !== undefined && mayBeAhead(known, log, seq)) {
    // This device may have been put in anew without having read that it was taken out, or be behind where others go on from.
    const unread = await known.catchUp();
    // It would be taken for a copy, and the commit that is read later waits for it.
    if (unread !== undefined) throw unread;
  }
  const handed = await store.get(importedKey(log));
  const begun = beginning(opened);
  const id = handed === undefined ? undefined : handedId(handed);
  const isFree = id !== undefined && book.get(id) === undefined;
  const fresh = await behindStored(store, isFree ? { ...begun, id } : begun);
  const listing = await listingFor(deps, known, opened);
  const by = opened.by.account;
  const outcomeFor = (state: ConversationState | undefined): JoinOutcome => {
    const isKnown = by === opened.self || book.contacts().has(by);
    return acceptInvitation(state, opened, !isKnown, listing, fresh);
  };
  const isApart = known !== undefined && outcomeFor(known.snapshot).kind === "apart";
  const joins = isApart ? undefined : known;
  if (joins === undefined && deps.isShunned(by)) {
    wipe(opened.consumed);
    return store.commit(used);
  }
  const conversation = joins ?? book.provisional(fresh);
  let outcome: JoinOutcome | undefined;
  await conversation.take((state) => {
    if (joins !== undefined && state.phase === "ended" && deps.isShunned(by)) return undefined;
    outcome = outcomeFor(joins && state);
    if (outcome.kind === "joined") return withoutRevoked(deps.context(), outcome.step, listing);
    // It ended just now: it is looked at again.
    if (outcome.kind === "apart") throw new LostAnswer("the conversation has ended meanwhile");
    // Whoever is no member has nothing to say about where the members are.
    const isNext = state.log !== log && (state.log === predecessor || isDirect(log));
    const isPassedOver = outcome.kind === "refused" && isNext && state.roster.includes(by);
    return isPassedOver ? silent(leftBehind(deps.context(), state, log, deps.connection.now())) : undefined;
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

function mayBeAhead({ snapshot }: LiveConversation, log: string, seq: number): boolean {
  return snapshot.phase === "open" && (snapshot.log !== log || seq > snapshot.cursor);
}
