/** Reading one entry of the log. The log decides: what is in it happened, in its order, whatever answers said. */
import { decodeBase64Url, encodeBase64Url, type Entry } from "@tacit/protocol";
import { decodeCommitData, sameSet } from "./commitData.ts";
import { decodeContent } from "./content.ts";
import {
  merged,
  noted,
  silent,
  withGroup,
  withRecent,
  type ConversationState,
  type RecentEntry,
  type SessionContext,
  type Step,
} from "./conversation.ts";
import { sha256 } from "./cryptoContext.ts";
import { accountsOf, MlsError, receive, type Processed } from "./groupEngine.ts";
import { extendChain } from "./logChain.ts";
import type { TimelineMessage, TimelineNotice, UnreadableReason } from "./timeline.ts";

/** An entry, with its payload fetched; without where a blob is gone or is not what it was named after. */
export interface ReadEntry {
  readonly entry: Entry;
  readonly payload: Uint8Array | undefined;
}

/** Entries come in order; one that was read before is passed over. */
export async function applyEntry(context: SessionContext, state: ConversationState, read: ReadEntry): Promise<Step> {
  const { entry } = read;
  if (entry.seq <= state.cursor || state.phase === "ended" || state.phase === "awaitingWelcome") return silent(state);
  if (state.joinedAt !== undefined && entry.seq < state.joinedAt) return silent(state);

  const hash = payloadHash(context, entry);
  const gap = state.joinedAt === undefined && entry.prev !== state.cursor;
  const at = { seq: entry.seq, storedAt: entry.at };
  const arrived = gap ? noted(state, { kind: "missing", after: state.cursor, before: entry.seq }, at) : silent(state);
  // A commit that fell to expiry took the epoch with it.
  const lostTurn = gap && entry.turn !== state.turn && state.phase === "open";
  const judged = lostTurn ? merged(arrived, ended(arrived.state, { kind: "cannotFollow" }, at)) : arrived;

  const chain = extendChain(context.provider, gap ? undefined : state.chain, entry, decodeBase64Url(hash));
  const recent = { seq: entry.seq, hash, chain: chain && encodeBase64Url(chain), afterGap: gap };
  const applied = lostTurn ? silent(judged.state) : await applyKind(context, judged.state, read, recent);
  // Where the creation turns out to be somebody else's, the log is read from the Welcome on.
  if (applied.state.phase === "awaitingWelcome") return merged(judged, applied);
  const last = applied.state.recent.at(-1);
  const remembered = last?.seq === entry.seq ? applied.state : withRecent(applied.state, recent);
  return merged(judged, { ...applied, state: { ...remembered, cursor: entry.seq, chain, joinedAt: undefined } });
}

function applyKind(
  context: SessionContext,
  state: ConversationState,
  read: ReadEntry,
  recent: RecentEntry,
): Step | Promise<Step> {
  if (state.joinedAt !== undefined) {
    // The Welcome brought what this commit did.
    if (read.entry.seq === state.joinedAt) return silent({ ...state, turn: read.entry.turn + 1 });
    // It expired: everything between is lost to this device, and a later commit would be too.
    if (read.entry.turn !== state.turn) return ended(state, { kind: "cannotFollow" }, placeOf(read.entry));
  }
  switch (read.entry.kind) {
    case "message":
      return applyMessage(context, state, read, recent);
    case "proposal":
      return applyProposal(context, state, read);
    case "commit":
      return applyCommit(context, state, read, read.entry, recent);
  }
}

async function applyMessage(
  context: SessionContext,
  state: ConversationState,
  { entry, payload }: ReadEntry,
  recent: RecentEntry,
): Promise<Step> {
  const own = state.outbox.find(({ sealed }) => sealed?.hash === recent.hash);
  if (own !== undefined) {
    const { id, text, sentAt } = own;
    const without = { ...state, outbox: state.outbox.filter(({ number }) => number !== own.number) };
    const mine = { from: context.account, device: context.device, id, text, sentAt, mine: true };
    return shown(without, entry, mine, recent);
  }
  // A copy, byte by byte: its key is used up.
  if (state.recent.some(({ hash }) => hash === recent.hash)) return silent(state);
  if (payload === undefined) return unreadable(state, entry, "blob_lost");
  if (state.group === undefined) return unreadable(state, entry, "cannot_follow");
  let processed: Processed;
  try {
    processed = await receive(context, state.group, payload);
  } catch (error) {
    return unreadable(state, entry, unlessBug(error, "cannot_decrypt"));
  }
  // A handshake message in the clothes of a message: it did not take part in the order of turns.
  if (processed.kind !== "message") return unreadable(state, entry, "unknown_content");
  const { from, consumed } = processed;
  const read = { ...state, group: processed.group };
  const content = decodeContent(processed.plaintext);
  if (content === undefined) return { ...unreadable(read, entry, "unknown_content"), consumed };
  const sender = `${from.account} ${from.device}`;
  const isCopy = state.recent.some(({ message }) => message?.sender === sender && message.id === content.id);
  if (isCopy) return { state: read, items: [], consumed };
  const warned = logDiffers(state, content.log, recent)
    ? noted(read, { kind: "logMismatch", with: from.account }, placeOf(entry))
    : silent(read);
  const { id, text, sentAt } = content;
  const message = { from: from.account, device: from.device, id, text, sentAt, mine: from.device === context.device };
  return { ...merged(warned, shown(warned.state, entry, message, recent)), consumed };
}

