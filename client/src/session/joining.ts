/**
 * Joining by a Welcome: a conversation that is new to this device, one that it could not follow any more and is put into anew, or the
 * successor of one that it is in.
 *
 * Whoever is on no side of it can send a Welcome, and the relay decides which one arrives when. So a Welcome takes nothing back: it
 * counts only where it leads forward in the same log, or, as a successor, where it comes from somebody who is in the epoch that this
 * device is in, with accounts and account keys that are all in that epoch.
 */
import { isDirect } from "@tacit/protocol";
import type { LeafIdentity } from "./authenticate.ts";
import {
  directConversationId,
  listedIn,
  messageKey,
  newConversation,
  noted,
  withGroup,
  type ConversationState,
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
  join,
  secretsOnlyIn,
  type Group,
  type OwnKeyPackage,
} from "./groupEngine.ts";
import { roleOf, type GroupData } from "./groupData.ts";
import { haveOneKeyEach, mayRemove } from "./memberChange.ts";

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
  readonly group: Group;
  readonly by: LeafIdentity;
  readonly data: GroupData;
  readonly accounts: readonly string[];
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
  if (data === undefined || !isGroupOf(groupIdOf(group), conversation)) return undefined;
  // The own leaf is in the group: so all leaves of the own account are of the own account key.
  if (!haveOneKeyEach(leaves)) return undefined;
  const isWhole = isDirect(conversation) ? isOwnDirect(context, conversation, accounts, data) : data.owners.length > 0;
  const areIn = data.owners.concat(data.admins).every((account) => accounts.includes(account));
  return isWhole && areIn ? { ...invitation, group, by, data, accounts, consumed } : undefined;
}

/** The id of a direct conversation names both accounts, so only the peer itself can show a key for the peer. */
function isOwnDirect(
  { provider, account }: SessionContext,
  conversation: string,
  accounts: readonly string[],
  { generation }: GroupData,
): boolean {
  const [peer, ...more] = accounts.filter((each) => each !== account);
  if (peer === undefined || more.length > 0) return false;
  return directConversationId(provider, account, peer, generation) === conversation;
}

export type JoinOutcome =
  | { readonly kind: "joined"; readonly step: Step }
  /** This device is in already, or further: the Welcome is a copy, or came late. */
  | { readonly kind: "member" }
  /** It would take this device back, or away from those it is with. */
  | { readonly kind: "refused" };

/**
 * Takes an opened invitation. `known` is what this device holds of the conversation, or of the one that the invitation goes on from; an own
 * creation that lost included. `request`: the application is to be asked first.
 */
export function acceptInvitation(
  known: ConversationState | undefined,
  opened: OpenedInvitation,
  request: boolean,
): JoinOutcome {
  const { conversation } = opened;
  if (known === undefined || (known.log === conversation && known.cursor === 0 && known.group === undefined)) {
    return known?.data.predecessor === undefined ? open(known, opened, request) : meet(known, opened);
  }
  if (known.log === conversation) return rejoin(known, opened, request);
  return succeed(known, opened);
}

function open(known: ConversationState | undefined, opened: OpenedInvitation, request: boolean): JoinOutcome {
  const { conversation, accounts, by } = opened;
  return joined(known ?? newConversation(conversation, accounts), opened, {
    requestBy: known === undefined && request ? by.account : known?.requestBy,
    notice: { kind: "opened", by: by.account },
  });
}

/** Another member opened the very successor that this device wanted. */
function meet(known: ConversationState, opened: OpenedInvitation): JoinOutcome {
  const { accounts, by, data } = opened;
  const isOfTheSame =
    data.predecessor === known.data.predecessor && accounts.every((account) => known.roster.includes(account));
  if (!isOfTheSame) return { kind: "refused" };
  return joined(known, opened, {
    requestBy: known.requestBy,
    notice: { kind: "rejoined", by: by.account, after: known.repair?.after ?? 0, successor: true },
  });
}

