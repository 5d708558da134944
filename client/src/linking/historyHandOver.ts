/** Recent history on its way from the holder to a device that it links: archived, uploaded, and on the other side stored. */
import type { ConversationBook } from "../conversation/conversationBook.ts";
import { TacitError } from "../errors.ts";
import { received, uploaded, type PayloadDeps } from "../payloads.ts";
import type { SealedStore } from "../sealedStore.ts";
import { isKept } from "../session/conversation.ts";
import { decodeTimelineItem, timelinePrefix } from "../session/conversationStore.ts";
import {
  handOverLimits,
  packHistory,
  unpackHistory,
  type ArchivedConversation,
} from "../session/history/historyArchive.ts";
import type { HandedHistory } from "../session/linking/linkAnswer.ts";

/** The newest of what the timeline of a conversation holds. */
async function archived(
  store: SealedStore,
  conversation: Required<Omit<ArchivedConversation, "items">>,
): Promise<ArchivedConversation> {
  const { id, log, members, title } = conversation;
  const limit = handOverLimits.itemsPerConversation;
  const newest = await store.scan(timelinePrefix(id), { reverse: true, limit });
  const items = newest.map(([, value]) => decodeTimelineItem(value)).reverse();
  return { id, members, items, ...(log === id ? {} : { log }), ...(title === "" ? {} : { title }) };
}

/** What a device that is linked is given of the past: of what its user wanted. */
export function archivedPast(store: SealedStore, book: ConversationBook): Promise<readonly ArchivedConversation[]> {
  const wanted = book.all().filter(({ snapshot }) => isKept(snapshot));
  return Promise.all(
    wanted.map(({ id, snapshot, members, info }) =>
      archived(store, { id, log: snapshot.log, members, title: info.current.title }),
    ),
  );
}

/** Undefined where there is nothing to hand over. @throws Refused, LostAnswer */
export async function handOver(
  deps: PayloadDeps,
  conversations: readonly ArchivedConversation[],
): Promise<HandedHistory | undefined> {
  if (conversations.length === 0) return undefined;
  const { key, chunks } = packHistory((length) => deps.provider.random(length), conversations, handOverLimits);
  const blobs = [];
  for (const chunk of chunks) blobs.push((await uploaded(deps, chunk)).blob);
  return { key, blobs };
}

/** What was handed over. @throws TacitError `history_lost`; Refused, LostAnswer */
export async function fetchedHistory(
  deps: PayloadDeps,
  { key, blobs }: HandedHistory,
): Promise<readonly ArchivedConversation[]> {
  const chunks: Uint8Array[] = [];
  for (const blob of blobs) {
    const chunk = await received(deps, { blob });
    if (chunk === undefined) throw new TacitError("history_lost", "the history that was handed over is gone");
    chunks.push(chunk);
  }
  const conversations = unpackHistory({ key, chunks });
  if (conversations === undefined) throw new TacitError("history_lost", "the history that was handed over is damaged");
  return conversations;
}
