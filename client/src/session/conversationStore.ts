/**
 * How a conversation is stored, as pairs of keys and bytes: a head that each step writes, the epoch and its ratchets apart from each
 * other (a message writes a ratchet, at most 2 KB; a commit the epoch), and one item for everything that comes in numbers.
 */
import { decodeBase64Url, encodeBase64Url } from "@tacit/protocol";
import { parseJson, utf8 } from "./bytes.ts";
import {
  newConversation,
  type Claimed,
  type ConversationState,
  type Intent,
  type Leaving,
  type OutboxItem,
  type PendingCommit,
  type RecentEntry,
  type Step,
} from "./conversation.ts";
import type { CryptoContext } from "./cryptoContext.ts";
import type { Group } from "./group/group.ts";
import { decodeGroup, encodeGroupEpoch, encodeGroupRatchets } from "./group/storedGroup.ts";
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

type StoredHead = Pick<
  ConversationState,
  | "log"
  | "phase"
  | "requestBy"
  | "wasWanted"
  | "cursor"
  | "turn"
  | "joinedAt"
  | "provisional"
  | "epochIncomplete"
  | "nextOutbox"
  | "nextPosition"
  | "renewedAt"
  | "repair"
  | "doubt"
  | "restored"
  | "lastEpoch"
> & { readonly chain: string | undefined };

/** What only commits change, and what grows with the group. */
type StoredMembers = Pick<
  ConversationState,
  | "roster"
  | "unlisted"
  | "justDropped"
  | "droppedBy"
  | "suspended"
  | "strangers"
  | "data"
  | "formerData"
  | "former"
  | "commitTimes"
  | "readmissions"
  | "anchors"
  | "acceptedKeys"
  | "expelled"
  | "unheard"
>;

const noIntents: readonly Intent[] = newConversation("", []).intents;

/** What has to be written to get from `before` (what is stored; undefined: nothing) to `step`. */
export function changes(before: ConversationState | undefined, { state, items }: Step): readonly Change[] {
  const at = `${conversationPrefix}${state.id}/`;
  const all: Change[] = items.map((item) => ({
    key: timelineKey(state.id, item.position),
    value: utf8(JSON.stringify(item)),
  }));
  if (before === state) return all;
  all.push({ key: `${at}head`, value: encodePlain(headOf(state)) });
  if (before === undefined || !sameMembers(before, state)) {
    all.push({ key: `${at}members`, value: encodePlain(membersOf(state)) });
  }
  all.push(...groupChanges(`${at}group/`, before?.group, state.group));
  if (before?.pending !== state.pending) {
    all.push(...pendingChanges(`${at}pending/`, before?.pending, state.pending));
  }
  if (before?.leaving !== state.leaving) {
    all.push(change(`${at}leaving`, state.leaving && encodeLeaving(state.leaving)));
  }
  if ((before?.intents ?? noIntents) !== state.intents) {
    all.push(change(`${at}intents`, state.intents.length === 0 ? undefined : encodeIntents(state.intents)));
  }
  all.push(
    ...listChanges(`${at}out/`, before?.outbox, state.outbox, ({ number }) => number, encodeOutboxItem),
    ...listChanges(`${at}seen/`, before?.recent, state.recent, ({ seq }) => seq, encodePlain),
  );
  return all;
}

function headOf(state: ConversationState): StoredHead {
  const { log, phase, requestBy, wasWanted, cursor, chain, turn, joinedAt, provisional, epochIncomplete } = state;
  const { nextOutbox, nextPosition, renewedAt, repair, doubt, restored, lastEpoch } = state;
  const place = { cursor, chain: chain && encodeBase64Url(chain), turn, joinedAt, provisional, epochIncomplete };
  return {
    log,
    phase,
    requestBy,
    wasWanted,
    ...place,
    nextOutbox,
    nextPosition,
    renewedAt,
    repair,
    doubt,
    restored,
    lastEpoch,
  };
}

