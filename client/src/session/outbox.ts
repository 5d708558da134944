/**
 * What waits to be sent. An item is plain text until its turn comes, then a ciphertext of the epoch, stored before it is sent
 * and repeated as it is; a commit in between makes it plain text again, because the epoch's keys are gone.
 */
import { encodeBase64Url, limits, type Entry } from "@tacit/protocol";
import { encodeContent, paddingFor } from "./content.ts";
import { silent, type ConversationState, type OutboxItem, type SessionContext, type Step } from "./conversation.ts";
import { randomId, sha256 } from "./cryptoContext.ts";
import { encrypt } from "./group/groupMessages.ts";

/** Room in a request frame for entries, after everything around them. */
const frameBudget = limits.requestFrame - 1_024;
/** `{"id":"…22…","payload":{"inline":"…"}},` or a blob's reference. */
const entryOverhead = 160;

export function enqueue(
  state: ConversationState,
  message: { readonly id: string; readonly text: string; readonly sentAt: number },
): ConversationState {
  return {
    ...state,
    outbox: [...state.outbox, { number: state.nextOutbox, ...message }],
    nextOutbox: state.nextOutbox + 1,
  };
}

export function dropOutgoing(state: ConversationState, numbers: readonly number[]): ConversationState {
  return { ...state, outbox: state.outbox.filter(({ number }) => !numbers.includes(number)) };
}

/** As plain text again: what was sealed is of a log that is over. */
export function unsealed(outbox: readonly OutboxItem[]): readonly OutboxItem[] {
  return outbox.map(({ number, id, text, sentAt }) => ({ number, id, text, sentAt }));
}

/** The first items that are ready to go, as many as fit a frame. */
export function nextBatch(
  state: ConversationState,
): readonly (OutboxItem & { readonly sealed: NonNullable<OutboxItem["sealed"]> })[] {
  const batch = [];
  let size = 0;
  for (const item of state.outbox.slice(0, limits.appendEntries)) {
    const { sealed } = item;
    if (sealed === undefined || sealed.turn !== state.turn) break;
    size += entrySize(sealed.ciphertext.length);
    if (size > frameBudget && batch.length > 0) break;
    batch.push({ ...item, sealed });
  }
  return batch;
}

/** Seals what fits the next frame. */
export async function sealBatch(context: SessionContext, before: ConversationState): Promise<Step> {
  let step = silent(before);
  let size = 0;
  for (const item of before.outbox.slice(0, limits.appendEntries)) {
    if (item.sealed?.turn !== before.turn) step = await seal(context, step, item);
    const sealed = step.state.outbox.find(({ number }) => number === item.number)?.sealed;
    size += entrySize(sealed?.ciphertext.length ?? 0);
    if (size > frameBudget) break;
  }
  return step;
}

async function seal(context: SessionContext, step: Step, item: OutboxItem): Promise<Step> {
  const { state } = step;
  if (state.group === undefined) throw new Error("only an open conversation seals");
  const content = encodeContent({
    id: item.id,
    text: item.text,
    sentAt: item.sentAt,
    record: context.record,
    log: state.chain && { seq: state.cursor, hash: encodeBase64Url(state.chain) },
  });
  const { group, message, consumed } = await encrypt(state.group, content, paddingFor(content.length));
  const sealed = {
    turn: state.turn,
    entry: randomId(context.provider),
    ciphertext: message,
    hash: encodeBase64Url(sha256(context.provider, message)),
  };
  return {
    state: {
      ...state,
      group,
      outbox: state.outbox.map((each) => (each.number === item.number ? { ...each, sealed } : each)),
    },
    items: step.items,
    consumed: [...step.consumed, ...consumed],
  };
}

/**
 * The own entries that the relay says it accepted, where they are the next ones of the log: seqs grow, so between a cursor and
 * cursor + 1 there is nothing. Undefined: others came in between, so read.
 */
export function ownEntries(
  state: ConversationState,
  accepted: readonly { readonly id: string; readonly seq: number; readonly turn: number; readonly at: number }[],
): readonly { readonly entry: Entry; readonly payload: Uint8Array }[] | undefined {
  const entries = [];
  let cursor = state.cursor;
  for (const { id, seq, turn, at } of accepted) {
    const sealed = state.outbox.find((item) => item.sealed?.entry === id)?.sealed;
    if (sealed === undefined || seq !== cursor + 1 || turn !== state.turn) return undefined;
    const payload = { inline: encodeBase64Url(sealed.ciphertext) };
    entries.push({
      entry: { kind: "message" as const, seq, prev: cursor, id, turn, at, expires: at, payload },
      payload: sealed.ciphertext,
    });
    cursor = seq;
  }
  return entries;
}

function entrySize(ciphertextLength: number): number {
  return entryOverhead + (ciphertextLength > limits.inlinePayload ? 0 : Math.ceil((ciphertextLength * 4) / 3));
}
