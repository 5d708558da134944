/** Making the own commit: of a conversation that does not exist yet, or of a change. It is durable until the log says what ended its turn. */
import { encodeBase64Url, isDirect } from "@tacit/protocol";
import { encodeCommitData, type CommitData } from "./reading/commitData.ts";
import {
  listedIn,
  type Claimed,
  type ConversationState,
  type PendingCommit,
  type SessionContext,
  type Step,
} from "./conversation.ts";
import { randomId, sha256 } from "./cryptoContext.ts";
import { commitChange, createGroup, type Committed, type GroupChange } from "./group/groupCommit.ts";
import { accountsIn, groupDataOf, identities, leaveProposals, leavesOf, type Group } from "./group/group.ts";
import { dataAmong, type GroupData } from "./group/groupData.ts";
import { mayAdminister, memberChange } from "./group/memberChange.ts";
import { secretsOfPending } from "./remains.ts";
import { unservedExtensions } from "./group/unserved.ts";
import { sealTree, treeNonce, wrapWelcome } from "./group/welcomeTree.ts";

/** What a commit is to change; what members asked for and the roster needs comes on top. */
export interface Wish {
  readonly intent: string | undefined;
  /** Leaf indices. */
  readonly removes: readonly number[];
  readonly adds: readonly Claimed[];
  readonly data: GroupData | undefined;
}

/**
 * The first commit, which adds all of `claimed`.
 * @throws MlsError where a key package is not valid
 */
export async function createPending(
  context: SessionContext,
  state: ConversationState,
  claimed: readonly Claimed[],
  now: number,
): Promise<Step> {
  const accounts = [...new Set([context.account, ...claimed.map(({ account }) => account)])].sort();
  const treeKey = context.provider.random(32);
  const created = await createGroup(context, context.member, {
    id: state.log,
    data: dataAmong(state.data, accounts),
    keyPackages: claimed.map(({ keyPackage }) => keyPackage),
    authenticatedData: encodeCommitData({ turn: 0, add: accounts, remove: [], blobs: [], log: undefined }),
    treeKey,
    now,
  });
  const made = { add: accounts, remove: [], leaving: [], intent: undefined, kind: "create" as const };
  const pending = pendingOf(context, state, created, { claimed, treeKey }, made);
  return { state: { ...state, pending }, items: [], consumed: created.consumed };
}

/** What is wanted breaks the group's rules: every member would find it void. */
export class RuleBroken extends Error {}

/** @throws MlsError where a key package is not valid; RuleBroken */
export async function changePending(
  context: SessionContext,
  state: ConversationState,
  wish: Wish,
  now: number,
): Promise<Step> {
  const { group } = state;
  if (group === undefined) throw new Error("only an open conversation is changed");
  const leaving = leaveProposals(group);
  const leavers = new Set(leaving.map(({ account }) => account));
  const byReference = new Set(leaving.map(({ leafIndex }) => leafIndex));
  // One device asks for the whole account.
  const ofLeavers = leavesOf(group)
    .filter(({ identity, leafIndex }) => leavers.has(identity.account) && !byReference.has(leafIndex))
    .map(({ leafIndex }) => leafIndex);
  const removes = [...new Set([...ofLeavers, ...wish.removes.filter((leafIndex) => !byReference.has(leafIndex))])];
  const gone = new Set([...removes, ...byReference]);
  const adds = wish.adds.filter(({ account }) => !leavers.has(account));
  const after = accountsIn([
    ...leavesOf(group)
      .filter(({ leafIndex }) => !gone.has(leafIndex))
      .map(({ identity }) => identity),
    ...adds,
  ]);
  const delta = rosterDelta(context, state, after, adds);
  const change: GroupChange = {
    references: leaving.map(({ reference }) => reference),
    removes,
    adds: adds.map(({ keyPackage }) => keyPackage),
    ...(wish.data === undefined ? {} : { data: wish.data }),
  };
  const log = state.chain && { seq: state.cursor, hash: encodeBase64Url(state.chain) };
  const treeKey = context.provider.random(32);
  const committed = await commitChange(context, group, change, {
    authenticatedData: encodeCommitData({ turn: state.turn, ...delta, blobs: [], log }),
    forJoiners: unservedExtensions(delta),
    treeKey,
    now,
  });
  if (!isAllowed(context, state, { group, next: committed.next, leavers })) throw new RuleBroken();
  const { add, remove } = delta;
  const made = {
    add,
    remove,
    leaving: [...leavers],
    intent: wish.intent,
    kind: "change" as const,
  };
  const pending = pendingOf(context, state, committed, { claimed: adds, treeKey }, made);
  return { state: { ...state, group: committed.current, pending }, items: [], consumed: committed.consumed };
}

