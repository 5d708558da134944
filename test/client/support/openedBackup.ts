/** The relay's copy of a backup, opened as whoever has the recovery code would. */
import { decodeBase64Url } from "@tacit/protocol";
import {
  openIndex,
  openManifest,
  type BackupIndex,
  type BackupManifest,
} from "../../../client/src/session/history/backup.ts";
import { unpackHistory, type ArchivedConversation } from "../../../client/src/session/history/historyArchive.ts";
import { readRecoveryCode } from "../../../client/src/session/identity/recoveryCode.ts";
import type { TimelineItem } from "../../../client/src/session/timeline.ts";
import type { Stage } from "./stage.ts";

export interface OpenedBackup {
  readonly version: number;
  readonly manifest: BackupManifest;
  readonly index: BackupIndex;
  readonly archives: readonly ArchivedConversation[];
  /** By conversation, in order. */
  readonly items: ReadonlyMap<string, readonly TimelineItem[]>;
  /** Hashes. */
  readonly blobs: readonly string[];
}

/** Undefined where the code does not open it. */
export async function openedBackup({ relay }: Stage, account: string, code: string): Promise<OpenedBackup | undefined> {
  const stored = relay.tables.backups.get(account);
  const key = readRecoveryCode(code);
  if (stored === undefined || key === undefined) return undefined;
  const manifest = openManifest(key, account, decodeBase64Url(stored.manifest));
  if (manifest === undefined) return undefined;
  const index = openIndex(manifest.index.key, await bodyOf(relay, manifest.index.hash));
  if (index === undefined) throw new Error("an index opens");
  const archives: ArchivedConversation[] = [];
  for (const part of manifest.history) {
    const opened = unpackHistory({ key: part.key, chunks: [await bodyOf(relay, part.hash)] });
    if (opened === undefined) throw new Error("history opens");
    archives.push(...opened);
  }
  const items = new Map<string, TimelineItem[]>();
  for (const each of archives) items.set(each.id, [...(items.get(each.id) ?? []), ...each.items]);
  for (const all of items.values()) all.sort((a, b) => a.position - b.position);
  const blobs = stored.blobs.map(({ hash }) => hash);
  return { version: stored.version, manifest, index, archives, items, blobs };
}

async function bodyOf(relay: Stage["relay"], hash: string): Promise<Uint8Array> {
  const body = await relay.blobs.get(`memory:kept/${hash}`, Infinity);
  if (body === undefined) throw new Error("a blob is there");
  return body;
}
