/**
 * What a backup is: a manifest, sealed under the key that the recovery code gives, and the blobs that it names, each sealed under a random
 * key of its own that stands in the manifest.
 *
 *     manifest = nonce (24) || XChaCha20-Poly1305(backup key, nonce, aad = "tacit backup 1" 0x00 account, plain)
 *     plain    = UTF-8 JSON { "v": 1, "at", "accountKey", "accountSecret", "record", "receiptKey"?, "index", "history": [part] }, blanks up to 1,024 bytes
 *     part     = { "hash", "size", "key" }: the blob's SHA-256, its bytes, its key
 *     index    = the blob: nonce (24) || XChaCha20-Poly1305(key, nonce, aad = "tacit backup index 1", plain), plain as below, blanks up to 4,096 bytes
 *     history  = each blob: an archive of one chunk (historyArchive.ts)
 *
 * It holds what a person has and would miss: the account key, contacts, conversations, what was said. It holds no state of any group: a
 * ratchet that comes back from a backup would use its keys twice, and would open what was sent while it lay there. A device that was
 * recovered enters its conversations anew.
 */
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import type { KeyPair } from "@tacit/mls";
import { accountId, blobReference, bytes, conversationId, decodeBase64Url, encodeBase64Url } from "@tacit/protocol";
import { concat, isCount, parseJson, utf8 } from "../bytes.ts";
import { parse } from "../parse.ts";
import type { Peer } from "../identity/peers.ts";
import { decodeRecordMark, type RecordMark } from "../identity/recordMark.ts";

/** A blob of the backup. */
export interface BackupPart {
  /** SHA-256, base64url. */
  readonly hash: string;
  readonly size: number;
  readonly key: Uint8Array;
}

export interface BackupManifest {
  /** When it was made, by the relay's clock. */
  readonly at: number;
  readonly accountKey: KeyPair;
  /** What the account's devices share, and the version of the record that it came with. */
  readonly accountSecret: { readonly secret: Uint8Array; readonly since: number };
  /** The account's record, so that nobody can offer an older one to whom recovers it. */
  readonly record: RecordMark;
  /** The relay's key for receipts, base64url, where it is known. */
  readonly receiptKey: string | undefined;
  readonly index: BackupPart;
  readonly history: readonly BackupPart[];
}

export interface BackedUpConversation {
  readonly id: string;
  /** The log of its generation. */
  readonly log: string;
  /** Accounts. */
  readonly members: readonly string[];
  /** The account key of each of them, base64url: whoever puts this device in anew must have one of these. */
  readonly keys?: readonly string[];
  readonly title?: string;
  /** The account is not in it any more. */
  readonly ended?: true;
  /** Who invites it again, which its user has not accepted. */
  readonly requestBy?: string;
}

export interface BackupIndex {
  readonly people: { readonly peers: readonly Peer[]; readonly shunned: readonly string[] };
  readonly conversations: readonly BackedUpConversation[];
}

const version = 1;
const nonceLength = 24;
const indexAad = utf8("tacit backup index 1");

export function sealManifest(
  random: (length: number) => Uint8Array,
  backupKey: Uint8Array,
  account: string,
  manifest: BackupManifest,
): Uint8Array {
  const { at, accountKey, accountSecret, record, receiptKey, index, history } = manifest;
  const plain = {
    v: version,
    at,
    accountKey: {
      publicKey: encodeBase64Url(accountKey.publicKey),
      privateKey: encodeBase64Url(accountKey.privateKey),
    },
    accountSecret: { secret: encodeBase64Url(accountSecret.secret), since: accountSecret.since },
    record,
    receiptKey,
    index: encodePart(index),
    history: history.map(encodePart),
  };
  return seal(random, backupKey, manifestAad(account), utf8(JSON.stringify(plain)), 1_024);
}

/** Undefined where the key is another one, or it is no manifest of that account and of this form. */
export function openManifest(backupKey: Uint8Array, account: string, sealed: Uint8Array): BackupManifest | undefined {
  const opened = open(backupKey, manifestAad(account), sealed);
  const plain = opened && parseJson(opened);
  if (plain?.["v"] !== version || !isCount(plain["at"])) return undefined;
  const accountKey = fields(plain["accountKey"]);
  const accountSecret = fields(plain["accountSecret"]);
  const publicKey = bytesOf(32, accountKey["publicKey"]);
  const privateKey = bytesOf(32, accountKey["privateKey"]);
  const secret = bytesOf(32, accountSecret["secret"]);
  const since = accountSecret["since"];
  const record = decodeRecordMark(plain["record"]);
  const receiptKey = plain["receiptKey"];
  const index = decodePart(plain["index"]);
  const history = Array.isArray(plain["history"]) ? plain["history"].map(decodePart) : [undefined];
  if (publicKey === undefined || privateKey === undefined || secret === undefined || !isCount(since)) return undefined;
  if (record === undefined || index === undefined || !areKnown(history)) return undefined;
  if (receiptKey !== undefined && bytesOf(32, receiptKey) === undefined) return undefined;
  return {
    at: plain["at"],
    accountKey: { publicKey, privateKey },
    accountSecret: { secret, since },
    record,
    receiptKey: receiptKey as string | undefined,
    index,
    history,
  };
}

