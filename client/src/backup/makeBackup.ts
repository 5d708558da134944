/** Makes one backup: packs what is new, uploads it, and gives the relay the manifest. */
import type { KeyPair } from "@tacit/mls";
import { decodeBase64Url, encodeBase64Url, limits } from "@tacit/protocol";
import type { Connection } from "../connection/connection.ts";
import { TacitError } from "../errors.ts";
import type { PayloadDeps } from "../payloads.ts";
import type { Clock } from "../ports.ts";
import { LostAnswer, Refused } from "../connection/relaySocket.ts";
import type { SealedStore } from "../sealedStore.ts";
import {
  encodeIndex,
  partsOf,
  sealIndex,
  sealManifest,
  type BackedUpConversation,
  type BackupIndex,
  type BackupManifest,
  type BackupPart,
} from "../session/history/backup.ts";
import { chunkBytes, planChunks, withGivenUp, type Chunk, type Segment } from "../session/history/backupChunks.ts";
import { utf8 } from "../session/bytes.ts";
import { decodeTimelineItem, timelineKey, timelinePrefix } from "../session/conversationStore.ts";
import { sha256, type CryptoProvider } from "../session/cryptoContext.ts";
import { packHistory, type ArchivedConversation } from "../session/history/historyArchive.ts";
import type { RecordMark } from "../session/identity/recordMark.ts";
import type { TimelineItem } from "../session/timeline.ts";
import { locatePart, uploadPart } from "./backupBlobs.ts";
import { restoredConversations } from "./restored.ts";
import type { BackupState } from "./backupState.ts";

/** What there is to back up, now. */
export interface BackupSource {
  readonly account: () => string;
  /** Undefined where this device does not hold the account key. */
  readonly holder: () => AccountKeys | undefined;
  readonly people: () => BackupIndex["people"];
  readonly conversations: () => readonly BackedUpConversation[];
  readonly receiptKey: () => string | undefined;
}

export interface AccountKeys {
  readonly accountKey: KeyPair;
  readonly accountSecret: BackupManifest["accountSecret"];
  readonly record: RecordMark;
}

export interface MakeBackupDeps extends PayloadDeps {
  readonly connection: Pick<Connection, "request" | "now">;
  readonly store: SealedStore;
  readonly clock: Clock;
  readonly source: BackupSource;
  /** Ends waiting. */
  readonly signal?: AbortSignal;
}

/** Where the store has what a backup holds: timelines, people, the block list, the account. */
export const backedUpPrefixes: readonly string[] = ["t/", "p/", "b/", "identity"];

const pageSize = 200;
/** How often to begin anew where the relay has another backup, lacks a blob of this one, or tidies up after the last. */
const attempts = 4;
/** Milliseconds that the relay may ask to wait. */
const longestWait = 60_000;

/**
 * The state after the backup was stored by the relay; undefined where it has it already. Nothing is stored here.
 * @throws TacitError `not_holder`, `backup_lost`; Refused; LostAnswer
 */
export async function makeBackup(deps: MakeBackupDeps, before: BackupState): Promise<BackupState | undefined> {
  let state = before;
  for (let attempt = 0; attempt < attempts; attempt++) {
    const made = await build(deps, state);
    if (made === undefined) return undefined;
    try {
      const version = await putManifest(deps, state.version, made.manifest, made.parts);
      return { ...made.state, version };
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const anew = { ...made.state, content: undefined, version: state.version };
      if (error.refusal.code === "record_conflict") state = { ...anew, version: await currentVersion(deps) };
      else if (error.refusal.code === "blob_missing") state = { ...anew, lost: await missing(deps, made.parts) };
      else throw error;
    }
  }
  throw new TacitError("backup_lost", "the relay does not take the backup");
}

