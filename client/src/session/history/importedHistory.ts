/**
 * History that this device was handed: it is stored at the beginning of a conversation's timeline, before the device is in the
 * conversation, and what it reads itself goes on from there.
 */
import { parseJson, utf8 } from "../bytes.ts";
import { timelineKey, type Change } from "../conversationStore.ts";
import type { TimelineItem } from "../timeline.ts";
import type { ArchivedConversation } from "./historyArchive.ts";

/** Where the store has it that a timeline begins with what was handed over, by the log that the conversation was in then. */
export function importedKey(log: string): string {
  return `${importedPrefix}${log}`;
}

export const importedPrefix = "a/imported/";

export interface ImportedHistory {
  readonly id: string;
  /** Oldest first, at the beginning of the timeline. */
  readonly items: readonly TimelineItem[];
  /** Says that it was handed over. */
  readonly mark: Change;
}

export function imported(account: string, { id, log = id, items }: ArchivedConversation): ImportedHistory {
  const placed = items.map((item, index): TimelineItem => {
    const position = index + 1;
    return item.kind === "message" ? { ...item, position, mine: item.from === account } : { ...item, position };
  });
  return { id, items: placed, mark: { key: importedKey(log), value: utf8(JSON.stringify({ id })) } };
}

/** What to write for a conversation that the store has nothing of. */
export function changesOf({ id, items, mark }: ImportedHistory): readonly Change[] {
  const written = items.map((item) => ({ key: timelineKey(id, item.position), value: utf8(JSON.stringify(item)) }));
  return [...written, mark];
}

/** The conversation of which the store has that a device was handed history. */
export function handedId(handed: Uint8Array): string {
  const { id } = parseJson(handed) ?? {};
  if (typeof id !== "string") throw new Error("a stored import is damaged");
  return id;
}