function isAllowed(
  { account: by }: SessionContext,
  { log: conversation, data }: ConversationState,
  { group, next, leavers }: { readonly group: Group; readonly next: Group; readonly leavers: ReadonlySet<string> },
): boolean {
  const before = { leaves: identities(group), data };
  const after = { leaves: identities(next), data: groupDataOf(next) ?? data };
  return memberChange({ conversation, before, after, by, leaving: [...leavers] }) !== undefined;
}

type RosterDelta = Required<Pick<CommitData, "add" | "remove" | "unlisted" | "suspended" | "strangers">>;

/**
 * What the relay has to be told so that its roster follows the group. It takes in whom it dropped last, and otherwise nobody without a
 * Welcome: who cannot be taken back yet stays `unlisted`. Whoever posted the void commit that brought the roster into disorder is taken off
 * it, and stays in the group: that it was they, only the relay says, and a member who does it again would end the conversation.
 */
function rosterDelta(
  { account: self }: SessionContext,
  state: ConversationState,
  after: readonly string[],
  adds: readonly Claimed[],
): RosterDelta {
  const listed = new Set(listedIn(state));
  const members = new Set(after);
  // Whom a commit suspended is taken back by those who may invite.
  const mayTakeBack = (account: string): boolean =>
    !state.suspended.includes(account) || mayAdminister(state.data, self);
  const welcomed = new Set([...state.justDropped, ...adds.map(({ account }) => account)].filter(mayTakeBack));
  const absent = after.filter((account) => !listed.has(account));
  const isDisturber = (account: string): boolean => account === state.droppedBy && account !== self;
  // Whom the last commit dropped may put back those that were dropped with it, and remove who dropped them, nobody else.
  const mayRemove = (account: string): boolean => listed.has(self) || account === state.droppedBy;
  const remove = [...listed].filter((account) => (!members.has(account) || isDisturber(account)) && mayRemove(account));
  const unlisted = [
    ...absent.filter((account) => !welcomed.has(account)),
    ...remove.filter((account) => members.has(account)),
  ];
  return {
    add: absent.filter((account) => welcomed.has(account)),
    remove: remove.sort(),
    unlisted,
    suspended: unlisted.filter((account) => state.suspended.includes(account) || isDisturber(account)),
    strangers: [...listed].filter((account) => !members.has(account) && !remove.includes(account)),
  };
}

function pendingOf(
  { provider }: SessionContext,
  state: ConversationState,
  { commit, next, welcomes, tree, consumedByNext }: Committed,
  { claimed, treeKey }: { readonly claimed: readonly Claimed[]; readonly treeKey: Uint8Array },
  made: Pick<PendingCommit, "kind" | "intent" | "add" | "remove" | "leaving">,
): PendingCommit {
  const sealed = tree && sealTree(treeKey, treeNonce(provider.random), tree);
  treeKey.fill(0);
  const place = sealed && { hash: encodeBase64Url(sha256(provider, sealed)), size: sealed.length };
  return {
    ...made,
    entry: randomId(provider),
    commit,
    hash: encodeBase64Url(sha256(provider, commit)),
    turn: state.turn,
    after: state.cursor,
    welcomes: claimed.map(({ device, claim }, index) => {
      const welcome = welcomes[index];
      if (welcome === undefined) throw new Error("each key package gets a Welcome");
      return { device, claim, welcome: place === undefined ? welcome : wrapWelcome(welcome, place) };
    }),
    tree: sealed,
    next,
    consumedByNext,
  };
}

/** The own commit was refused for good: it never happens. */
export function withoutPending(state: ConversationState): Step {
  return { state: { ...state, pending: undefined }, items: [], consumed: secretsOfPending(state) };
}

/**
 * The creation was refused because there is one already. Of a group, whose name only this device knew, that is its own: it landed, and others have
 * gone on since. They are who can put this device in anew.
 */
export function lostCreation(state: ConversationState): Step {
  const { pending, log, data } = state;
  const isOwn = pending !== undefined && !isDirect(log) && data.predecessor === undefined;
  const step = withoutPending(state);
  const anchors = isOwn ? identities(pending.next) : state.anchors;
  return { ...step, state: { ...step.state, phase: "awaitingWelcome", anchors } };
}
