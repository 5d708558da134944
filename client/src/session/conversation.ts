/**
 * A conversation on this device, as a value. Every step of the protocol is a function from one such value to the next; the shell stores
 * the difference, and only then sends or shows anything.
 */
import { directConversationName, encodeBase64Url } from "@tacit/protocol";
import type { LeafIdentity } from "./group/authenticate.ts";
import { utf8 } from "./bytes.ts";
import { sha256, type CryptoContext, type CryptoProvider } from "./cryptoContext.ts";
import { accountsOf, groupDataOf, type Group } from "./group/group.ts";
import { noDoubt, type Doubt } from "./repair/doubt.ts";
import type { Member } from "./group/member.ts";
import { isDescribedAlike, plainData, type GroupData, type Picture, type Role } from "./group/groupData.ts";
import type { Readmission } from "./repair/readmissions.ts";
import type { RecordMark } from "./identity/recordMark.ts";
import type { RenewalPace } from "./renewal.ts";
import type { Repair } from "./repair/repair.ts";
import type { TimelineItem, TimelineNotice } from "./timeline.ts";
import type { Unheard } from "./reading/unheard.ts";

/** What a step knows of the device that takes it. */
export interface SessionContext extends CryptoContext {
  readonly account: string;
  readonly device: string;
  readonly member: Member;
  /** The own account's record. */
  readonly record: RecordMark;
  /** When it renews its keys by itself; nothing that others do is judged by it. */
  readonly renewals?: RenewalPace | undefined;
}

export type Phase =
  /** Wanted here; nobody has created it as far as this device knows. */
  | "opening"
  /** The Welcome is on its way to the inbox: somebody else created it, or put this device in anew. */
  | "awaitingWelcome"
  | "open"
  /** Still a member, and unable to follow: it has to be put in anew (repair.ts). */
  | "stuck"
  /** Left, removed, declined, or beyond repair. */
  | "ended";

export interface ConversationState {
  /** What the application knows it by: the log of the first generation that this device was in. */
  readonly id: string;
  /** The log of the generation that it is in. */
  readonly log: string;
  readonly phase: Phase;
  /** Who invited this account, while the application has not said whether it wants that. */
  readonly requestBy: string | undefined;
  /** It ended, and is a request once more: what it holds from before is in backups and handed over all the same. */
  readonly wasWanted: boolean;
  /** Accounts in the group, sorted, the own one among them. */
  readonly roster: readonly string[];
  /** Those of them that the relay does not serve, as the log shows: dropped by a commit that was void, or in their name. */
  readonly unlisted: readonly string[];
  /** Those of them that the last commit dropped: the relay takes them back without Welcomes. */
  readonly justDropped: readonly string[];
  /** Who posted the last commit, as the relay says, where it was void and changed the relay's roster all the same. */
  readonly droppedBy: string | undefined;
  /** Those of the unlisted that are not taken back before somebody who may invite does it: they posted such commits. */
  readonly suspended: readonly string[];
  /** Accounts that the relay serves and that are not in the group: a void commit brought them in. */
  readonly strangers: readonly string[];
  readonly data: GroupData;
  /** Title, picture and roles as they were before, oldest first: whoever lost the log since knows those. */
  readonly formerData: readonly GroupData[];
  readonly group: Group | undefined;
  /** Without a group, while a successor is wanted: who was in the epoch that it goes on from. */
  readonly anchors: readonly LeafIdentity[];
  /** Keys, base64url, that the application accepts in this conversation though others are pinned, each with its account. */
  readonly acceptedKeys: readonly (readonly [account: string, accountKey: string])[];
  /** Devices whose removal the log showed, while their account stayed. */
  readonly expelled: readonly string[];
  /** Where it has ended: the epoch that this device was in. */
  readonly lastEpoch: number;
  /** The last entry that was read, 0 before the first. */
  readonly cursor: number;
  /** The hash over the log up to there (logChain.ts), where it is known. */
  readonly chain: Uint8Array | undefined;
  /** Number of commits in the log, as far as it was read: what entries are sent with. */
  readonly turn: number;
  /** Where the commit that let this device in stands, until it is read. */
  readonly joinedAt: number | undefined;
  /** Joined by the last commit, which may turn out to be void for those who were in before. */
  readonly provisional: boolean;
  /** An own commit that may or may not be in the log. */
  readonly pending: PendingCommit | undefined;
  /** The own proposal to leave, which may or may not be in the log. */
  readonly leaving: Leaving | undefined;
  /** What is to be committed, oldest first. */
  readonly intents: readonly Intent[];
  readonly outbox: readonly OutboxItem[];
  /** The newest entries that were read, oldest first. */
  readonly recent: readonly RecentEntry[];
  /** Messages that were read before this log, or handed over, as `<sender> <id>`: copies of them may come again. */
  readonly former: readonly string[];
  /** Something of this epoch was never read here, so what the engine misses may be known to others. */
  readonly epochIncomplete: boolean;
  readonly nextOutbox: number;
  readonly nextPosition: number;
  /** When this device last renewed its leaf, by the relay's clock; 0: never. */
  readonly renewedAt: number;
  /** When the newest commits landed, oldest first. */
  readonly commitTimes: readonly number[];
  readonly repair: Repair | undefined;
  readonly doubt: Doubt;
  /** When this device was put in anew because it had asked for that; the newest, by the relay's clock. */
  readonly restored: readonly number[];
  /** Devices that were put in anew: a loop must not spin (readmissions.ts). */
  readonly readmissions: readonly Readmission[];
  readonly unheard: Unheard | undefined;
}

