/**
 * What a conversation does next. It follows from the state and from what the shell knows at that moment, and from nothing else; so the
 * work can stop anywhere, and goes on after a restart.
 */
import { isWanted, type ConversationState, type Intent } from "./conversation.ts";
import { isInDoubt } from "./repair/doubt.ts";
import { isServed, isUntidy, toTakeBack } from "./intents.ts";
import { mayAdminister } from "./group/memberChange.ts";
import { isRefused } from "./repair/repair.ts";
import { hasWaited, isShutOut, isWished, mayFollowAgain, mayGoOnElsewhere } from "./repair/successor.ts";

export type Action =
  | "read"
  | "findWelcome"
  | "land"
  | "propose"
  | "create"
  | "intend"
  | "leave"
  | "tidy"
  | "takeBack"
  | "append"
  | "askForRepair"
  | "followAgain"
  | "askInDoubt"
  | "lookAgain"
  | "succeed";

export type Decision =
  | { readonly kind: "act"; readonly action: Action }
  /** Nothing before this time, by the device's own clock. */
  | { readonly kind: "wake"; readonly at: number }
  /** Chance is to say when it is this device's turn to tidy up: so many milliseconds from now, and as many more as `span` at most. */
  | { readonly kind: "draw"; readonly start: number; readonly span: number }
  /** Nothing is sent before the application accepts an identity. */
  | { readonly kind: "blocked" }
  | { readonly kind: "rest" };

/** What the shell knows beside the state. */
export interface Situation {
  /** The own account. */
  readonly self: string;
  /** Other devices of the own account put this one into conversations. */
  readonly isLinked: boolean;
  readonly isUp: boolean;
  /** By the device's own clock. */
  readonly now: number;
  /** By the relay's clock. */
  readonly relayNow: number;
  /** Somebody waits for the conversation to be opened. */
  readonly isAwaited: boolean;
  /** Something may be in the log that was not read. */
  readonly mustRead: boolean;
  /** Until something is repeated after a failure, or until the chance that follows a lost turn. */
  readonly waits: "retry" | "chance" | undefined;
  /** While it waits, the log is not read either. */
  readonly readsLater: boolean;
  /** An account's key is not the one that is known. Asked where it matters alone, for it looks at each leaf. */
  readonly isBlocked: () => boolean;
  /** When it is this device's turn to tidy up, once chance has said so. */
  readonly tidyAt: number | undefined;
  /** Accounts that could not be taken back. */
  readonly notTakenBack: ReadonlySet<string>;
}

/** How long whoever may remove members is given to tidy up before everybody else does: milliseconds. */
const tidying = { administrators: 1_000, others: 3_000 };
const rest: Decision = { kind: "rest" };

export function nextAction(state: ConversationState, situation: Situation): Decision {
  if (!situation.isUp) return rest;
  switch (state.phase) {
    case "ended":
      return rest;
    case "awaitingWelcome":
      return mayFindWelcome(state, situation) ? act("findWelcome") : repairing(state, situation);
    case "stuck":
      return repairing(state, situation);
    case "opening":
    case "open":
      return following(state, situation);
  }
}

/** Whether the log of a conversation is read in this phase. */
export function isFollowed({ phase }: ConversationState): boolean {
  return phase === "opening" || phase === "open";
}

function act(action: Action): Decision {
  return { kind: "act", action };
}

function mayFindWelcome({ repair }: ConversationState, { isAwaited, waits }: Situation): boolean {
  return (isAwaited || repair === undefined) && waits === undefined;
}

/** Asks to be put in anew, again and again with growing pauses; then opens a successor, where that is for this device to decide. */
function repairing(state: ConversationState, situation: Situation): Decision {
  const { waits, isBlocked, now, relayNow, isLinked } = situation;
  const { repair, requestBy } = state;
  if (repair === undefined || waits !== undefined) return rest;
  const isHeld = requestBy !== undefined || isBlocked();
  // It may not ask, or need not be put in anew.
  if (isWished(state) && (isHeld || wantsToLeave(state))) return act("followAgain");
  if (isHeld && !wantsToLeave(state)) return rest;
  if (relayNow < repair.due) return { kind: "wake", at: now + (repair.due - relayNow) };
  if (mayFollowAgain(state)) return act("followAgain");
  // Nobody goes elsewhere to leave what they have not accepted: nothing is created while that is so.
  if (isHeld) return act("askForRepair");
  if (isShutOut(state)) return act("succeed");
  // A linked device that asks for it before it has been put in is not lost: the others need not go elsewhere for it.
  const isAwaited = isLinked && isWanted(state) && state.data.predecessor === undefined;
  const goesOn = hasWaited(state, { isAwaited }) && mayGoOnElsewhere(state) && !isRefused(repair);
  return act(goesOn ? "succeed" : "askForRepair");
}