/** Waits where the relay is still deleting what the backup before left out. Answers the version. @throws Refused; LostAnswer */
export async function putManifest(
  { connection, clock, signal }: Pick<MakeBackupDeps, "connection" | "clock" | "signal">,
  expected: number,
  manifest: Uint8Array,
  parts: readonly BackupPart[],
): Promise<number> {
  const blobs = parts.map(({ hash, size }) => ({ hash, size }));
  for (let attempt = 0; ; attempt++) {
    try {
      return (await connection.request("putBackup", { expected, manifest: encodeBase64Url(manifest), blobs })).version;
    } catch (error) {
      const wait = error instanceof Refused && error.refusal.code === "busy" ? error.refusal.retryAfter : undefined;
      if (wait === undefined || wait > longestWait || attempt === attempts) throw error;
      await pause(clock, wait, signal);
    }
  }
}

/** @throws LostAnswer where it is ended before */
async function pause(clock: Clock, milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  await new Promise<void>((resolve) => {
    const cancel = clock.after(milliseconds, resolve);
    signal?.addEventListener("abort", () => {
      cancel();
      resolve();
    });
  });
  if (signal?.aborted === true) throw new LostAnswer("the client was closed");
}

interface Built {
  readonly state: BackupState;
  readonly manifest: Uint8Array;
  readonly parts: readonly BackupPart[];
}

async function build(deps: MakeBackupDeps, state: BackupState): Promise<Built | undefined> {
  const { connection, provider, source } = deps;
  const keys = source.holder();
  if (keys === undefined)
    throw new TacitError("not_holder", "only the device that holds the account key makes backups");
  if (state.key === undefined) throw new TacitError("internal", "a backup needs a recovery code");
  const account = source.account();
  const entered = source.conversations().map(plain);
  const ids = new Set(entered.map(({ id }) => id));
  // A backup that was restored from lives on, also before this device is back in its conversations.
  const waiting = (await restoredConversations(deps.store)).filter(({ id }) => !ids.has(id)).map(plain);
  const conversations = [...entered, ...waiting];

  const withHistory = await savedHistory(deps, state, conversations);
  const index = await indexPart(deps, state, {
    people: withoutSelf(source.people(), account),
    conversations,
  });
  const history = [...withHistory.saved.chunks].sort((a, b) => a.number - b.number);
  const manifest: BackupManifest = { at: connection.now(), ...keys, receiptKey: source.receiptKey(), index, history };
  const content = contentOf(provider, manifest);
  if (content === state.content && state.lost.length === 0) return undefined;
  const sealed = sealManifest(provider.random, state.key, account, manifest);
  return {
    manifest: sealed,
    parts: partsOf(manifest),
    state: { ...withHistory, index, content, manifest: hashOf(provider, sealed), renewing: false, lost: [] },
  };
}

function plain({ id, log, members, keys, title, ended, requestBy }: BackedUpConversation): BackedUpConversation {
  return {
    id,
    log,
    members,
    ...(keys === undefined ? {} : { keys }),
    ...(title === undefined ? {} : { title }),
    ...(ended === undefined ? {} : { ended }),
    ...(requestBy === undefined ? {} : { requestBy }),
  };
}

/** A device's own account is not a peer to whoever recovers it. */
function withoutSelf({ peers, shunned }: BackupIndex["people"], account: string): BackupIndex["people"] {
  return { peers: peers.filter((peer) => peer.account !== account), shunned };
}

async function savedHistory(
  deps: MakeBackupDeps,
  state: BackupState,
  conversations: readonly BackedUpConversation[],
): Promise<BackupState> {
  const last = new Map<string, number>();
  for (const { id } of conversations) {
    const [newest] = await deps.store.scan(timelinePrefix(id), { reverse: true, limit: 1 });
    if (newest !== undefined) last.set(id, decodeTimelineItem(newest[1]).position);
  }
  const room = limits.backupBlobs - 1;
  const plan = planChunks(state.saved, { last, room, lost: new Set(state.lost) });
  const chunks: Chunk[] = [...plan.keep.chunks];
  let { givenUp } = plan.keep;
  let { nextNumber } = state;
  for (const segments of plan.pack) {
    for await (const { items, covered } of packs(deps.store, segments)) {
      if (chunks.length === room) {
        givenUp = withGivenUp(givenUp, covered);
        continue;
      }
      chunks.push({ ...(await historyPart(deps, items)), segments: covered, number: nextNumber++ });
    }
  }
  return { ...state, saved: { chunks, givenUp }, nextNumber };
}