/** Something that is to become true by a commit; it stays until a commit made it so, whoever made that. */
export type Intent = { readonly id: string } & IntentBody;
export type IntentBody =
  /** `unlessBusy`: nobody asked for it, so it waits for another day where others commit enough. */
  | { readonly kind: "rotate"; readonly unlessBusy?: true }
  | { readonly kind: "invite"; readonly accounts: readonly string[]; readonly claimed: readonly Claimed[] }
  | { readonly kind: "remove"; readonly accounts: readonly string[] }
  /** `picture` null: none any more. */
  | { readonly kind: "describe"; readonly title?: string; readonly picture?: Picture | null }
  | { readonly kind: "role"; readonly account: string; readonly role: Role }
  | { readonly kind: "leave" }
  /** Devices of the own account, to the set that its record lists. */
  | {
      readonly kind: "devices";
      readonly add: readonly string[];
      readonly remove: readonly string[];
      readonly claimed: readonly Claimed[];
    }
  /** A device that cannot follow any more, or all of an account that goes on under another key. */
  | {
      readonly kind: "readmit";
      readonly account: string;
      readonly device: string;
      /** Whoever did it at this time or later, by the relay's clock, did it for this one too. */
      readonly since: number;
      readonly claimed: readonly Claimed[];
    }
  /** Commits what others proposed, and takes back those that the relay should serve. */
  | { readonly kind: "tidy" };

/** One device's key package, as the relay gave it out. */
export interface Claimed {
  readonly account: string;
  readonly device: string;
  readonly claim: string;
  readonly keyPackage: Uint8Array;
}

export interface PendingCommit {
  readonly kind: "create" | "change";
  /** What it is for. */
  readonly intent: string | undefined;
  /** The entry's id. */
  readonly entry: string;
  readonly commit: Uint8Array;
  /** SHA-256 of `commit`, base64url. */
  readonly hash: string;
  /** The turn that it ends. */
  readonly turn: number;
  /** The last entry that was read when it was made. */
  readonly after: number;
  /** The roster delta. */
  readonly add: readonly string[];
  readonly remove: readonly string[];
  readonly welcomes: readonly { readonly device: string; readonly claim: string; readonly welcome: Uint8Array }[];
  /** The sealed tree, where it travels apart from the Welcomes. */
  readonly tree: Uint8Array | undefined;
  /** Accounts whose proposal to leave it covers. */
  readonly leaving: readonly string[];
  /** The group after it. */
  readonly next: Group;
  /** Known until a restart: to wipe when `next` is stored. */
  readonly consumedByNext?: readonly Uint8Array[];
}

