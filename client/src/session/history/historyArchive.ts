/**
 * What was said, packed for another device of the account: the hand-over when a device is linked, and backups.
 *
 * An archive is a random key of 32 bytes and chunks that are opened together, in order:
 *
 *     chunk i of n = nonce (24) || XChaCha20-Poly1305(key, nonce, aad = "tacit history 1" 0x00 "i/n", plain), i from 1, decimal
 *     plain        = UTF-8 JSON { "v": 1, "parts": [{ "id", "log"?, "members", "title"?, "items": [TimelineItem] }] }, then blanks up to 4,096 bytes
 *
 * So a chunk that is missing, repeated, exchanged or of another archive is noticed. A conversation that does not fit goes on in the next
 * chunk; its items stand in the order of the timeline, oldest first, and are its newest. Items of a kind that this version does not know
 * are passed over; anything else of another form refuses the whole archive. It holds no key of any group.
 */
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { accountId, conversationId, deviceId, entryId } from "@tacit/protocol";
import { concat, isCount, parseJson, utf8 } from "../bytes.ts";
import type { Role } from "../group/groupData.ts";
import { parse } from "../parse.ts";
import type { TimelineItem, TimelineMessage, TimelineNotice, UnreadableReason } from "../timeline.ts";

export interface ArchivedConversation {
  readonly id: string;
  /** The log that it is in, where that is not the one that it began in. */
  readonly log?: string;
  /** Accounts. */
  readonly members: readonly string[];
  readonly title?: string;
  /** Oldest first, the newest of its timeline; positions as they were in the timeline that they come from. */
  readonly items: readonly TimelineItem[];
}

export interface HistoryArchive {
  readonly key: Uint8Array;
  readonly chunks: readonly Uint8Array[];
}

export interface ArchiveLimits {
  readonly itemsPerConversation: number;
  /** Of all items as JSON; the newest of all conversations are taken. */
  readonly totalBytes: number;
  /** Of one chunk's plaintext; a single item may be larger. */
  readonly chunkBytes: number;
}

/** What a device that is linked is given. */
export const handOverLimits: ArchiveLimits = {
  itemsPerConversation: 1_000,
  totalBytes: 8 * 1024 * 1024,
  chunkBytes: 1024 * 1024,
};

const version = 1;
const nonceLength = 24;
const keyLength = 32;
const padding = 4_096;

/** Every conversation is in it, also one whose items found no room. */
export function packHistory(
  random: (length: number) => Uint8Array,
  conversations: readonly ArchivedConversation[],
  limits: ArchiveLimits,
): HistoryArchive {
  const key = random(keyLength);
  const plain = chunked(newest(conversations, limits), limits.chunkBytes);
  const chunks = plain.map((each, index) => {
    const nonce = random(nonceLength);
    return concat(nonce, xchacha20poly1305(key, nonce, place(index, plain.length)).encrypt(each));
  });
  return { key, chunks };
}

/** Undefined where it is not whole, not authentic, or not of this form. */
export function unpackHistory({ key, chunks }: HistoryArchive): readonly ArchivedConversation[] | undefined {
  const conversations = new Map<string, ArchivedConversation>();
  for (const [index, chunk] of chunks.entries()) {
    const plain = opened(key, chunk, place(index, chunks.length));
    const parts = plain && decodeParts(plain);
    if (parts === undefined) return undefined;
    for (const part of parts) {
      const before = conversations.get(part.id);
      const items = [...(before?.items ?? []), ...part.items];
      if (!areInOrder(items)) return undefined;
      conversations.set(part.id, { ...part, items });
    }
  }
  return [...conversations.values()];
}

function place(index: number, count: number): Uint8Array {
  return utf8(`tacit history 1\0${index + 1}/${count}`);
}

function opened(key: Uint8Array, chunk: Uint8Array, aad: Uint8Array): Uint8Array | undefined {
  try {
    return xchacha20poly1305(key, chunk.subarray(0, nonceLength), aad).decrypt(chunk.subarray(nonceLength));
  } catch {
    return undefined;
  }
}

interface Packed {
  readonly conversation: ArchivedConversation;
  /** JSON of the items that are taken, oldest first. */
  readonly items: readonly string[];
}

/** Takes from the conversation whose next item is the newest until nothing has room. */
function newest(
  conversations: readonly ArchivedConversation[],
  { itemsPerConversation, totalBytes }: ArchiveLimits,
): readonly Packed[] {
  const taken = conversations.map((conversation) => ({ conversation, items: [] as string[] }));
  const next = ({ conversation, items }: Packed): TimelineItem | undefined =>
    items.length < itemsPerConversation ? conversation.items.at(-1 - items.length) : undefined;
  for (let room = totalBytes; ;) {
    let from: (typeof taken)[number] | undefined;
    for (const each of taken) {
      const item = next(each);
      if (item !== undefined && (from === undefined || item.storedAt > next(from)!.storedAt)) from = each;
    }
    if (from === undefined) break;
    const json = JSON.stringify(next(from));
    room -= utf8(json).length;
    if (room < 0) break;
    from.items.push(json);
  }
  return taken.map(({ conversation, items }) => ({ conversation, items: items.reverse() }));
}

