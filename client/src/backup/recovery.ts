/**
 * An account comes back on a fresh device, by its recovery code. In durable steps, each of which may be repeated:
 *
 *     account   the backup is opened, and the account's next record made: under a new account key, for which the old one signs, with this
 *               device alone. From then on the store has what is needed, and the code is not.
 *     carry     the relay has that record. First of all the backup is given the new account key, under the same code: a device that is
 *               lost now can be replaced in the same way.
 *     history   people and conversations, then what was said, blob by blob
 *     code      a new recovery code; the old one ends
 *
 * Between the first two lies the one moment in which the new account key is on this device alone: it is random, or whoever learned the
 * old code later would have the account.
 */
import { decodeBase64Url, encodeBase64Url, type Answer, type Operation, type Request } from "@tacit/protocol";
import type { AccountRecords, CheckedRecord } from "../account/accountRecords.ts";
import { TacitError } from "../errors.ts";
import type { PeerBook } from "../account/peerBook.ts";
import { LostAnswer, Refused } from "../connection/relaySocket.ts";
import type { SealedStore } from "../sealedStore.ts";
import { certificateFor } from "../session/identity/accountRecord.ts";
import {
  openIndex,
  openManifest,
  partsOf,
  sealIndex,
  sealManifest,
  encodeIndex,
  type BackupManifest,
  type BackupPart,
} from "../session/history/backup.ts";
import { parseJson, utf8 } from "../session/bytes.ts";
import { decodeTimelineItem, timelineKey, timelinePrefix, type Change } from "../session/conversationStore.ts";
import type { CryptoProvider } from "../session/cryptoContext.ts";
import { unpackHistory } from "../session/history/historyArchive.ts";
import { deviceKeysOf, newAccountSecret, type Holder, type Identity } from "../session/identity/identity.ts";
import { recordUnderNewKey } from "../session/identity/nextRecord.ts";
import { downloadPart, locatePart, uploadPart } from "./backupBlobs.ts";
import type { BackupKeeper } from "./backupKeeper.ts";
import { restored, storedRestored, type RestoredConversation } from "./restored.ts";
import { putManifest, type AccountKeys, type MakeBackupDeps } from "./makeBackup.ts";

export interface RecoveredIdentity {
  readonly identity: Holder;
  /** To be stored with it. */
  readonly changes: readonly Change[];
}

interface Progress {
  readonly step: "carry" | "history" | "code";
  readonly account: string;
  /** The backup key, base64url. */
  readonly key: string;
  /** The manifest that is restored from, as the relay gave it, and its version. */
  readonly manifest: string;
  readonly version: number;
  /** Blobs of history that are done. */
  readonly done: number;
}

type Ask = <O extends Operation>(operation: O, fields: Request<O>) => Promise<Answer<O>>;

const carryAttempts = 5;
const progressKey = "recovery";

/**
 * The first step, on a socket of a device that is in no account yet. Store `changes` with the identity, then put its record; where the
 * relay has another one by then, begin anew.
 * @throws TacitError `recovery_code_invalid`, `no_backup`, `identity_invalid`; Refused; LostAnswer
 */
