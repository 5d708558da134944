/**
 * History that this device was handed: it is stored at the beginning of a conversation's timeline, before the device is in the
 * conversation, and what it reads itself goes on from there.
 */
import { isCount, parseJson, utf8 } from "./bytes.ts";
import { newConversation, type ConversationState } from "./conversation.ts";
import { timelineKey, type Change } from "./conversationStore.ts";
import type { ArchivedConversation } from "./historyArchive.ts";

/** Where the store has it that a timeline begins with what was handed over, by the log that the conversation was in then. */
export function importedKey(log: string): string {
  return `a/imported/${log}`;
}

/** What to write for a conversation that the store has nothing of. */
export function imported(account: string, { id, log = id, items }: ArchivedConversation): readonly Change[] {
  const placed = items.map((item, index) => {
    const position = index + 1;
    return item.kind === "message" ? { ...item, position, mine: item.from === account } : { ...item, position };
  });
  return [
    ...placed.map((item) => ({ key: timelineKey(id, item.position), value: utf8(JSON.stringify(item)) })),
    { key: importedKey(log), value: utf8(JSON.stringify({ id, count: items.length })) },
  ];
}

/** The conversation in `log` as it is before this device joins it, going on behind what `stored` tells of. */
export function behindImported(log: string, roster: readonly string[], stored: Uint8Array): ConversationState {
  const { id, count } = parseJson(stored) ?? {};
  if (typeof id !== "string" || !isCount(count)) throw new Error("a stored import is damaged");
  return { ...newConversation(id, roster), log, nextPosition: count + 1 };
}