/** The blob. */
export function sealIndex(random: (length: number) => Uint8Array, key: Uint8Array, encoded: Uint8Array): Uint8Array {
  return seal(random, key, indexAad, encoded, 4_096);
}

/** The same people and conversations give the same bytes. */
export function encodeIndex({ people, conversations }: BackupIndex): Uint8Array {
  const byAccount = [...people.peers].sort((a, b) => (a.account < b.account ? -1 : 1));
  const byId = [...conversations].sort((a, b) => (a.id < b.id ? -1 : 1));
  const shunned = [...people.shunned].sort();
  return utf8(JSON.stringify({ v: version, people: { peers: byAccount, shunned }, conversations: byId }));
}

/** Undefined where it is not authentic, or not of this form. */
export function openIndex(key: Uint8Array, sealed: Uint8Array): BackupIndex | undefined {
  const opened = open(key, indexAad, sealed);
  const plain = opened && parseJson(opened);
  if (plain?.["v"] !== version) return undefined;
  const { peers, shunned } = fields(plain["people"]);
  const conversations = plain["conversations"];
  const holds =
    Array.isArray(peers) &&
    peers.every((peer) => isAccount(fields(peer)["account"]) && bytesOf(32, fields(peer)["pinned"]) !== undefined) &&
    Array.isArray(shunned) &&
    shunned.every(isAccount) &&
    Array.isArray(conversations) &&
    conversations.every(isConversation);
  if (!holds) return undefined;
  return {
    people: { peers: peers as readonly Peer[], shunned: shunned as readonly string[] },
    conversations: conversations as readonly BackedUpConversation[],
  };
}

export function partsOf({ index, history }: Pick<BackupManifest, "index" | "history">): readonly BackupPart[] {
  return [index, ...history];
}

function manifestAad(account: string): Uint8Array {
  return utf8(`tacit backup 1\0${account}`);
}

/** Padded with blanks, which JSON passes over. */
function seal(
  random: (length: number) => Uint8Array,
  key: Uint8Array,
  aad: Uint8Array,
  body: Uint8Array,
  padding: number,
): Uint8Array {
  const plain = new Uint8Array(Math.ceil(body.length / padding) * padding).fill(0x20);
  plain.set(body);
  const nonce = random(nonceLength);
  const sealed = xchacha20poly1305(key, nonce, aad).encrypt(plain);
  plain.fill(0);
  return concat(nonce, sealed);
}

function open(key: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
  try {
    return xchacha20poly1305(key, sealed.subarray(0, nonceLength), aad).decrypt(sealed.subarray(nonceLength));
  } catch {
    return undefined;
  }
}

function encodePart({ hash: name, size, key }: BackupPart): object {
  return { hash: name, size, key: encodeBase64Url(key) };
}

function decodePart(value: unknown): BackupPart | undefined {
  const { hash: name, size, key } = fields(value);
  const reference = parse(blobReference, { hash: name, size });
  const bytes = bytesOf(32, key);
  return reference === undefined || bytes === undefined ? undefined : { ...reference, key: bytes };
}

function isConversation(value: unknown): boolean {
  const { id, log, members, keys, title, ended, requestBy } = fields(value);
  return (
    parse(conversationId, id) !== undefined &&
    parse(conversationId, log) !== undefined &&
    Array.isArray(members) &&
    members.every(isAccount) &&
    (keys === undefined ||
      (Array.isArray(keys) && keys.length === members.length && keys.every((key) => bytesOf(32, key) !== undefined))) &&
    (title === undefined || typeof title === "string") &&
    (ended === undefined || ended === true) &&
    (requestBy === undefined || typeof requestBy === "string")
  );
}

function isAccount(value: unknown): boolean {
  return parse(accountId, value) !== undefined;
}

function bytesOf(length: number, value: unknown): Uint8Array | undefined {
  const text = parse(bytes(length, length), value);
  return text === undefined ? undefined : decodeBase64Url(text);
}

function fields(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function areKnown<T>(values: readonly (T | undefined)[]): values is readonly T[] {
  return values.every((value) => value !== undefined);
}