function chunked(packed: readonly Packed[], chunkBytes: number): readonly Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let parts: string[] = [];
  let size = 0;
  const flush = (): void => {
    chunks.push(padded(utf8(`{"v":${version},"parts":[${parts.join(",")}]}`)));
    parts = [];
    size = 0;
  };
  for (const { conversation, items } of packed) {
    const { id, log, members, title } = conversation;
    const head = JSON.stringify({ id, log, members, title }).slice(0, -1);
    const headSize = utf8(head).length;
    let rest = items;
    do {
      if (size > 0 && size + headSize + (rest[0] === undefined ? 0 : utf8(rest[0]).length) > chunkBytes) flush();
      const fitting: string[] = [];
      size += headSize;
      for (const item of rest) {
        const length = utf8(item).length + 1;
        if (fitting.length > 0 && size + length > chunkBytes) break;
        fitting.push(item);
        size += length;
      }
      parts.push(`${head},"items":[${fitting.join(",")}]}`);
      rest = rest.slice(fitting.length);
      if (rest.length > 0) flush();
    } while (rest.length > 0);
  }
  if (parts.length > 0) flush();
  return chunks;
}

function padded(plain: Uint8Array): Uint8Array {
  const whole = new Uint8Array(Math.ceil(plain.length / padding) * padding).fill(0x20);
  whole.set(plain);
  return whole;
}

function decodeParts(plain: Uint8Array): readonly ArchivedConversation[] | undefined {
  const body = parseJson(plain);
  if (body?.["v"] !== version || !Array.isArray(body["parts"])) return undefined;
  const parts = body["parts"].map(decodePart);
  return parts.every((part) => part !== undefined) ? parts : undefined;
}

function decodePart(value: unknown): ArchivedConversation | undefined {
  if (!isObject(value)) return undefined;
  const { id, log, members, title, items } = value;
  if (!conversation(id) || !optional(conversation)(log) || !accounts(members) || !optional(text)(title))
    return undefined;
  if (!Array.isArray(items)) return undefined;
  const decoded: TimelineItem[] = [];
  for (const item of items) {
    const known = decodeItem(item);
    if (known === undefined) return undefined;
    if (known !== "unknown") decoded.push(known);
  }
  return {
    id: id as string,
    ...(log === undefined ? {} : { log: log as string }),
    members,
    ...(title === undefined ? {} : { title: title as string }),
    items: decoded,
  };
}

function areInOrder(items: readonly TimelineItem[]): boolean {
  return items.every((item, index) => index === 0 || item.position > items[index - 1]!.position);
}

type Check = (value: unknown) => boolean;

const text: Check = (value) => typeof value === "string";
const flag: Check = (value) => typeof value === "boolean";
const conversation: Check = (value) => parse(conversationId, value) !== undefined;
const account: Check = (value) => parse(accountId, value) !== undefined;
const accounts = (value: unknown): value is readonly string[] => Array.isArray(value) && value.every(account);
const exactly =
  (expected: string): Check =>
  (value) =>
    value === expected;
const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);
const reasons: Readonly<Record<UnreadableReason, true>> = {
  cannot_decrypt: true,
  unknown_content: true,
  blob_lost: true,
  cannot_follow: true,
};
const roles: Readonly<Record<Role, true>> = { owner: true, admin: true, member: true };

type Checks<Item> = { readonly [Field in Exclude<keyof Item, "kind">]-?: Check };

const everyItem = { position: isCount, seq: isCount, storedAt: isCount };

const message: Checks<TimelineMessage> = {
  ...everyItem,
  id: (value) => parse(entryId, value) !== undefined,
  from: account,
  device: (value) => parse(deviceId, value) !== undefined,
  text,
  sentAt: isCount,
  mine: flag,
  status: exactly("sent"),
};

/** What each kind says; a kind that is new in the timeline has its line here. */
const notices: { readonly [K in TimelineNotice["kind"]]: Checks<Extract<TimelineNotice, { kind: K }>> } = {
  opened: { by: text },
  left: { accounts },
  titleChanged: { title: text, by: text },
  pictureChanged: { by: text },
  roleChanged: { account, role: (value) => text(value) && Object.hasOwn(roles, value as string), by: text },
  deviceRestored: { account, device: (value) => parse(deviceId, value) !== undefined, by: text },
  suspended: { account, by: text },
  rejoined: { by: text, after: isCount, successor: flag },
  missing: { after: isCount, before: isCount },
  unreadable: { reason: (value) => text(value) && Object.hasOwn(reasons, value as string), retryable: flag },
  keysChanged: { by: text },
  devicesChanged: { accounts, by: text },
  void: { by: text },
  cannotFollow: {},
  unanswered: {},
  noLongerMember: {},
  logMismatch: { with: text },
  identityChanged: { account: text, proven: optional(flag) },
  membersChanged: { added: accounts, removed: accounts, by: text },
};

/** Fields that are not listed are dropped. */
function decodeItem(value: unknown): TimelineItem | "unknown" | undefined {
  if (!isObject(value) || !text(value["kind"])) return undefined;
  const kind = value["kind"] as string;
  if (kind !== "message" && !Object.hasOwn(notices, kind)) return "unknown";
  const checks: Readonly<Record<string, Check>> =
    kind === "message" ? message : { ...everyItem, ...notices[kind as TimelineNotice["kind"]] };
  const item: Record<string, unknown> = { kind };
  for (const [field, check] of Object.entries(checks)) {
    if (!check(value[field])) return undefined;
    if (value[field] !== undefined) item[field] = value[field];
  }
  return item as unknown as TimelineItem;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