export interface Leaving {
  /** The entry's id. */
  readonly entry: string;
  readonly proposal: Uint8Array;
  /** SHA-256 of `proposal`, base64url. */
  readonly hash: string;
  readonly turn: number;
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

export function directConversationId(provider: CryptoProvider, a: string, b: string, generation = 0): string {
  return `d-${encodeBase64Url(sha256(provider, utf8(directConversationName([a, b], generation))))}`;
}

/** A conversation that this device wants and has not seen yet. */
export function newConversation(id: string, roster: readonly string[], data: GroupData = plainData): ConversationState {
  return {
    id,
    log: id,
    phase: "opening",
    requestBy: undefined,
    wasWanted: false,
    roster: [...roster].sort(),
    unlisted: [],
    justDropped: [],
    droppedBy: undefined,
    suspended: [],
    strangers: [],
    data,
    formerData: [],
    group: undefined,
    anchors: [],
    acceptedKeys: [],
    expelled: [],
    lastEpoch: 0,
    cursor: 0,
    chain: undefined,
    turn: 0,
    joinedAt: undefined,
    provisional: false,
    pending: undefined,
    leaving: undefined,
    intents: [],
    outbox: [],
    recent: [],
    former: [],
    epochIncomplete: false,
    nextOutbox: 1,
    nextPosition: 1,
    renewedAt: 0,
    commitTimes: [],
    repair: undefined,
    doubt: noDoubt,
    restored: [],
    readmissions: [],
    unheard: undefined,
  };
}

/** This device wants it, and was never in its log; other than one that a backup tells of, which it was in before. */
export function isWanted({ cursor, group, phase }: ConversationState): boolean {
  return cursor === 0 && group === undefined && (phase === "opening" || phase === "awaitingWelcome");
}

/** How a message is told from copies of it: by its authenticated sender and the id inside. */
export function messageKey({ sender, id }: NonNullable<RecentEntry["message"]>): string {
  return `${sender} ${id}`;
}

/** Whether its user said that they want it, now or before it ended and began again. */
export function isKept({ requestBy, wasWanted }: Pick<ConversationState, "requestBy" | "wasWanted">): boolean {
  return requestBy === undefined || wasWanted;
}

/** What copies of messages are known by once the conversation goes on in another log. */
export function formerOf({ former, recent }: ConversationState): readonly string[] {
  const keys = recent.flatMap(({ message }) => (message === undefined ? [] : [messageKey(message)]));
  return [...former, ...keys].slice(-recentLimit);
}

export function withRecent(state: ConversationState, entry: RecentEntry): ConversationState {
  const before = state.recent.at(-1)?.seq === entry.seq ? state.recent.slice(0, -1) : state.recent;
  return { ...state, recent: [...before, entry].slice(-recentLimit) };
}

/** How often title, picture and roles may change while a member is away who goes on elsewhere. */
const rememberedData = 16;

/** The state with `group`, and what follows from it. */
export function withGroup(state: ConversationState, group: Group): ConversationState {
  const { data: before, formerData } = state;
  const data = groupDataOf(group) ?? plainData;
  const isOther = before.owners.length > 0 && !isDescribedAlike(before, data);
  return {
    ...state,
    group,
    roster: accountsOf(group),
    data,
    formerData: isOther ? [...formerData, before].slice(-rememberedData) : formerData,
  };
}

/** The accounts that the relay serves. */
export function listedIn({ roster, unlisted, strangers }: ConversationState): readonly string[] {
  const listed = unlisted.length === 0 ? roster : roster.filter((account) => !unlisted.includes(account));
  return strangers.length === 0 ? listed : [...listed, ...strangers].sort();
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

/** Puts several notices into the timeline. */
export function notedAll(
  state: ConversationState,
  notices: readonly TimelineNotice[],
  at: { readonly seq: number; readonly storedAt: number },
): Step {
  return notices.reduce((step, notice) => merged(step, noted(step.state, notice, at)), silent(state));
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
