/**
 * Going on in another log, where this one cannot be gone on with: nobody puts this device in anew, or the relay's roster was destroyed.
 *
 * Members of one epoch who open a successor at the same moment meet in one, because its name follows from a secret of that epoch; whoever
 * is not in it can neither guess nor occupy it. A member can, and let nobody in: then another goes on from the same log under a random name,
 * and members follow it all the same. A device that has lost the epoch takes a random name. Direct conversations have theirs from the two
 * accounts.
 */
import { encodeBase64Url, isDirect } from "@tacit/protocol";
import { utf8 } from "../bytes.ts";
import {
  directConversationId,
  formerOf,
  isWanted,
  noted,
  silent,
  type ConversationState,
  type SessionContext,
  type Step,
} from "../conversation.ts";
import { withoutDoubt } from "./doubt.ts";
import { dataAmong } from "../group/groupData.ts";
import { exportKey, identities, leaveProposals, type Group } from "../group/group.ts";
import { fitting } from "../intents.ts";
import { unsealed } from "../outbox.ts";
import { secretsIn } from "../remains.ts";
import { isRefused, newRepair, type Repair } from "./repair.ts";

/** Successors of one conversation that this device opens in its life: a loop must end. */
const mostGenerations = 16;

/** Names that are tried for one successor. */
const mostNames = 3;

/** Accounts among whom a successor is opened without being told to. */
const largestToSucceed = 50;
/** Unanswered requests after which a successor is opened. Of those who are not served: looks whether somebody took them back. */
const attemptsBefore = { direct: 1, group: 6, unserved: 4 };

/** Whether this device has asked, or looked, as often as it does before it goes on in a successor. `isAwaited`: others are to bring it in. */
export function hasWaited({ repair, phase, log }: ConversationState, { isAwaited = false } = {}): boolean {
  const kind = phase === "open" ? "unserved" : isDirect(log) && !isAwaited ? "direct" : "group";
  return (repair?.attempts ?? 0) >= attemptsBefore[kind];
}

/** Whether it does that by itself, or was told to: in a large group that is for those who run it. */
export function mayGoOnElsewhere(state: ConversationState): boolean {
  const { log, roster, repair } = state;
  const isSmall = isDirect(log) || roster.length <= largestToSucceed;
  return (isSmall || repair?.elsewhere === true) && maySucceed(state) && haveRoom(state);
}

/**
 * Everybody is in the commit that opens it, which names so many: whom somebody brought in later, the others could not tell from a stranger, nor from
 * somebody who was removed since.
 */
function haveRoom({ roster }: ConversationState): boolean {
  return fitting(roster).length === roster.length;
}

/** A device that could follow, and asks because its user wants that. The two of a direct conversation meet in the next one whatever happened. */
export function isWished({ repair, log, phase }: ConversationState): boolean {
  return phase === "stuck" && repair?.wished === true && !isDirect(log);
}

/** Whether it goes on where it stands: nobody puts it in anew, or the relay says that its account is out, which the log shows. */
export function mayFollowAgain(state: ConversationState): boolean {
  const { repair } = state;
  return isWished(state) && (hasWaited(state) || (repair !== undefined && isRefused(repair)));
}

/** Nobody answers, and this device does not go on elsewhere by itself: its user, or somebody who runs the group, has to do something. */
export function isLeftAlone(state: ConversationState): boolean {
  return hasWaited(state) && !mayGoOnElsewhere(state) && !isWished(state);
}

/** The step to `repair`: the application is told once nobody answers. `now`: by the relay's clock. */
export function withRepair(state: ConversationState, repair: Repair, now: number): Step {
  const next = { ...state, repair };
  const at = { seq: state.cursor, storedAt: now };
  return isLeftAlone(next) && !isLeftAlone(state) ? noted(next, { kind: "unanswered" }, at) : silent(next);
}

/** Whether the name that this device wanted for a successor was taken by somebody who did not let it in. */
export function isShutOut(state: ConversationState): boolean {
  const isAwaited = state.phase === "awaitingWelcome" && isWanted(state) && state.data.predecessor !== undefined;
  return isAwaited && !isDirect(state.log) && (state.repair?.attempts ?? 0) < mostNames;
}

/** Whether it asks once more before it goes on elsewhere. Whom the relay does not serve, or kept out of the name that it wanted, has nobody to ask there. */
export function asksFirst(state: ConversationState): boolean {
  return state.phase !== "open" && !isDirect(state.log) && !isShutOut(state);
}

export function maySucceed({ data }: ConversationState): boolean {
  return data.generation < mostGenerations;
}

/** The successor is wanted: to be created like a new conversation, with everybody who is in. */
export function succeeding(context: SessionContext, state: ConversationState): Step {
  // One that was wanted and never joined was taken by somebody who let nobody in: another goes on from the same.
  const isAgain = isWanted(state) && state.data.predecessor !== undefined && !isDirect(state.log);
  const generation = state.data.generation + (isAgain ? 0 : 1);
  const predecessor = isAgain ? state.data.predecessor : state.log;
  const log = successorId(context, state, generation);
  const asked = new Set(state.group === undefined ? [] : leaveProposals(state.group).map(({ account }) => account));
  const roster = state.roster.filter((account) => account === context.account || !asked.has(account));
  const next: ConversationState = {
    ...state,
    log,
    phase: "opening",
    roster,
    unlisted: [],
    justDropped: [],
    droppedBy: undefined,
    suspended: [],
    strangers: [],
    repair: {
      ...newRepair(state.repair?.after ?? state.cursor, 0),
      attempts: isAgain ? (state.repair?.attempts ?? 0) + 1 : 0,
    },
    doubt: withoutDoubt(state.doubt),
    data: { ...dataAmong(state.data, roster), generation, predecessor },
    anchors: state.group === undefined ? state.anchors : identities(state.group),
    outbox: unsealed(state.outbox),
    cursor: 0,
    turn: 0,
    chain: undefined,
    joinedAt: undefined,
    provisional: false,
    pending: undefined,
    leaving: undefined,
    epochIncomplete: false,
    group: undefined,
    unheard: undefined,
    lastEpoch: 0,
    recent: [],
    former: isAgain ? state.former : formerOf(state),
  };
  return { state: next, items: [], consumed: secretsIn(state) };
}

function successorId({ provider, account }: SessionContext, state: ConversationState, generation: number): string {
  if (isDirect(state.log)) {
    const peer = state.roster.find((each) => each !== account) ?? account;
    return directConversationId(provider, account, peer, generation);
  }
  const bytes =
    state.group === undefined || state.phase !== "open" ? provider.random(16) : sharedName(state.group, state.log);
  return `g-${encodeBase64Url(bytes)}`;
}

function sharedName(group: Group, log: string): Uint8Array {
  return exportKey(group, "tacit successor", utf8(log), 16);
}
