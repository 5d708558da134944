/** Reading a message. */
import { decodeBase64Url, type Entry } from "@tacit/protocol";
import { placeOf, unlessBug, unreadable, type Applied, type ReadEntry } from "./applied.ts";
import { logDiffers } from "./logChain.ts";
import { decodeContent } from "../content.ts";
import {
  merged,
  messageKey,
  noted,
  silent,
  type ConversationState,
  type RecentEntry,
  type SessionContext,
} from "../conversation.ts";
import { doubting, isStrange } from "../repair/doubt.ts";
import { receive, type Processed } from "../group/groupMessages.ts";
import type { TimelineMessage } from "../timeline.ts";
import { withOthers } from "./unheard.ts";

export async function applyMessage(
  context: SessionContext,
  state: ConversationState,
  { entry, payload }: ReadEntry,
  recent: RecentEntry,
): Promise<Applied> {
  const own = state.outbox.find(({ sealed }) => sealed?.hash === recent.hash);
  if (own !== undefined) {
    const { id, text, sentAt } = own;
    const without = { ...state, outbox: state.outbox.filter(({ number }) => number !== own.number) };
    const mine = { from: context.account, device: context.device, id, text, sentAt, mine: true };
    return shown(without, entry, mine);
  }
  // A copy, byte by byte: its key is used up.
  if (state.recent.some(({ hash }) => hash === recent.hash)) return silent(state);
  if (payload === undefined) return unreadable(state, entry, "blob_lost");
  if (state.group === undefined) return unreadable(state, entry, "cannot_follow");
  let processed: Processed;
  try {
    processed = await receive(context, state.group, payload);
  } catch (error) {
    const reason = unlessBug(error, "cannot_decrypt" as const);
    return unreadable(isStrange(error) ? doubting(context, state, entry.at) : state, entry, reason);
  }
  // A handshake message in the clothes of a message: it did not take part in the order of turns.
  if (processed.kind !== "message") return unreadable(state, entry, "unknown_content");
  const { from, consumed } = processed;
  const { account } = from;
  const content = decodeContent(processed.plaintext);
  // Said by this device after its store was copied. What waits to be said was said, then.
  const isOwn = from.account === context.account && from.device === context.device;
  const others = isOwn ? { ...state, outbox: unsaid(state.outbox, content?.id) } : withOthers(state);
  const read = { ...others, group: processed.group };
  if (content === undefined) return { ...unreadable(read, entry, "unknown_content"), consumed };
  const sender = `${from.account} ${from.device}`;
  const isCopy =
    state.recent.some(({ message }) => message?.sender === sender && message.id === content.id) ||
    state.former.includes(messageKey({ sender, id: content.id }));
  if (isCopy) return { state: read, items: [], consumed };
  const heard = [{ ...from, said: content.record }];
  const warned = logDiffers(state, content.log, recent)
    ? noted(read, { kind: "logMismatch", with: from.account }, placeOf(entry))
    : silent(read);
  const { id, text, sentAt } = content;
  const message = { from: account, device: from.device, id, text, sentAt, mine: account === context.account };
  const { message: remembered, ...step } = shown(warned.state, entry, message);
  return {
    ...merged(warned, step),
    consumed,
    heard,
    ...(remembered === undefined ? {} : { message: remembered }),
    ...(content.log?.seq === entry.prev ? { chainBefore: decodeBase64Url(content.log.hash) } : {}),
  };
}

function unsaid(outbox: ConversationState["outbox"], id: string | undefined): ConversationState["outbox"] {
  return outbox.some((item) => item.id === id) ? outbox.filter((item) => item.id !== id) : outbox;
}

function shown(
  state: ConversationState,
  entry: Entry,
  message: Pick<TimelineMessage, "from" | "device" | "id" | "text" | "sentAt" | "mine">,
): Applied {
  const { from, device, id, text, sentAt, mine } = message;
  const item: TimelineMessage = {
    kind: "message",
    position: state.nextPosition,
    seq: entry.seq,
    id,
    from,
    device,
    text,
    sentAt,
    storedAt: entry.at,
    mine,
    status: "sent",
  };
  const after = { ...state, nextPosition: state.nextPosition + 1 };
  return { state: after, items: [item], consumed: [], message: { sender: `${from} ${device}`, id } };
}