function membersOf(state: ConversationState): StoredMembers {
  const { roster, unlisted, justDropped, droppedBy, data, formerData, former, commitTimes, readmissions } = state;
  const { anchors, acceptedKeys, expelled, suspended, strangers, unheard } = state;
  return {
    suspended,
    strangers,
    roster,
    unlisted,
    justDropped,
    droppedBy,
    data,
    formerData,
    former,
    commitTimes,
    readmissions,
    anchors,
    acceptedKeys,
    expelled,
    unheard,
  };
}

function sameMembers(a: ConversationState, b: ConversationState): boolean {
  const now = membersOf(b);
  return Object.entries(membersOf(a)).every(([name, value]) => now[name as keyof StoredMembers] === value);
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
  const { next, consumedByNext: _, commit, welcomes, tree, ...rest } = after;
  const stored = {
    ...rest,
    commit: encodeBase64Url(commit),
    welcomes: welcomes.map(({ welcome, ...each }) => ({ ...each, welcome: encodeBase64Url(welcome) })),
    tree: tree && encodeBase64Url(tree),
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

function encodeLeaving({ proposal, ...rest }: Leaving): Uint8Array {
  return encodePlain({ ...rest, proposal: encodeBase64Url(proposal) });
}

function encodeIntents(intents: readonly Intent[]): Uint8Array {
  const stored = intents.map((intent) =>
    "claimed" in intent
      ? {
          ...intent,
          claimed: intent.claimed.map((each) => ({ ...each, keyPackage: encodeBase64Url(each.keyPackage) })),
        }
      : intent,
  );
  return encodePlain({ intents: stored });
}

function decodeIntents(stored: Uint8Array | undefined): readonly Intent[] {
  if (stored === undefined) return [];
  const { intents } = required<{ readonly intents: readonly StoredIntent[] }>(stored);
  return intents.map((intent) =>
    "claimed" in intent
      ? ({
          ...intent,
          claimed: intent.claimed.map((each) => ({ ...each, keyPackage: decodeBase64Url(each.keyPackage) })),
        } as unknown as Intent)
      : intent,
  );
}

type StoredIntent =
  | (Extract<Intent, { claimed: unknown }> extends infer I
      ? Omit<I, "claimed"> & {
          readonly claimed: readonly (Omit<Claimed, "keyPackage"> & { readonly keyPackage: string })[];
        }
      : never)
  | Exclude<Intent, { claimed: unknown }>;

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
  const members = required<StoredMembers>(pairs.get("members"));
  const leaving = pairs.get("leaving");
  return {
    ...newConversation(id, []),
    ...head,
    ...members,
    group: decodeStoredGroup(context, below(pairs, "group/")),
    chain: head.chain === undefined ? undefined : decodeBase64Url(head.chain),
    pending: decodePending(context, new Map(below(pairs, "pending/"))),
    leaving: leaving && decodeLeaving(leaving),
    intents: decodeIntents(pairs.get("intents")),
    outbox,
    recent: below(pairs, "seen/").map(([, value]) => required<RecentEntry>(value)),
  };
}

function decodeLeaving(stored: Uint8Array): Leaving {
  const { proposal, ...rest } = required<Omit<Leaving, "proposal"> & { readonly proposal: string }>(stored);
  return { ...rest, proposal: decodeBase64Url(proposal) };
}

type StoredOutboxItem = Omit<OutboxItem, "sealed"> & {
  readonly sealed?: Omit<NonNullable<OutboxItem["sealed"]>, "ciphertext"> & { readonly ciphertext: string };
};

type StoredPending = Omit<PendingCommit, "commit" | "welcomes" | "tree" | "next" | "consumedByNext"> & {
  readonly commit: string;
  readonly tree?: string;
  readonly welcomes: readonly { readonly device: string; readonly claim: string; readonly welcome: string }[];
};

function decodePending(context: CryptoContext, pairs: ReadonlyMap<string, Uint8Array>): PendingCommit | undefined {
  const stored = pairs.get("commit");
  if (stored === undefined) return undefined;
  const { commit, welcomes, tree, ...rest } = required<StoredPending>(stored);
  const next = decodeStoredGroup(context, [...pairs]);
  if (next === undefined) throw new Error("a stored commit has its group");
  return {
    ...rest,
    commit: decodeBase64Url(commit),
    tree: tree === undefined ? undefined : decodeBase64Url(tree),
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
