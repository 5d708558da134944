/**
 * How a conversation is stored, as pairs of keys and bytes: a head that each step writes, the epoch and its ratchets apart from each
 * other (a message writes a ratchet, at most 2 KB; a commit the epoch), and one item for everything that comes in numbers.
 */
import { decodeBase64Url, encodeBase64Url } from "@tacit/protocol";
import { parseJson, utf8 } from "./bytes.ts";
import type { ConversationState, OutboxItem, PendingCommit, Phase, RecentEntry, Step } from "./conversation.ts";
import type { CryptoContext } from "./cryptoContext.ts";
import { decodeGroup, encodeGroupEpoch, encodeGroupRatchets, type Group } from "./groupEngine.ts";
import type { TimelineItem } from "./timeline.ts";

/** Without `value`: delete. */
export interface Change {
  readonly key: string;
  readonly value?: Uint8Array;
}

export const conversationPrefix = "c/";

export function timelineKey(conversation: string, position: number): string {
  return `t/${conversation}/${ordered(position)}`;
}
export function timelinePrefix(conversation: string): string {
  return `t/${conversation}/`;
}

/** Numbers as text in their own order. */
function ordered(number: number): string {
  return String(number).padStart(12, "0");
}

interface StoredHead {
  readonly phase: Phase;
  readonly roster: readonly string[];
  readonly cursor: number;
  readonly chain: string | undefined;
  readonly turn: number;
  readonly joinedAt: number | undefined;
  readonly epochIncomplete: boolean;
  readonly nextOutbox: number;
  readonly nextPosition: number;
}

/** What has to be written to get from `before` (what is stored; undefined: nothing) to `step`. */
export function changes(before: ConversationState | undefined, { state, items }: Step): readonly Change[] {
  const at = `${conversationPrefix}${state.id}/`;
  const all: Change[] = items.map((item) => ({
    key: timelineKey(state.id, item.position),
    value: utf8(JSON.stringify(item)),
  }));
  if (before === state) return all;
  all.push({ key: `${at}head`, value: utf8(JSON.stringify(headOf(state))) });
  all.push(...groupChanges(`${at}group/`, before?.group, state.group));
  if (before?.pending !== state.pending) {
    all.push(...pendingChanges(`${at}pending/`, before?.pending, state.pending));
  }
  all.push(
    ...listChanges(`${at}out/`, before?.outbox, state.outbox, ({ number }) => number, encodeOutboxItem),
    ...listChanges(`${at}seen/`, before?.recent, state.recent, ({ seq }) => seq, encodePlain),
  );
  return all;
}

function headOf({
  phase,
  roster,
  cursor,
  chain,
  turn,
  joinedAt,
  epochIncomplete,
  nextOutbox,
  nextPosition,
}: ConversationState): StoredHead {
  return {
    phase,
    roster,
    cursor,
    chain: chain && encodeBase64Url(chain),
    turn,
    joinedAt,
    epochIncomplete,
    nextOutbox,
    nextPosition,
  };
}

function groupChanges(at: string, before: Group | undefined, after: Group | undefined): readonly Change[] {
  if (after === undefined) {
    if (before === undefined) return [];
    const ratchets = encodeGroupRatchets(before).map(({ key }) => ({ key: `${at}ratchet/${key}` }));
    return [{ key: `${at}epoch` }, ...ratchets];
  }
  const epoch = encodeGroupEpoch(after, before);
  return [
    ...(epoch === undefined ? [] : [{ key: `${at}epoch`, value: epoch }]),
    ...encodeGroupRatchets(after, before).map(({ key, bytes }) => change(`${at}ratchet/${key}`, bytes)),
  ];
}

function pendingChanges(
  at: string,
  before: PendingCommit | undefined,
  after: PendingCommit | undefined,
): readonly Change[] {
  const gone = before === undefined ? [] : [{ key: `${at}commit` }, ...groupChanges(at, before.next, undefined)];
  if (after === undefined) return gone;
  const { next, consumedByNext: _, commit, welcomes, ...rest } = after;
  const stored = {
    ...rest,
    commit: encodeBase64Url(commit),
    welcomes: welcomes.map(({ welcome, ...each }) => ({ ...each, welcome: encodeBase64Url(welcome) })),
  };
  // The later of two changes of one key counts.
  return [...gone, { key: `${at}commit`, value: encodePlain(stored) }, ...groupChanges(at, undefined, next)];
}

