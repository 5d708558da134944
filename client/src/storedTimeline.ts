/** What the store has of a conversation's timeline before this device is in the conversation: history that it was handed. */
import type { SealedStore } from "./sealedStore.ts";
import type { ConversationState } from "./session/conversation.ts";
import { decodeTimelineItem, timelinePrefix } from "./session/conversationStore.ts";
import { handedId, importedPrefix } from "./session/importedHistory.ts";

type Reading = Pick<SealedStore, "scan">;

/** The conversation with its next place in the timeline behind what is stored there. */
export async function behindStored(store: Reading, state: ConversationState): Promise<ConversationState> {
  const [newest] = await store.scan(timelinePrefix(state.id), { reverse: true, limit: 1 });
  return newest === undefined ? state : { ...state, nextPosition: decodeTimelineItem(newest[1]).position + 1 };
}

export async function wasHanded(store: Reading, id: string): Promise<boolean> {
  const all = await store.scan(importedPrefix);
  return all.some(([, handed]) => handedId(handed) === id);
}