function shown(
  state: ConversationState,
  entry: Entry,
  message: Pick<TimelineMessage, "from" | "device" | "id" | "text" | "sentAt" | "mine">,
  recent: RecentEntry,
): Step {
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
  const remembered = withRecent(state, { ...recent, message: { sender: `${from} ${device}`, id } });
  return { state: { ...remembered, nextPosition: state.nextPosition + 1 }, items: [item], consumed: [] };
}

/** Whether the sender of `reading` saw another log than this device did, as far as the two can be compared. */
function logDiffers(
  { recent }: ConversationState,
  mark: { readonly seq: number; readonly hash: string } | undefined,
  reading: RecentEntry,
): boolean {
  const oldest = recent[0];
  if (mark === undefined || oldest === undefined || mark.seq < oldest.seq) return false;
  const known = [...recent, reading].find(({ seq }) => seq >= mark.seq) ?? reading;
  // It names an entry that this device was not shown, unless that is one of those known to be missing.
  if (known.seq !== mark.seq || known === reading) return !known.afterGap;
  return known.chain !== undefined && known.chain !== mark.hash;
}

async function applyProposal(
  context: SessionContext,
  state: ConversationState,
  { entry, payload }: ReadEntry,
): Promise<Step> {
  if (payload === undefined || state.group === undefined || entry.kind !== "proposal") {
    return unreadable(state, entry, "cannot_follow");
  }
  try {
    const processed = await receive(context, state.group, payload);
    if (processed.kind !== "proposal" || processed.from.account !== entry.account) {
      return noted(state, { kind: "void", by: entry.account }, placeOf(entry));
    }
    return { state: { ...state, group: processed.group }, items: [], consumed: processed.consumed };
  } catch (error) {
    unlessBug(error, undefined);
    return noted(state, { kind: "void", by: entry.account }, placeOf(entry));
  }
}

async function applyCommit(
  context: SessionContext,
  state: ConversationState,
  { payload }: ReadEntry,
  entry: Extract<Entry, { kind: "commit" }>,
  recent: RecentEntry,
): Promise<Step> {
  const { pending } = state;
  const turn = entry.turn + 1;
  const at = placeOf(entry);
  if (pending !== undefined && pending.entry === entry.id && pending.hash === recent.hash) {
    const applied = { ...withGroup(state, pending.next), phase: "open" as const, turn, pending: undefined };
    const notice = { kind: pending.kind === "create" ? "opened" : "keysChanged", by: context.account } as const;
    return { ...noted(applied, notice, at), consumed: pending.consumedByNext ?? [] };
  }
  // Another commit ended the turn: the own one never happened.
  const following = { ...state, turn, pending: undefined };
  if (state.group === undefined || state.phase === "opening") {
    return silent({ ...state, pending: undefined, group: undefined, phase: "awaitingWelcome" });
  }
  if (payload === undefined) return ended(following, { kind: "cannotFollow" }, at);
  let processed: Processed;
  try {
    processed = await receive(context, state.group, payload);
  } catch (error) {
    if (error instanceof MlsError && error.everyone) return noted(following, { kind: "void", by: entry.account }, at);
    unlessBug(error, undefined);
    return ended(following, { kind: "cannotFollow" }, at);
  }
  if (processed.kind !== "commit") return noted(following, { kind: "void", by: entry.account }, at);
  const before = accountsOf(state.group);
  const after = accountsOf(processed.group);
  const added = after.filter((account) => !before.includes(account));
  const removed = processed.removed ? entry.roster.remove : before.filter((account) => !after.includes(account));
  const data = decodeCommitData(processed.authenticatedData);
  const holds =
    data !== undefined &&
    processed.from.account === entry.account &&
    sameSet(data.add, entry.roster.add) &&
    sameSet(data.remove, entry.roster.remove) &&
    sameSet(entry.roster.add, added) &&
    sameSet(entry.roster.remove, removed);
  if (!holds) return noted(following, { kind: "void", by: entry.account }, at);

  const by = processed.from.account;
  const { consumed } = processed;
  if (processed.removed) {
    return { ...ended(following, { kind: "membersChanged", added, removed, by }, at), consumed };
  }
  const followed = withGroup(following, processed.group);
  const warned = logDiffers(state, data.log, recent)
    ? noted(followed, { kind: "logMismatch", with: by }, at)
    : silent(followed);
  const notice: TimelineNotice =
    added.length + removed.length > 0 ? { kind: "membersChanged", added, removed, by } : { kind: "keysChanged", by };
  return { ...merged(warned, noted(warned.state, notice, at)), consumed };
}

function ended(
  state: ConversationState,
  notice: TimelineNotice,
  at: { readonly seq: number; readonly storedAt: number },
): Step {
  return noted({ ...state, phase: "ended", pending: undefined }, notice, at);
}

function unreadable(state: ConversationState, entry: Entry, reason: UnreadableReason): Step {
  return noted(state, { kind: "unreadable", reason, retryable: false }, placeOf(entry));
}

/** Only what the engine says of its input is an answer; anything else is a bug and must not pass for one. */
function unlessBug<T>(error: unknown, value: T): T {
  if (error instanceof MlsError) return value;
  throw error;
}

function placeOf({ seq, at }: Entry): { readonly seq: number; readonly storedAt: number } {
  return { seq, storedAt: at };
}

function payloadHash(context: SessionContext, { payload }: Entry): string {
  if ("blob" in payload) return payload.blob.hash;
  return encodeBase64Url(sha256(context.provider, decodeBase64Url(payload.inline)));
}