function listChanges<T>(
  at: string,
  before: readonly T[] | undefined,
  after: readonly T[],
  number: (item: T) => number,
  encode: (item: T) => Uint8Array,
): readonly Change[] {
  if (before === after) return [];
  const old = new Map((before ?? []).map((item) => [number(item), item]));
  const all: Change[] = [];
  for (const item of after) {
    if (old.get(number(item)) !== item) all.push({ key: at + ordered(number(item)), value: encode(item) });
    old.delete(number(item));
  }
  for (const gone of old.keys()) all.push({ key: at + ordered(gone) });
  return all;
}

function encodeOutboxItem({ sealed, ...item }: OutboxItem): Uint8Array {
  return encodePlain({ ...item, sealed: sealed && { ...sealed, ciphertext: encodeBase64Url(sealed.ciphertext) } });
}

function encodePlain(value: object): Uint8Array {
  return utf8(JSON.stringify(value));
}

function change(key: string, value: Uint8Array | undefined): Change {
  return value === undefined ? { key } : { key, value };
}

/**
 * The conversation `id` from its stored pairs, whose keys come without `c/<id>/`.
 * @throws where they are not what `changes` wrote
 */
export function decodeConversation(
  context: CryptoContext,
  id: string,
  pairs: ReadonlyMap<string, Uint8Array>,
): ConversationState {
  const head = required<StoredHead>(pairs.get("head"));
  const outbox = below(pairs, "out/").map(([, value]) => {
    const { sealed, ...item } = required<StoredOutboxItem>(value);
    return sealed === undefined
      ? item
      : { ...item, sealed: { ...sealed, ciphertext: decodeBase64Url(sealed.ciphertext) } };
  });
  return {
    id,
    phase: head.phase,
    roster: head.roster,
    group: decodeStoredGroup(context, below(pairs, "group/")),
    cursor: head.cursor,
    chain: head.chain === undefined ? undefined : decodeBase64Url(head.chain),
    turn: head.turn,
    joinedAt: head.joinedAt,
    epochIncomplete: head.epochIncomplete,
    pending: decodePending(context, new Map(below(pairs, "pending/"))),
    outbox,
    recent: below(pairs, "seen/").map(([, value]) => required<RecentEntry>(value)),
    nextOutbox: head.nextOutbox,
    nextPosition: head.nextPosition,
  };
}

type StoredOutboxItem = Omit<OutboxItem, "sealed"> & {
  readonly sealed?: Omit<NonNullable<OutboxItem["sealed"]>, "ciphertext"> & { readonly ciphertext: string };
};

type StoredPending = Omit<PendingCommit, "commit" | "welcomes" | "next" | "consumedByNext"> & {
  readonly commit: string;
  readonly welcomes: readonly { readonly device: string; readonly claim: string; readonly welcome: string }[];
};

function decodePending(context: CryptoContext, pairs: ReadonlyMap<string, Uint8Array>): PendingCommit | undefined {
  const stored = pairs.get("commit");
  if (stored === undefined) return undefined;
  const { commit, welcomes, ...rest } = required<StoredPending>(stored);
  const next = decodeStoredGroup(context, [...pairs]);
  if (next === undefined) throw new Error("a stored commit has its group");
  return {
    ...rest,
    commit: decodeBase64Url(commit),
    welcomes: welcomes.map(({ welcome, ...each }) => ({ ...each, welcome: decodeBase64Url(welcome) })),
    next,
  };
}

function decodeStoredGroup(
  context: CryptoContext,
  pairs: readonly (readonly [key: string, value: Uint8Array])[],
): Group | undefined {
  const epoch = pairs.find(([key]) => key === "epoch")?.[1];
  return epoch === undefined ? undefined : decodeGroup(context, epoch, below(new Map(pairs), "ratchet/"));
}

function below(pairs: ReadonlyMap<string, Uint8Array>, prefix: string): readonly (readonly [string, Uint8Array])[] {
  return [...pairs].filter(([key]) => key.startsWith(prefix)).map(([key, value]) => [key.slice(prefix.length), value]);
}

export function decodeTimelineItem(value: Uint8Array): TimelineItem {
  return required<TimelineItem>(value);
}

/** What this package wrote and the store kept authentic. */
function required<T>(value: Uint8Array | undefined): T {
  const parsed = value && parseJson(value);
  if (parsed === undefined) throw new Error("a stored value is missing or damaged");
  return parsed as T;
}
