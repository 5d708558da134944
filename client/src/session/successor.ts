/**
 * Going on in another log, where this one cannot be gone on with: nobody puts this device in anew, or the relay's roster was destroyed.
 *
 * Members of one epoch who open a successor at the same moment meet in one, because its name follows from a secret of that epoch; whoever
 * is not in it can neither guess nor occupy it. A device that has lost the epoch takes a random name. Direct conversations have theirs from
 * the two accounts.
 */
import { encodeBase64Url, isDirect } from "@tacit/protocol";
import { utf8 } from "./bytes.ts";
import {
  directConversationId,
  listedIn,
  messageKey,
  type ConversationState,
  type SessionContext,
  type Step,
} from "./conversation.ts";
import { dataAmong } from "./groupData.ts";
import { exportKey, secretsOnlyIn, type Group } from "./groupEngine.ts";

/** Successors of one conversation that this device opens in its life: a loop must end. */
const mostGenerations = 16;

export function maySucceed({ data }: ConversationState): boolean {
  return data.generation < mostGenerations;
}

/** The successor is wanted: to be created like a new conversation, with everybody who is in. */
export function succeeding(context: SessionContext, state: ConversationState): Step {
  const generation = state.data.generation + 1;
  const log = successorId(context, state, generation);
  const roster = [...new Set([...listedIn(state), ...state.justDropped, context.account])].sort();
  const next: ConversationState = {
    ...state,
    log,
    phase: "opening",
    roster,
    unlisted: [],
    justDropped: [],
    droppedBy: undefined,
    repair: { attempts: 0, due: 0, after: state.repair?.after ?? state.cursor },
    data: { ...dataAmong(state.data, roster), generation, predecessor: state.log },
    cursor: 0,
    turn: 0,
    chain: undefined,
    joinedAt: undefined,
    provisional: false,
    pending: undefined,
    leaving: undefined,
    epochIncomplete: false,
    group: undefined,
    recent: [],
    former: state.recent.flatMap(({ message }) => (message === undefined ? [] : [messageKey(message)])),
  };
  const dropped = [state.group, state.pending?.next].flatMap((group) =>
    group === undefined ? [] : secretsOnlyIn(group, undefined),
  );
  return { state: next, items: [], consumed: dropped };
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