async function historyPart(deps: MakeBackupDeps, items: readonly ArchivedConversation[]): Promise<BackupPart> {
  const unbounded = { itemsPerConversation: Infinity, totalBytes: Infinity, chunkBytes: Infinity };
  const { key, chunks } = packHistory(deps.provider.random, items, unbounded);
  const [chunk] = chunks;
  if (chunk === undefined || chunks.length > 1) throw new Error("an archive without bounds is one chunk");
  return uploadPart(deps, chunk, key);
}

interface Pack {
  readonly items: readonly ArchivedConversation[];
  readonly covered: readonly Segment[];
}

/** The items of the segments, a chunk's worth at a time. */
async function* packs(store: SealedStore, segments: readonly Segment[]): AsyncGenerator<Pack, void, undefined> {
  let items: ArchivedConversation[] = [];
  let covered: Segment[] = [];
  let size = 0;
  for (const { conversation: id, from, to } of segments) {
    let start = from;
    let part: TimelineItem[] = [];
    for (let position = from - 1; position < to;) {
      const page = await store.scan(timelinePrefix(id), { after: timelineKey(id, position), limit: pageSize });
      for (const [, value] of page) {
        const item = decodeTimelineItem(value);
        position = item.position;
        if (position > to) break;
        part.push(item);
        size += value.length;
        if (size < chunkBytes || position === to) continue;
        yield {
          items: [...items, { id, members: [], items: part }],
          covered: [...covered, { conversation: id, from: start, to: position }],
        };
        [items, covered, size, part, start] = [[], [], 0, [], position + 1];
      }
      if (page.length < pageSize) break;
    }
    if (part.length > 0) items.push({ id, members: [], items: part });
    covered.push({ conversation: id, from: start, to });
  }
  if (items.length > 0) yield { items, covered };
}

async function indexPart(
  deps: MakeBackupDeps,
  state: BackupState,
  index: BackupIndex,
): Promise<NonNullable<BackupState["index"]>> {
  const { provider } = deps;
  const encoded = encodeIndex(index);
  const content = hashOf(provider, encoded);
  const known = state.index;
  if (known !== undefined && known.content === content && !state.lost.includes(known.hash)) return known;
  const key = provider.random(32);
  return { ...(await uploadPart(deps, sealIndex(provider.random, key, encoded), key)), content };
}

/** Everything but when it was made. */
function contentOf(provider: CryptoProvider, manifest: BackupManifest): string {
  const { accountKey, accountSecret, record, receiptKey } = manifest;
  const parts = partsOf(manifest).map(({ hash }) => hash);
  const secret = encodeBase64Url(sha256(provider, accountSecret.secret));
  const said = [encodeBase64Url(accountKey.publicKey), secret, accountSecret.since, record, receiptKey ?? null, parts];
  return hashOf(provider, utf8(JSON.stringify(said)));
}

async function currentVersion({ connection }: MakeBackupDeps): Promise<number> {
  return (await connection.request("getBackup", {})).version;
}

/** Uploads lie elsewhere until a backup names them, so those that are new count as missing too, and are made again. */
async function missing(deps: MakeBackupDeps, parts: readonly BackupPart[]): Promise<readonly string[]> {
  const lost: string[] = [];
  for (const part of parts) if ((await locatePart(deps, part)) === undefined) lost.push(part.hash);
  return lost;
}

export function hashOf(provider: CryptoProvider, bytes: Uint8Array): string {
  return encodeBase64Url(sha256(provider, bytes));
}

/** Does this manifest, as the relay has it, come from the state's last backup? */
export function isOwn(provider: CryptoProvider, state: BackupState, manifest: string | undefined): boolean {
  return manifest !== undefined && hashOf(provider, decodeBase64Url(manifest)) === state.manifest;
}