export async function recoveredIdentity(
  {
    ask,
    provider,
    records,
  }: { readonly ask: Ask; readonly provider: CryptoProvider; readonly records: AccountRecords },
  identity: Identity,
  account: string,
  key: Uint8Array,
  now: number,
): Promise<RecoveredIdentity> {
  const { version: backupVersion, manifest: sealed } = await ask("getBackup", {});
  if (sealed === undefined) throw new TacitError("no_backup", "the account has no backup");
  const manifest = openManifest(key, account, decodeBase64Url(sealed));
  if (manifest === undefined) {
    throw new TacitError("recovery_code_invalid", "the recovery code does not open the account's backup");
  }
  if (manifest.receiptKey !== undefined) await records.expectReceiptKey(manifest.receiptKey);
  const current = await records.check(account, await ask("getAccount", { account }));
  requireSuccessor(manifest, current);

  const accountKey = await provider.signatures.Ed25519.generate();
  const accountSecret = newAccountSecret(provider);
  const names = { holder: identity.device, names: new Map<string, string>() };
  const signer = { provider, accountKey, secret: accountSecret, names };
  const record = await recordUnderNewKey(signer, current.signed, manifest.accountKey, deviceKeysOf(identity), now);
  const certificate = record && certificateFor(record, identity.device);
  if (record === undefined || certificate === undefined) {
    throw new TacitError("too_large", "the account's record has no room for another key");
  }
  const recordVersion = current.version + 1;
  const progress: Progress = {
    step: "carry",
    account,
    key: encodeBase64Url(key),
    manifest: sealed,
    version: backupVersion,
    done: 0,
  };
  return {
    identity: {
      ...identity,
      accountKey,
      accountSecret,
      secretSince: recordVersion,
      enrolment: { account, certificate, record, recordVersion, registered: false },
    },
    changes: [encodeProgress(progress)],
  };
}

/** The relay must not offer an older record than the backup knows, nor another; the backup must be of the key that the account has. */
function requireSuccessor(manifest: BackupManifest, current: CheckedRecord): void {
  const { version, hash } = manifest.record;
  if (current.version < version || (current.version === version && current.hash !== hash)) {
    throw new TacitError(
      "identity_invalid",
      "the relay's record of the account is older than the backup's, or another",
    );
  }
  if (current.accountKey !== encodeBase64Url(manifest.accountKey.publicKey)) {
    throw new TacitError("recovery_code_invalid", "the account goes on under another key than this code's backup has");
  }
}

/** The backup key of a recovery that was begun in this store and is not over. */
export async function pendingRecovery(store: SealedStore): Promise<Uint8Array | undefined> {
  const progress = await loadProgress(store);
  return progress && decodeBase64Url(progress.key);
}

export interface RestoreDeps extends MakeBackupDeps {
  readonly peers: PeerBook;
  readonly keeper: BackupKeeper;
  readonly failed: (error: TacitError) => void;
}

/**
 * Everything up to the new code, once the device is in the account and before it reads anything: what it reads goes on behind what is
 * restored. Does nothing where nothing is to be restored. Answers the conversations that came.
 * @throws Refused; LostAnswer: to be called again
 */
export async function restoreBackup(deps: RestoreDeps): Promise<readonly RestoredConversation[]> {
  const { store, source } = deps;
  let progress = await loadProgress(store);
  if (progress === undefined || progress.step === "code") return [];
  const keys = source.holder();
  if (keys === undefined) throw new TacitError("internal", "who recovers an account holds its key");
  if (progress.step === "carry") progress = await carryOver(deps, progress, keys);
  return restoreHistory(deps, progress);
}

/**
 * The last step: shows the application a new recovery code, which is in force when this resolves. Without `onNewCode` the old one stays.
 * @throws what `createRecoveryCode` and `onNewCode` do: to be called again, with another code
 */
export async function finishRecovery(
  { store, keeper }: Pick<RestoreDeps, "store" | "keeper">,
  onNewCode: ((code: string) => void | Promise<void>) | undefined,
): Promise<void> {
  if ((await loadProgress(store))?.step !== "code") return;
  if (onNewCode !== undefined) await keeper.createRecoveryCode(onNewCode);
  await store.commit([{ key: progressKey }]);
}

async function carryOver(deps: RestoreDeps, progress: Progress, keys: AccountKeys): Promise<Progress> {
  const { connection, provider } = deps;
  const key = decodeBase64Url(progress.key);
  let { version } = progress;
  let parts = await presentParts(deps, manifestOf(progress));
  for (let attempt = 0; attempt < carryAttempts; attempt++) {
    const manifest = { ...manifestOf(progress), ...parts, ...keys, at: connection.now() };
    const sealed = sealManifest(provider.random, key, progress.account, manifest);
    try {
      version = await putManifest(deps, version, sealed, partsOf(manifest));
      return await saved(deps.store, { ...progress, step: "history", manifest: encodeBase64Url(sealed), version });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (error.refusal.code === "blob_missing") parts = await presentParts(deps, manifest);
      else if (error.refusal.code !== "record_conflict") throw error;
    }
    // Either this is an answer that was lost, or a device that was revoked meanwhile had a last word: the account is here now.
    version = (await connection.request("getBackup", {})).version;
  }
  throw new LostAnswer("the relay does not take the backup now");
}

