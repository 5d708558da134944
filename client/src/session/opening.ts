/** Creating a conversation, joining one, and renewing keys in it: the steps that make or replace a group. */
import { encodeBase64Url, isDirect, type DeviceCertificate } from "@tacit/protocol";
import type { LeafIdentity } from "./authenticate.ts";
import { encodeCommitData } from "./commitData.ts";
import {
  directConversationId,
  newConversation,
  noted,
  withGroup,
  type ConversationState,
  type PendingCommit,
  type SessionContext,
  type Step,
} from "./conversation.ts";
import { randomId, sha256 } from "./cryptoContext.ts";
import { haveOneKeyEach } from "./memberChange.ts";
import {
  accountsIn,
  createGroup,
  groupIdOf,
  identities,
  isGroupOf,
  join,
  keyPackageIdentity,
  rotateKeys,
  secretsOnlyIn,
  type Committed,
  type OwnKeyPackage,
} from "./groupEngine.ts";

/** One device's key package, as the relay gave it out. */
export interface Claimed {
  readonly device: string;
  readonly claim: string;
  readonly keyPackage: Uint8Array;
}

/** Is the key package of the device that it was claimed for, and is that device in the account's record? */
export function isOf(claimed: Claimed, devices: readonly DeviceCertificate[]): boolean {
  const listed = devices.find(({ device }) => device === claimed.device);
  if (listed === undefined) return false;
  const identity = keyPackageIdentity(claimed.keyPackage);
  return (
    identity.account === listed.account &&
    identity.device === listed.device &&
    identity.accountKey === listed.accountKey
  );
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
  const roster = state.roster;
  const created = await createGroup(context, context.member, {
    id: state.id,
    keyPackages: claimed.map(({ keyPackage }) => keyPackage),
    authenticatedData: encodeCommitData({ turn: state.turn, add: roster, remove: [], blobs: [], log: undefined }),
    now,
  });
  const pending: PendingCommit = {
    ...pendingOf(context, state, created),
    kind: "create",
    welcomes: claimed.map(({ device, claim }, index) => {
      const welcome = created.welcomes[index];
      if (welcome === undefined) throw new Error("each key package gets a Welcome");
      return { device, claim, welcome };
    }),
  };
  return { state: { ...state, pending }, items: [], consumed: created.consumed };
}

/** A commit that replaces the own keys. */
export async function rotatePending(context: SessionContext, state: ConversationState): Promise<Step> {
  if (state.group === undefined) throw new Error("only an open conversation has keys");
  const log = state.chain && { seq: state.cursor, hash: encodeBase64Url(state.chain) };
  const data = encodeCommitData({ turn: state.turn, add: [], remove: [], blobs: [], log });
  const rotated = await rotateKeys(context, state.group, data);
  const pending: PendingCommit = { ...pendingOf(context, state, rotated), kind: "rotate", welcomes: [] };
  return { state: { ...state, group: rotated.current, pending }, items: [], consumed: rotated.consumed };
}

function pendingOf(
  { provider }: SessionContext,
  state: ConversationState,
  { commit, next, consumedByNext }: Committed,
): Omit<PendingCommit, "kind" | "welcomes"> {
  return {
    entry: randomId(provider),
    commit,
    hash: encodeBase64Url(sha256(provider, commit)),
    turn: state.turn,
    next,
    consumedByNext,
  };
}

/** The own commit was refused for good: it never happens. */
export function withoutPending(state: ConversationState): Step {
  const consumed = state.pending === undefined ? [] : secretsOnlyIn(state.pending.next, state.group);
  return { state: { ...state, pending: undefined }, items: [], consumed };
}

/** The creation was refused because there is one already. */
export function lostCreation(state: ConversationState): Step {
  const step = withoutPending(state);
  return { ...step, state: { ...step.state, phase: "awaitingWelcome" } };
}

export interface Invitation {
  readonly conversation: string;
  /** Where the commit stands that made it. */
  readonly seq: number;
  /** Commits in the log with that one. */
  readonly turn: number;
  readonly at: number;
  readonly welcome: Uint8Array;
  readonly keyPackage: OwnKeyPackage;
}

export type JoinOutcome =
  | { readonly kind: "joined"; readonly step: Step; readonly by: LeafIdentity }
  /** This device is in already: the Welcome is a copy, or came late. */
  | { readonly kind: "member" }
  /** The group is not what the relay says it is. */
  | { readonly kind: "foreign" };

/**
 * Joins by a Welcome; `known` is what this device holds of the conversation, an own creation that lost included.
 * @throws MlsError where the Welcome cannot be opened or is not valid
 */
export async function joinByWelcome(
  context: SessionContext,
  known: ConversationState | undefined,
  invitation: Invitation,
): Promise<JoinOutcome> {
  const { conversation, seq, turn, at } = invitation;
  // What has ended can begin again, later in the log.
  if (known?.phase === "open" || (known?.phase === "ended" && seq <= known.cursor)) return { kind: "member" };
  const { group, by, consumed } = await join(context, invitation.welcome, invitation.keyPackage);
  const leaves = identities(group);
  const accounts = accountsIn(leaves);
  if (!isGroupOf(groupIdOf(group), conversation) || !isOwnDirect(context, conversation, accounts)) {
    return { kind: "foreign" };
  }
  // The own leaf is in the group: so all leaves of the own account are of the own account key.
  if (!haveOneKeyEach(leaves)) return { kind: "foreign" };
  const state: ConversationState = {
    ...withGroup(known ?? newConversation(conversation, accounts), group),
    phase: "open",
    pending: undefined,
    cursor: seq - 1,
    chain: undefined,
    turn,
    joinedAt: seq,
    epochIncomplete: false,
  };
  const opened = noted(state, { kind: "opened", by: by.account }, { seq, storedAt: at });
  const lost = known?.pending === undefined ? [] : secretsOnlyIn(known.pending.next, group);
  return { kind: "joined", step: { ...opened, consumed: [...consumed, ...lost] }, by };
}

/**
 * This version has direct conversations alone. Their id names both accounts and the relay lets in nobody else, so only the peer itself
 * can show a key for the peer; in any other group a stranger could put leaves under everybody's name.
 */
function isOwnDirect(
  { provider, account }: SessionContext,
  conversation: string,
  accounts: readonly string[],
): boolean {
  const [peer, ...more] = accounts.filter((each) => each !== account);
  if (!isDirect(conversation) || peer === undefined || more.length > 0) return false;
  return directConversationId(provider, account, peer) === conversation;
}
