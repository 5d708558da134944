/**
 * What `repair()` asks for: to be put in anew. Where nobody does that, a device of a group goes on as before, if it can follow; one that cannot, and may
 * decide it for all, goes on in a successor.
 */
import { silent, type ConversationState, type SessionContext, type Step } from "../conversation.ts";
import { stillLeftBehind } from "./doubt.ts";
import { isServed } from "../intents.ts";
import { mayAdminister } from "../group/memberChange.ts";
import { newRepair } from "./repair.ts";
import { notBefore } from "./repairPauses.ts";
import { isLeftAlone } from "./successor.ts";

/** Undefined: there is nothing to repair. `self`: the own account; `now`: by the relay's clock. */
export function wantRepair(state: ConversationState, self: string, now: number): Step | undefined {
  const { phase, restored, cursor } = state;
  if (phase === "opening" || phase === "ended") return undefined;
  const asking = newRepair(cursor, notBefore(restored, now));
  if (phase === "open" && isServed(state, self)) {
    return silent({ ...state, phase: "stuck", repair: { ...asking, wished: true } });
  }
  // Nobody can be asked by whom the relay does not serve: it looks again whether it was taken back.
  const goesOn = isLeftAlone(state) && mayAdminister(state.data, self);
  const more = goesOn ? { due: now, elsewhere: true as const } : { due: asking.due };
  return silent({ ...state, repair: { ...asking, ...state.repair, ...more } });
}

/** Nobody has put it in anew: it goes on from where it stands. What it cannot follow, if anything, it will find there. `now`: by the relay's clock. */
export function followingAgain(context: SessionContext, state: ConversationState, now: number): ConversationState {
  return stillLeftBehind(context, { ...state, phase: "open", repair: undefined }, now);
}