function following(state: ConversationState, situation: Situation): Decision {
  const { mustRead, waits, readsLater, self, isBlocked } = situation;
  if (mustRead) return waits !== undefined && readsLater ? rest : act("read");
  if (state.requestBy !== undefined || isBlocked()) return held(state, situation);
  if (waits !== undefined) {
    return waits === "chance" && isServed(state, self) && maySendMeanwhile(state) ? act("append") : rest;
  }
  if (state.phase === "open" && !isServed(state, self)) return unserved(state, situation, { isHeld: false });
  const { now, relayNow } = situation;
  if (isInDoubt(state) && relayNow >= state.doubt.due) return act("askInDoubt");
  const decision = served(state, situation);
  const isIdle = decision.kind === "rest" && isInDoubt(state);
  return isIdle ? { kind: "wake", at: now + (state.doubt.due - relayNow) } : decision;
}

/** The user has not said that they want it, or an identity is to be accepted first. Whoever wants to go need not. */
function held(state: ConversationState, situation: Situation): Decision {
  const { phase, requestBy, pending, leaving } = state;
  if (!wantsToLeave(state) || phase !== "open") return requestBy === undefined ? { kind: "blocked" } : rest;
  if (situation.waits !== undefined) return rest;
  if (!isServed(state, situation.self)) return unserved(state, situation, { isHeld: true });
  if (pending !== undefined) return act("land");
  return act(leaving === undefined ? "leave" : "propose");
}

function wantsToLeave({ leaving, intents }: ConversationState): boolean {
  return leaving !== undefined || intents.some(isToLeave);
}

export function isToLeave({ kind }: Intent): boolean {
  return kind === "leave";
}

function served(state: ConversationState, situation: Situation): Decision {
  if (state.pending !== undefined) return act("land");
  if (state.leaving !== undefined) return act("propose");
  if (state.phase === "opening") return act("create");
  return changing(state, situation);
}

/** Messages wait for what changes who reads them, not for a renewal of keys. */
function maySendMeanwhile(state: ConversationState): boolean {
  const { phase, pending, intents, outbox } = state;
  const mayWait = phase === "open" && pending === undefined && !isUntidy(state);
  return mayWait && outbox.length > 0 && intents.every(({ kind }) => kind === "rotate");
}

/** Dropped by a void commit, and not allowed to mend that: others take this account back, or it goes on elsewhere. */
function unserved(
  state: ConversationState,
  { self, now, relayNow }: Situation,
  { isHeld }: { readonly isHeld: boolean },
): Decision {
  const { repair, suspended, data } = state;
  if (repair !== undefined && relayNow < repair.due) return { kind: "wake", at: now + (repair.due - relayNow) };
  const othersFollow = !suspended.includes(self) || mayAdminister(data, self);
  const goesOn = !isHeld && hasWaited(state) && othersFollow && mayGoOnElsewhere(state);
  return act(goesOn ? "succeed" : "lookAgain");
}

/** What concerns all comes first, then what the application wants, then messages. */
function changing(state: ConversationState, situation: Situation): Decision {
  if (isUntidy(state)) return inTurn("tidy", state, situation);
  const { self, relayNow, notTakenBack } = situation;
  if (toTakeBack(state, self, { now: relayNow, except: notTakenBack }) !== undefined) {
    return inTurn("takeBack", state, situation);
  }
  if (state.intents.length > 0) return act("intend");
  return state.outbox.length > 0 ? act("append") : rest;
}

/** Whoever wants to send does it at once; of the others, those who may remove members come first, and chance decides among them. */
function inTurn(
  action: Action,
  { outbox, intents, data }: ConversationState,
  { self, now, tidyAt }: Situation,
): Decision {
  if (outbox.length + intents.length > 0) return act(action);
  if (tidyAt !== undefined) return now >= tidyAt ? act(action) : { kind: "wake", at: tidyAt };
  const isFirst = mayAdminister(data, self);
  return isFirst
    ? { kind: "draw", start: 0, span: tidying.administrators }
    : { kind: "draw", start: tidying.administrators, span: tidying.others };
}
