/** What the store has of a conversation's timeline before this device is in the conversation: history that it was handed. */
import type { SealedStore } from "../sealedStore.ts";
import { recentLimit, type ConversationState } from "../session/conversation.ts";
import { decodeTimelineItem, timelinePrefix } from "../session/conversationStore.ts";
import { handedId, importedPrefix } from "../session/history/importedHistory.ts";
import { keyOf } from "./shownMessages.ts";

type Reading = Pick<SealedStore, "scan">;

/**
 * The conversation with its next place in the timeline behind what is stored there, and with what copies of its messages are known by: a
 * sender that never learned that one of them landed sends it again.
 */
export async function behindStored(store: Reading, state: ConversationState): Promise<ConversationState> {
  const stored = await store.scan(timelinePrefix(state.id), { reverse: true, limit: recentLimit });
  const [newest, ...older] = stored.map(([, value]) => decodeTimelineItem(value));
  if (newest === undefined) return state;
  const former = [newest, ...older].reverse().flatMap((item) => (item.kind === "message" ? [keyOf(item)] : []));
  return { ...state, nextPosition: newest.position + 1, former };
}

export async function wasHanded(store: Reading, id: string): Promise<boolean> {
  const all = await store.scan(importedPrefix);
  return all.some(([, handed]) => handedId(handed) === id);
}
