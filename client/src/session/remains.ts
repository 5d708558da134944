/** What a conversation leaves behind that is given up: it keeps no keys, and sends nothing. */
import type { ConversationState, Step } from "./conversation.ts";
import { epochOf } from "./group/group.ts";
import { secretsOnlyIn } from "./group/storedGroup.ts";

/** The step, where it ends the conversation without anything that could be used or stolen later; all that goes is to be wiped, each once. */
export function withoutRemains(step: Step): Step {
  const { state } = step;
  const { phase, group, pending, outbox, intents } = state;
  const isBare = group === undefined && pending === undefined && outbox.length + intents.length === 0;
  if (phase !== "ended" || isBare) return step;
  const lastEpoch = group === undefined ? state.lastEpoch : Number(epochOf(group));
  const none = { group: undefined, pending: undefined, leaving: undefined, repair: undefined, outbox: [], intents: [] };
  return {
    ...step,
    state: { ...state, ...none, lastEpoch },
    consumed: [...new Set([...step.consumed, ...secretsIn(state)])],
  };
}

/** Of the group, and of an own commit that never happens. */
export function secretsIn({ group, pending }: Pick<ConversationState, "group" | "pending">): readonly Uint8Array[] {
  const secrets = [group, pending?.next].flatMap((each) => (each === undefined ? [] : secretsOnlyIn(each, undefined)));
  return [...new Set(secrets)];
}

/** Of an own commit that never happens, where the group is kept. */
export function secretsOfPending({ group, pending }: ConversationState): readonly Uint8Array[] {
  return pending === undefined ? [] : secretsOnlyIn(pending.next, group);
}
