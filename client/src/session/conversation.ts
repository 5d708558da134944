/**
 * A conversation on this device, as a value. Every step of the protocol is a function from one such value to the next; the shell stores
 * the difference, and only then sends or shows anything.
 */
import { directConversationName, encodeBase64Url } from "@tacit/protocol";
import type { LeafIdentity } from "./authenticate.ts";
import { utf8 } from "./bytes.ts";
import { sha256, type CryptoContext, type CryptoProvider } from "./cryptoContext.ts";
import { accountsOf, type Group, type Member } from "./groupEngine.ts";
import type { RecordMark } from "./recordMark.ts";
import type { TimelineItem, TimelineNotice } from "./timeline.ts";

/** What a step knows of the device that takes it. */
export interface SessionContext extends CryptoContext {
  readonly account: string;
  readonly device: string;
  readonly member: Member;
  /** The own account's record. */
  readonly record: RecordMark;
}

export type Phase =
  /** Wanted here; nobody has created it as far as this device knows. */
  | "opening"
  /** Somebody else created it: the Welcome is on its way to the inbox. */
  | "awaitingWelcome"
  | "open"
  /** Removed, or impossible to follow. */
  | "ended";

export interface ConversationState {
  readonly id: string;
  readonly phase: Phase;
  /** Accounts, sorted, the own one among them. */
  readonly roster: readonly string[];
  readonly group: Group | undefined;
  /** The last entry that was read, 0 before the first. */
  readonly cursor: number;
  /** The hash over the log up to there (logChain.ts), where it is known. */
  readonly chain: Uint8Array | undefined;
  /** Number of commits in the log, as far as it was read: what entries are sent with. */
  readonly turn: number;
  /** Where the commit that let this device in stands, until it is read. */
  readonly joinedAt: number | undefined;
  /** An own commit that may or may not be in the log. */
  readonly pending: PendingCommit | undefined;
  readonly outbox: readonly OutboxItem[];
  /** The newest entries that were read, oldest first. */
  readonly recent: readonly RecentEntry[];
  /** Something of this epoch was never read here, so what the engine misses may be known to others. */
  readonly epochIncomplete: boolean;
  readonly nextOutbox: number;
  readonly nextPosition: number;
}

export interface PendingCommit {
  readonly kind: "create" | "rotate";
  /** The entry's id. */
  readonly entry: string;
  readonly commit: Uint8Array;
  /** SHA-256 of `commit`, base64url. */
  readonly hash: string;
  /** The turn that it ends. */
  readonly turn: number;
  readonly welcomes: readonly { readonly device: string; readonly claim: string; readonly welcome: Uint8Array }[];
  /** The group after it. */
  readonly next: Group;
  /** Known until a restart: to wipe when `next` is stored. */
  readonly consumedByNext?: readonly Uint8Array[];
}

export interface OutboxItem {
  /** Order. */
  readonly number: number;
  /** Inside the ciphertext. */
  readonly id: string;
  readonly text: string;
  readonly sentAt: number;
  readonly sealed?: SealedItem;
}

export interface SealedItem {
  readonly turn: number;
  /** The entry's id. */
  readonly entry: string;
  readonly ciphertext: Uint8Array;
  /** SHA-256 of the ciphertext, base64url: recognises the own entry in the log. */
  readonly hash: string;
}

export interface RecentEntry {
  readonly seq: number;
  /** SHA-256 of the payload, base64url. */
  readonly hash: string;
  readonly chain: string | undefined;
  /** What came right before it was never seen here. */
  readonly afterGap: boolean;
  /** Of a message that was read: its authenticated sender and the id inside. */
  readonly message?: { readonly sender: string; readonly id: string };
}

/** What a device, proven by a signature, said of its own account's record. */
export interface HeardRecord extends LeafIdentity {
  readonly said: RecordMark;
}

/** What one step did. */
export interface Step {
  readonly state: ConversationState;
  readonly items: readonly TimelineItem[];
  /** Wipe when the state is stored. */
  readonly consumed: readonly Uint8Array[];
  /** What the members said of their accounts' records: for the peer book, never for a verdict. */
  readonly heard?: readonly HeardRecord[];
}

/** How many entries back copies are recognised and logs compared. */
export const recentLimit = 512;

export function directConversationId(provider: CryptoProvider, a: string, b: string): string {
  return `d-${encodeBase64Url(sha256(provider, utf8(directConversationName([a, b], 0))))}`;
}

/** A conversation that this device wants and has not seen yet. */
export function newConversation(id: string, roster: readonly string[]): ConversationState {
  return {
    id,
    phase: "opening",
    roster: [...roster].sort(),
    group: undefined,
    cursor: 0,
    chain: undefined,
    turn: 0,
    joinedAt: undefined,
    pending: undefined,
    outbox: [],
    recent: [],
    epochIncomplete: false,
    nextOutbox: 1,
    nextPosition: 1,
  };
}

export function withRecent(state: ConversationState, entry: RecentEntry): ConversationState {
  return { ...state, recent: [...state.recent, entry].slice(-recentLimit) };
}

/** The state with `group`, and the roster that follows from it. */
export function withGroup(state: ConversationState, group: Group): ConversationState {
  return { ...state, group, roster: accountsOf(group) };
}

/** Puts a notice into the timeline. */
export function noted(
  state: ConversationState,
  notice: TimelineNotice,
  at: { readonly seq: number; readonly storedAt: number },
): Step {
  const item = { ...notice, ...at, position: state.nextPosition };
  return { state: { ...state, nextPosition: state.nextPosition + 1 }, items: [item], consumed: [] };
}

/** A step that changes nothing but the state. */
export function silent(state: ConversationState): Step {
  return { state, items: [], consumed: [] };
}

/** One step after another. */
export function merged(first: Step, second: Step): Step {
  return {
    state: second.state,
    items: [...first.items, ...second.items],
    consumed: [...first.consumed, ...second.consumed],
    heard: [...(first.heard ?? []), ...(second.heard ?? [])],
  };
}