/** Without what the relay has lost; an empty index where that is gone. */
async function presentParts(
  deps: RestoreDeps,
  { index, history }: BackupManifest,
): Promise<Pick<BackupManifest, "index" | "history">> {
  const present: BackupPart[] = [];
  for (const part of history) if ((await locatePart(deps, part)) !== undefined) present.push(part);
  if (present.length < history.length) deps.failed(lost());
  if ((await locatePart(deps, index)) !== undefined) return { index, history: present };
  deps.failed(lost());
  const { random } = deps.provider;
  const key = random(32);
  const empty = encodeIndex({ people: { peers: [], shunned: [] }, conversations: [] });
  return { index: await uploadPart(deps, sealIndex(random, key, empty), key), history: present };
}

async function restoreHistory(deps: RestoreDeps, begun: Progress): Promise<readonly RestoredConversation[]> {
  const { store, peers, keeper } = deps;
  let progress = begun;
  const manifest = manifestOf(progress);
  const indexBytes = await downloadPart(deps, manifest.index);
  const index = indexBytes && openIndex(manifest.index.key, indexBytes);
  if (index === undefined) deps.failed(lost());
  const { people, conversations } = index ?? { people: { peers: [], shunned: [] }, conversations: [] };
  await peers.alone(async () => {
    const { changes, stored } = peers.restore(people);
    if (changes.length > 0) await store.commit(changes);
    stored();
  });
  for (const part of manifest.history.slice(progress.done)) {
    const bytes = await downloadPart(deps, part);
    const archive = bytes && unpackHistory({ key: part.key, chunks: [bytes] });
    if (archive === undefined) deps.failed(lost());
    const items = (archive ?? []).flatMap(({ id, items: all }) =>
      all.map((item) => {
        const own = item.kind === "message" ? { ...item, mine: item.from === progress.account } : item;
        return { key: timelineKey(id, item.position), value: utf8(JSON.stringify(own)) };
      }),
    );
    progress = { ...progress, done: progress.done + 1 };
    await store.commit([...items, encodeProgress(progress)]);
  }
  const came: RestoredConversation[] = [];
  for (const conversation of conversations) {
    const [newest] = await store.scan(timelinePrefix(conversation.id), { reverse: true, limit: 1 });
    came.push(restored(conversation, newest && decodeTimelineItem(newest[1])));
  }
  await store.commit(came.map(storedRestored));
  await keeper.adopt(decodeBase64Url(progress.key), progress.version);
  await saved(store, { ...progress, step: "code" });
  return came;
}

function lost(): TacitError {
  return new TacitError("backup_lost", "a part of the backup is gone or damaged: what was in it is not restored");
}

function manifestOf({ key, account, manifest }: Progress): BackupManifest {
  const opened = openManifest(decodeBase64Url(key), account, decodeBase64Url(manifest));
  if (opened === undefined) throw new Error("a manifest that was opened opens");
  return opened;
}

async function saved(store: SealedStore, progress: Progress): Promise<Progress> {
  await store.commit([encodeProgress(progress)]);
  return progress;
}

async function loadProgress(store: SealedStore): Promise<Progress | undefined> {
  const stored = await store.get(progressKey);
  return stored && required<Progress>(stored);
}

function encodeProgress(progress: Progress): Change {
  return { key: progressKey, value: utf8(JSON.stringify(progress)) };
}

/** What this package wrote and the store kept authentic. */
function required<T>(stored: Uint8Array): T {
  const value = parseJson(stored);
  if (value === undefined) throw new Error("a stored value is damaged");
  return value as T;
}
