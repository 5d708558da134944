/** Conversations that a backup brought: their past is in the timeline, and this device is not in them yet. */
import { isDirect } from "@tacit/protocol";
import type { SealedStore } from "../sealedStore.ts";
import type { BackedUpConversation } from "../session/backup.ts";
import { parseJson, utf8 } from "../session/bytes.ts";
import type { Change } from "../session/conversationStore.ts";
import { importedKey } from "../session/importedHistory.ts";

export interface RestoredConversation extends BackedUpConversation {
  readonly kind: "direct" | "group";
  /** Where the timeline goes on. */
  readonly nextPosition: number;
}

const restoredPrefix = "r/";

export function restored(conversation: BackedUpConversation, lastPosition: number): RestoredConversation {
  const kind = isDirect(conversation.id) ? "direct" : "group";
  return { ...conversation, kind, nextPosition: lastPosition + 1 };
}

/** The second one is what a Welcome to the conversation looks for. */
export function restoredChanges(conversation: RestoredConversation): readonly Change[] {
  const { id, nextPosition, members } = conversation;
  return [
    { key: restoredPrefix + id, value: utf8(JSON.stringify(conversation)) },
    { key: importedKey(id), value: utf8(JSON.stringify({ count: nextPosition - 1, members })) },
  ];
}

/** Those that this device has not entered yet. */
export async function restoredConversations(store: SealedStore): Promise<readonly RestoredConversation[]> {
  return (await store.scan(restoredPrefix)).map(([, value]) => {
    const conversation = parseJson(value);
    if (conversation === undefined) throw new Error("a stored conversation is damaged");
    return conversation as unknown as RestoredConversation;
  });
}

/** To be written with the step by which this device enters the conversation, or forgets it. */
export function withoutRestored(id: string): Change {
  return { key: restoredPrefix + id };
}
