/**
 * Conversations that a backup brought: their past is in the timeline, and this device is not in them yet. It cannot follow them, as a device
 * that lost its state cannot, and asks to be put in anew (repairRequest.ts), with the proof that the account is the same.
 */
import { isDirect } from "@tacit/protocol";
import type { SealedStore } from "../sealedStore.ts";
import type { BackedUpConversation } from "../session/history/backup.ts";
import { parseJson, utf8 } from "../session/bytes.ts";
import { newConversation, type ConversationState } from "../session/conversation.ts";
import type { Change } from "../session/conversationStore.ts";
import { plainData } from "../session/group/groupData.ts";
import { newRepair } from "../session/repair/repair.ts";
import type { TimelineItem } from "../session/timeline.ts";

export interface RestoredConversation extends BackedUpConversation {
  readonly kind: "direct" | "group";
  /** Where the timeline goes on, and the place in the log of its last item. */
  readonly nextPosition: number;
  readonly lastSeq: number;
}

const restoredPrefix = "r/";

export function restored(conversation: BackedUpConversation, newest: TimelineItem | undefined): RestoredConversation {
  const kind = isDirect(conversation.id) ? "direct" : "group";
  const { position, seq } = newest ?? { position: 0, seq: 0 };
  return { ...conversation, kind, nextPosition: position + 1, lastSeq: seq };
}

export function storedRestored(conversation: RestoredConversation): Change {
  return { key: restoredPrefix + conversation.id, value: utf8(JSON.stringify(conversation)) };
}

/** Those that this device has not entered yet. */
export async function restoredConversations(store: SealedStore): Promise<readonly RestoredConversation[]> {
  return (await store.scan(restoredPrefix)).map(([, value]) => {
    const conversation = parseJson(value);
    if (conversation === undefined) throw new Error("a stored conversation is damaged");
    return conversation as unknown as RestoredConversation;
  });
}

/** Once this device has the conversation. */
export function withoutRestored(id: string): Change {
  return { key: restoredPrefix + id };
}

export function restoredState({
  id,
  log,
  members,
  keys = [],
  title,
  ended,
  requestBy,
  nextPosition,
  lastSeq,
}: RestoredConversation): ConversationState {
  const fresh = newConversation(id, members, title === undefined ? plainData : { ...plainData, title });
  // Of which device each key was then does not matter: what the accounts' records list now does.
  const anchors = members.flatMap((account, index) => {
    const accountKey = keys[index];
    return accountKey === undefined ? [] : [{ account, device: "", accountKey, formerKeys: [] }];
  });
  const placed = { ...fresh, log, nextPosition, cursor: lastSeq, anchors };
  return ended === true
    ? { ...placed, phase: "ended", requestBy, wasWanted: requestBy !== undefined }
    : { ...placed, phase: "stuck", repair: newRepair(lastSeq, 0) };
}
