/** What the store has of a conversation's timeline before this device is in the conversation: history that it was handed. */
import type { SealedStore } from "../sealedStore.ts";
import { recentLimit, type ConversationState } from "../session/conversation.ts";
import { decodeTimelineItem, timelinePrefix } from "../session/conversationStore.ts";
import { handedId, importedPrefix } from "../session/history/importedHistory.ts";
import type { TimelineItem } from "../session/timeline.ts";
import { keyOf } from "./shownMessages.ts";

type Reading = Pick<SealedStore, "scan">;

export async function behindStored(store: Reading, state: ConversationState): Promise<ConversationState> {
  const stored = await store.scan(timelinePrefix(state.id), { reverse: true, limit: recentLimit });
  return behind(state, stored.map(([, value]) => decodeTimelineItem(value)).reverse());
}

/**
 * The conversation with its next place in the timeline behind `items`, oldest first, and with what copies of its messages are known by: a
 * sender that never learned that one of them landed sends it again.
 */
export function behind(state: ConversationState, items: readonly TimelineItem[]): ConversationState {
  const newest = items.at(-1);
  if (newest === undefined) return state;
  const former = items.slice(-recentLimit).flatMap((item) => (item.kind === "message" ? [keyOf(item)] : []));
  return { ...state, nextPosition: newest.position + 1, former };
}

export async function wasHanded(store: Reading, id: string): Promise<boolean> {
  const all = await store.scan(importedPrefix);
  return all.some(([, handed]) => handedId(handed) === id);
}
