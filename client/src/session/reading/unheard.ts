/**
 * An own commit that expired unread, and that this device applied because the relay says that it landed (docs/decisions/0041): until somebody
 * else is seen in its epoch, this device may be alone there. The others may be in the one before, and go on from that; so it keeps what is
 * needed to go with them.
 */
import type { LeafIdentity } from "../group/authenticate.ts";
import type { ConversationState, Intent } from "../conversation.ts";
import { accountsIn, identities } from "../group/group.ts";
import type { GroupData } from "../group/groupData.ts";

/** The epoch before, and what the commit was for. */
export interface Unheard {
  readonly leaves: readonly LeafIdentity[];
  readonly data: GroupData;
  readonly expelled: readonly string[];
  /** Without what was claimed for it: that is used up. */
  readonly intent: Intent | undefined;
}

/** `after` the own commit that was pending in `before`. */
export function withUnheard(before: ConversationState, after: ConversationState): ConversationState {
  const { group, data, expelled, pending, intents } = before;
  if (group === undefined || after.group === undefined || after.group.epoch === group.epoch) return after;
  const intent = intents.find(({ id }) => id === pending?.intent);
  const kept = intent !== undefined && "claimed" in intent ? { ...intent, claimed: [] } : intent;
  return { ...after, unheard: { leaves: identities(group), data, expelled, intent: kept } };
}

/** Somebody else is in the epoch, or comes in by a commit that stands in the log. */
export function withOthers(state: ConversationState): ConversationState {
  return state.unheard === undefined ? state : { ...state, unheard: undefined };
}

/** As this device was before. Undefined: it is not in question. */
export function asBefore(state: ConversationState): ConversationState | undefined {
  const { unheard } = state;
  if (unheard === undefined) return undefined;
  const { leaves, data, expelled } = unheard;
  const roster = accountsIn(leaves);
  return { ...state, group: undefined, anchors: leaves, roster, data, expelled, unheard: undefined };
}

/** The commit counts for nothing where the others went on without it: what it was for is to become true there. */
export function withIntentAgain(state: ConversationState): ConversationState {
  const intent = state.unheard?.intent;
  const isMissing = intent !== undefined && !state.intents.some(({ id }) => id === intent.id);
  return { ...state, intents: isMissing ? [intent, ...state.intents] : state.intents };
}
