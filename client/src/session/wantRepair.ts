/** What `repair()` asks for: to be put in anew, or, where nobody does that and this device may decide it for all, to go on in a successor. */
import { silent, type ConversationState, type Step } from "./conversation.ts";
import { isServed } from "./intents.ts";
import { mayAdminister } from "./memberChange.ts";
import { secretsOfPending } from "./remains.ts";
import { notBefore } from "./repairPauses.ts";
import { isLeftAlone } from "./successor.ts";

/** Undefined: there is nothing to repair. `self`: the own account; `now`: by the relay's clock. */
export function wantRepair(state: ConversationState, self: string, now: number): Step | undefined {
  const { phase, restored } = state;
  if (phase === "opening" || phase === "ended") return undefined;
  const goesOn = isLeftAlone(state) && mayAdminister(state.data, self);
  const repair = {
    attempts: 0,
    after: state.cursor,
    ...state.repair,
    due: goesOn ? now : notBefore(restored, now),
    ...(goesOn ? { elsewhere: true as const } : {}),
  };
  // Nobody can be asked by whom the relay does not serve: it looks again whether it was taken back.
  if (phase === "open" && !isServed(state, self)) return silent({ ...state, repair });
  const asking = { ...state, phase: phase === "open" ? ("stuck" as const) : phase, pending: undefined, repair };
  return { ...silent(asking), consumed: secretsOfPending(state) };
}
