/**
 * Reading one entry of the log. The log decides: what is in it happened, in its order, whatever answers said.
 *
 * A proposal or a commit is applied or void, and the verdict goes into the log's chain (logChain.ts). It is the same for all members
 * because it is a function of the entry, of the log before it, and of the group: the header (kind, group, epoch, turn, roster) is
 * clear text, the engine says which of its refusals `everyone` meets, and what it changes is judged by memberChange.ts, also on the
 * device that made it and on those that it removes. What only one device may lack (a blob, a path secret, an entry that expired)
 * makes no verdict: that device cannot follow, and says so. A member who was shown a false entry has a verdict of its own, and the
 * chain tells the others.
 */
import { decodeBase64Url, encodeBase64Url, type Entry } from "@tacit/protocol";
import { decodeCommitData, sameSet, type CommitData } from "./commitData.ts";
import { decodeContent } from "./content.ts";
import {
  merged,
  noted,
  silent,
  withGroup,
  withRecent,
  type ConversationState,
  type PendingCommit,
  type RecentEntry,
  type SessionContext,
  type Step,
} from "./conversation.ts";
import { sha256 } from "./cryptoContext.ts";
import {
  epochOf,
  handshakeHeader,
  identities,
  isGroupOf,
  MlsError,
  receive,
  secretsOnlyIn,
  type Group,
  type HandshakeHeader,
  type Processed,
} from "./groupEngine.ts";
import { extendChain, type Verdict } from "./logChain.ts";
import { memberChange } from "./memberChange.ts";
import { isTooLarge } from "./payloadSize.ts";
import type { TimelineMessage, TimelineNotice, UnreadableReason } from "./timeline.ts";

/** An entry, with its payload fetched; without where a blob is gone or is not what it was named after. */
export interface ReadEntry {
  readonly entry: Entry;
  readonly payload: Uint8Array | undefined;
}

/** A step, and what the chain and the memory of recent entries keep of it. */
type Applied = Step & {
  /** Of a proposal or commit; without one, this device cannot tell, and its chain is unknown until the next commit. */
  readonly verdict?: Verdict;
  readonly message?: RecentEntry["message"];
  /** The chain up to the entry before, as the sender has it. */
  readonly chainBefore?: Uint8Array;
};

/** Entries come in order; one that was read before is passed over. */
export async function applyEntry(context: SessionContext, state: ConversationState, read: ReadEntry): Promise<Step> {
  const { entry } = read;
  if (entry.seq <= state.cursor || state.phase === "ended" || state.phase === "awaitingWelcome") return silent(state);
  if (state.joinedAt !== undefined && entry.seq < state.joinedAt) return silent(state);

  const hash = payloadHash(context, entry);
  // What the Welcome brought counts as read.
  const isNext = entry.seq === state.joinedAt || entry.prev === (state.joinedAt ?? state.cursor);
  const at = placeOf(entry);
  const arrived = isNext
    ? silent(state)
    : noted(
        { ...state, epochIncomplete: true },
        { kind: "missing", after: state.joinedAt ?? state.cursor, before: entry.seq },
        at,
      );
  const recent = { seq: entry.seq, hash, chain: undefined, afterGap: !isNext };
  // A commit that fell to expiry took the epoch with it.
  const lostTurn = !isNext && entry.turn !== state.turn && state.phase === "open";
  const applied: Applied = lostTurn
    ? ended(arrived.state, { kind: "cannotFollow" }, at)
    : await applyKind(context, arrived.state, read, recent);
  const { verdict, message, chainBefore, ...step } = applied;
  // Where the creation turns out to be somebody else's, the log is read from the Welcome on.
  if (step.state.phase === "awaitingWelcome") return merged(arrived, step);

  // After a gap, the first sender who saw what this device did not says how the chain goes on: so a relay that feigns an expiry
  // does not end the comparison.
  const before = (isNext ? state.chain : undefined) ?? chainBefore;
  const judged = entry.kind === "message" ? "applied" : verdict;
  const chain = judged && extendChain(context.provider, before, entry, decodeBase64Url(hash), judged);
  const remembered = withRecent(step.state, {
    ...recent,
    chain: chain && encodeBase64Url(chain),
    ...(message === undefined ? {} : { message }),
  });
  return merged(arrived, { ...step, state: { ...remembered, cursor: entry.seq, chain, joinedAt: undefined } });
}

