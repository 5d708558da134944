/** What this device knows of the backup that it keeps, in the store: the key, what the relay has, and which blob holds what. */
import { decodeBase64Url, encodeBase64Url } from "@tacit/protocol";
import type { SealedStore } from "../sealedStore.ts";
import type { BackupPart } from "../session/history/backup.ts";
import { nothingSaved, type Chunk, type Saved } from "../session/history/backupChunks.ts";
import { parseJson, utf8 } from "../session/bytes.ts";
import type { Change } from "../session/conversationStore.ts";

export interface BackupState {
  /** Of the recovery code; undefined while there is none. */
  readonly key: Uint8Array | undefined;
  /** A backup under the key of another code may have reached the relay. */
  readonly renewing: boolean;
  /** The relay's number of the backup that this one follows. */
  readonly version: number;
  /** SHA-256 of the sealed manifest that the relay was given, base64url. */
  readonly manifest: string | undefined;
  /** SHA-256 of what the backup says, base64url: the same where nothing changed. */
  readonly content: string | undefined;
  /** `content`: SHA-256 of what is in it, base64url. */
  readonly index: (BackupPart & { readonly content: string }) | undefined;
  readonly saved: Saved;
  readonly nextNumber: number;
  /** Hashes of blobs that the relay turned out not to have. */
  readonly lost: readonly string[];
  /** This device's clock. */
  readonly lastAt: number | undefined;
  readonly lastCheckedAt: number | undefined;
}

export const noBackup: BackupState = {
  key: undefined,
  renewing: false,
  version: 0,
  manifest: undefined,
  content: undefined,
  index: undefined,
  saved: nothingSaved,
  nextNumber: 1,
  lost: [],
  lastAt: undefined,
  lastCheckedAt: undefined,
};

const headKey = "backup/head";
const chunkPrefix = "backup/chunk/";

export async function loadBackupState(store: SealedStore): Promise<BackupState> {
  const stored = await store.get(headKey);
  const head = stored && (parseJson(stored) as StoredHead | undefined);
  if (head === undefined) return noBackup;
  const { key, index, givenUp, ...rest } = head;
  const chunks = (await store.scan(chunkPrefix)).map(([, value]) => decodeChunk(value));
  return {
    ...noBackup,
    ...rest,
    key: key === undefined ? undefined : decodeBase64Url(key),
    index: index && { ...index, key: decodeBase64Url(index.key) },
    saved: { chunks, givenUp: new Map(givenUp) },
  };
}

/** What has to be written to get from `before` to `after`. */
export function backupChanges(before: BackupState, after: BackupState): readonly Change[] {
  const { key, index, saved, ...rest } = after;
  const head: StoredHead = {
    ...rest,
    key: key && encodeBase64Url(key),
    index: index && { ...index, key: encodeBase64Url(index.key) },
    givenUp: [...saved.givenUp],
  };
  const old = new Set(before.saved.chunks.map(({ hash }) => hash));
  const now = new Set(saved.chunks.map(({ hash }) => hash));
  return [
    { key: headKey, value: utf8(JSON.stringify(head)) },
    ...saved.chunks.filter(({ hash }) => !old.has(hash)).map(encodeChunk),
    ...[...old].filter((hash) => !now.has(hash)).map((hash) => ({ key: chunkPrefix + hash })),
  ];
}

type StoredPart<T extends BackupPart> = Omit<T, "key"> & { readonly key: string };

type StoredHead = Omit<BackupState, "key" | "index" | "saved"> & {
  readonly key: string | undefined;
  readonly index: StoredPart<NonNullable<BackupState["index"]>> | undefined;
  readonly givenUp: readonly (readonly [string, number])[];
};

function encodeChunk(chunk: Chunk): Change {
  const value: StoredPart<Chunk> = { ...chunk, key: encodeBase64Url(chunk.key) };
  return { key: chunkPrefix + chunk.hash, value: utf8(JSON.stringify(value)) };
}

function decodeChunk(stored: Uint8Array): Chunk {
  const chunk = parseJson(stored) as StoredPart<Chunk> | undefined;
  if (chunk === undefined) throw new Error("a stored part of a backup is damaged");
  return { ...chunk, key: decodeBase64Url(chunk.key) };
}