function rejoin(known: ConversationState, opened: OpenedInvitation, request: boolean): JoinOutcome {
  const { seq, turn, by, group } = opened;
  switch (known.phase) {
    case "open":
    case "opening":
      return { kind: "member" };
    case "ended":
      // What has ended can begin again, later in the log.
      if (seq <= known.cursor || turn <= known.turn) return { kind: "member" };
      return joined(known, opened, {
        requestBy: request ? by.account : undefined,
        notice: { kind: "opened", by: by.account },
      });
    case "stuck":
    case "awaitingWelcome": {
      const isAhead = turn >= known.turn && (known.group === undefined || epochOf(group) > epochOf(known.group));
      // The own removal was read already, the commit that comes with the Welcome is that one.
      if (!isAhead || seq < known.cursor) return { kind: "refused" };
      return joined(known, opened, {
        requestBy: known.requestBy,
        notice: { kind: "rejoined", by: by.account, after: known.cursor, successor: false },
      });
    }
  }
}

/** Members of an epoch go on together, as far as whoever calls them may leave somebody behind. */
function succeed(known: ConversationState, opened: OpenedInvitation): JoinOutcome {
  const { data, by, accounts } = opened;
  if (data.predecessor !== known.log || data.generation !== known.data.generation + 1) return { kind: "refused" };
  if (known.phase === "ended") return { kind: "refused" };
  const direct = isDirect(known.log);
  const before = known.group === undefined ? undefined : identities(known.group);
  const areMembers =
    before === undefined
      ? // Nothing is left to compare with but the names; pinned keys are looked at elsewhere.
        [by.account, ...accounts].every((account) => known.roster.includes(account))
      : [by, ...identities(opened.group)].every((leaf) =>
          before.some(
            (old) =>
              old.account === leaf.account &&
              (direct || old.accountKey === leaf.accountKey || leaf.formerKeys.includes(old.accountKey)),
          ),
        );
  const left = known.roster.filter((account) => !accounts.includes(account) && listedIn(known).includes(account));
  const mayLeave = left.every((account) => direct || mayRemove(known.data, by.account, account));
  const keepsRoles =
    direct ||
    roleOf(known.data, by.account) === "owner" ||
    accounts.every((account) => roleOf(data, account) === roleOf(known.data, account) || left.length > 0);
  if (!areMembers || !mayLeave || !keepsRoles) return { kind: "refused" };
  const moved: ConversationState = {
    ...known,
    log: opened.conversation,
    cursor: 0,
    turn: 0,
    recent: [],
    former: known.recent.flatMap(({ message }) => (message === undefined ? [] : [messageKey(message)])),
  };
  return joined(moved, opened, {
    requestBy: known.requestBy,
    notice: { kind: "rejoined", by: by.account, after: known.cursor, successor: true },
  });
}

function joined(
  known: ConversationState,
  { group, seq, turn, at, consumed }: OpenedInvitation,
  { requestBy, notice }: { readonly requestBy: string | undefined; readonly notice: Parameters<typeof noted>[1] },
): JoinOutcome {
  const state: ConversationState = {
    ...withGroup(known, group),
    phase: "open",
    requestBy,
    pending: undefined,
    leaving: undefined,
    unlisted: [],
    justDropped: [],
    droppedBy: undefined,
    cursor: seq - 1,
    chain: undefined,
    turn,
    joinedAt: seq,
    provisional: turn > 1,
    epochIncomplete: false,
    renewedAt: at,
    repair: undefined,
  };
  const opened = noted(state, notice, { seq, storedAt: at });
  const lost = known.pending === undefined ? [] : secretsOnlyIn(known.pending.next, group);
  const old = known.group === undefined ? [] : secretsOnlyIn(known.group, group);
  return { kind: "joined", step: { ...opened, consumed: [...consumed, ...lost, ...old] } };
}