function applyKind(
  context: SessionContext,
  state: ConversationState,
  read: ReadEntry,
  recent: RecentEntry,
): Applied | Promise<Applied> {
  if (state.joinedAt !== undefined) {
    if (read.entry.seq === state.joinedAt) return applyJoining(state, read);
    // It expired: everything between is lost to this device, and a later commit would be too.
    if (read.entry.turn !== state.turn) return ended(state, { kind: "cannotFollow" }, placeOf(read.entry));
  }
  switch (read.entry.kind) {
    case "message":
      return applyMessage(context, state, read, recent);
    case "proposal":
      return applyProposal(context, state, read, read.entry);
    case "commit":
      return applyCommit(context, state, read, read.entry, recent);
  }
}

/**
 * The Welcome brought what this commit did; that the commit is where the relay says it is has to be seen. A header that does not fit
 * means a false place, or a commit that is void for the members: there is no way in from here.
 */
function applyJoining(state: ConversationState, { entry, payload }: ReadEntry): Applied {
  const header = payload && handshakeHeader(payload, "commit");
  const holds =
    entry.kind === "commit" &&
    entry.turn + 1 === state.turn &&
    state.group !== undefined &&
    header !== undefined &&
    header.epoch + 1n === epochOf(state.group) &&
    isGroupOf(header.groupId, state.id) &&
    commitDataOf(header, entry) !== undefined;
  if (!holds) return ended(state, { kind: "cannotFollow" }, placeOf(entry));
  return { ...silent(state), verdict: "applied" };
}

async function applyMessage(
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
  const heard = [{ ...from, said: content.record }];
  const warned = logDiffers(state, content.log, recent)
    ? noted(read, { kind: "logMismatch", with: from.account }, placeOf(entry))
    : silent(read);
  const { id, text, sentAt } = content;
  const message = { from: from.account, device: from.device, id, text, sentAt, mine: from.device === context.device };
  const { message: remembered, ...step } = shown(warned.state, entry, message);
  return {
    ...merged(warned, step),
    consumed,
    heard,
    ...(remembered === undefined ? {} : { message: remembered }),
    ...(content.log?.seq === entry.prev ? { chainBefore: decodeBase64Url(content.log.hash) } : {}),
  };
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
  { payload }: ReadEntry,
  entry: Extract<Entry, { kind: "proposal" }>,
): Promise<Applied> {
  if (payload === undefined || state.group === undefined) {
    return unreadable({ ...state, epochIncomplete: true }, entry, "cannot_follow");
  }
  const header = handshakeHeader(payload, "proposal");
  if (header === undefined || !isOfEpoch(header, state.id, epochOf(state.group))) return voided(state, entry);
  let processed: Processed;
  try {
    processed = await receive(context, state.group, payload);
  } catch (error) {
    if (isLocal(error, state)) return unreadable({ ...state, epochIncomplete: true }, entry, "cannot_follow");
    return voided(state, entry);
  }
  if (processed.kind !== "proposal" || processed.from.account !== entry.account) return voided(state, entry);
  const { group, consumed } = processed;
  return { state: { ...state, group }, items: [], consumed, verdict: "applied" };
}

async function applyCommit(
  context: SessionContext,
  state: ConversationState,
  { payload }: ReadEntry,
  entry: CommitEntry,
  recent: RecentEntry,
): Promise<Applied> {
  const { pending, group } = state;
  // By what it is: the entry's id is the relay's to write.
  const own = pending?.hash === recent.hash ? pending : undefined;
  if (own === undefined && (group === undefined || state.phase === "opening")) {
    const waiting = { ...state, pending: undefined, group: undefined, phase: "awaitingWelcome" as const };
    return { state: waiting, items: [], consumed: lostSecrets(pending, undefined) };
  }
  // The relay numbers the turns without a gap; this one it made up.
  if (entry.turn !== state.turn) return voided(state, entry);

  // An own commit that is not this one, or is void, never happens: it names this turn, which is over.
  const following = { ...state, turn: entry.turn + 1, pending: undefined };
  const lost = lostSecrets(pending, group);
  const at = placeOf(entry);
  // No member reads it, so it changes nothing for any.
  if (isTooLarge(entry.payload)) return { ...voided(following, entry), consumed: lost };
  const bytes = own?.commit ?? payload;
  if (bytes === undefined) return { ...ended(following, { kind: "cannotFollow" }, at), consumed: lost };
  const header = handshakeHeader(bytes, "commit");
  const data = header && commitDataOf(header, entry);
  const epoch = group === undefined ? 0n : epochOf(group);
  const found =
    header === undefined || data === undefined || !isOfEpoch(header, state.id, epoch)
      ? "void"
      : await changeOf(context, state, bytes, own);
  if (found === "cannotFollow") return { ...ended(following, { kind: found }, at), consumed: lost };
  const before = group === undefined ? [] : identities(group);
  const change = found === "void" || !found.isPlain ? undefined : memberChange(state.id, before, found.after);
  if (
    found === "void" ||
    change === undefined ||
    found.from !== entry.account ||
    !sameSet(entry.roster.add, change.added) ||
    !sameSet(entry.roster.remove, change.removed)
  ) {
    // Who wanted to create it with this has nothing to go on with.
    const stopped = group === undefined ? ended(following, { kind: "cannotFollow" }, at) : voided(following, entry);
    return { ...stopped, consumed: lost };
  }

  const { added, removed, devicesChanged } = change;
  const by = found.from;
  const consumed = own === undefined ? [...found.consumed, ...lost] : found.consumed;
  const notice: TimelineNotice =
    own?.kind === "create"
      ? { kind: "opened", by }
      : added.length + removed.length > 0
        ? { kind: "membersChanged", added, removed, by }
        : devicesChanged.length > 0
          ? { kind: "devicesChanged", accounts: devicesChanged, by }
          : { kind: "keysChanged", by };
  if (found.removed) return { ...ended(following, notice, at), consumed, verdict: "applied" };
  const followed = { ...withGroup(following, found.group), phase: "open" as const, epochIncomplete: false };
  const warned =
    own === undefined && logDiffers(state, data?.log, recent)
      ? noted(followed, { kind: "logMismatch", with: by }, at)
      : silent(followed);
  return { ...merged(warned, noted(warned.state, notice, at)), consumed, verdict: "applied" };
}

type CommitEntry = Extract<Entry, { kind: "commit" }>;

/** What the commit says of its place, where that is its place. */
function commitDataOf(header: HandshakeHeader, entry: CommitEntry): CommitData | undefined {
  const data = decodeCommitData(header.authenticatedData);
  if (data === undefined || data.turn !== entry.turn) return undefined;
  return sameSet(data.add, entry.roster.add) && sameSet(data.remove, entry.roster.remove) ? data : undefined;
}

function isOfEpoch(header: HandshakeHeader, conversation: string, epoch: bigint): boolean {
  return header.epoch === epoch && isGroupOf(header.groupId, conversation);
}

interface FoundCommit {
  readonly group: Group;
  readonly after: ReturnType<typeof identities>;
  /** The account that made it. */
  readonly from: string;
  readonly isPlain: boolean;
  readonly removed: boolean;
  readonly consumed: readonly Uint8Array[];
}

/** What the commit makes of the group; an own one was computed when it was made. */
async function changeOf(
  context: SessionContext,
  state: ConversationState,
  commit: Uint8Array,
  own: PendingCommit | undefined,
): Promise<FoundCommit | "void" | "cannotFollow"> {
  const { group } = state;
  if (own !== undefined) {
    const { next } = own;
    // After a restart: the secrets of the epoch that ends.
    const consumed = own.consumedByNext ?? (group === undefined ? [] : secretsOnlyIn(group, next));
    return { group: next, after: identities(next), from: context.account, isPlain: true, removed: false, consumed };
  }
  if (group === undefined) return "cannotFollow";
  try {
    const processed = await receive(context, group, commit);
    return processed.kind === "commit" ? { ...processed, from: processed.from.account } : "void";
  } catch (error) {
    // An own commit that this device does not know of: the others may have taken it.
    if (error instanceof MlsError && error.code === "own_message") return "cannotFollow";
    return isLocal(error, state) ? "cannotFollow" : "void";
  }
}

/** What the engine finds because of something that this device may have missed, and others not. */
const missedCodes: readonly string[] = ["unknown_proposal", "generation_consumed", "generation_too_far"];

/** Whether others may find otherwise. @throws what is not the engine's answer: a bug must not pass for one */
function isLocal(error: unknown, { epochIncomplete }: ConversationState): boolean {
  if (!(error instanceof MlsError)) throw error;
  // Tacit's groups use no PSKs: no member has one.
  if (error.code === "psk_missing") return false;
  return !error.everyone || (epochIncomplete && missedCodes.includes(error.code));
}

/** Of a commit that never happens. */
function lostSecrets(pending: PendingCommit | undefined, group: Group | undefined): readonly Uint8Array[] {
  return pending === undefined ? [] : secretsOnlyIn(pending.next, group);
}

function voided(state: ConversationState, entry: Extract<Entry, { account: string }>): Applied {
  return { ...noted(state, { kind: "void", by: entry.account }, placeOf(entry)), verdict: "void" };
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
