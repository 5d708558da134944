/** Looks at the backup as whoever recovers from it would: is it what this device made, is all of it there, and does it open? */
import { decodeBase64Url } from "@tacit/protocol";
import type { PayloadDeps } from "../payloads.ts";
import { uniformOf } from "../session/backoff.ts";
import { openIndex, openManifest, partsOf, type BackupManifest, type BackupPart } from "../session/history/backup.ts";
import { unpackHistory } from "../session/history/historyArchive.ts";
import { downloadPart, locatePart } from "./backupBlobs.ts";
import type { BackupState } from "./backupState.ts";
import { isOwn } from "./makeBackup.ts";

export type BackupCheck =
  | { readonly kind: "good" }
  /** The relay has another backup, an older one, or none. */
  | { readonly kind: "other"; readonly version: number }
  /** Blobs, by hash, that are gone or do not open. */
  | { readonly kind: "lost"; readonly parts: readonly string[] };

/** All blobs have to be there; the index and one of the others are fetched and opened. @throws Refused, LostAnswer */
export async function checkBackup(deps: PayloadDeps, account: string, state: BackupState): Promise<BackupCheck> {
  const { connection, provider } = deps;
  const { version, manifest: sealed, blobs = [] } = await connection.request("getBackup", {});
  const other: BackupCheck = { kind: "other", version };
  if (state.key === undefined || sealed === undefined || !isOwn(provider, state, sealed)) return other;
  const manifest = openManifest(state.key, account, decodeBase64Url(sealed));
  if (manifest === undefined) return other;
  const parts = partsOf(manifest);
  const named = new Set(blobs.map(({ hash }) => hash));
  const lost: string[] = [];
  for (const part of parts) {
    if (!named.has(part.hash) || (await locatePart(deps, part)) === undefined) lost.push(part.hash);
  }
  if (lost.length === 0) {
    for (const part of sampleOf(manifest, uniformOf(provider.random))) {
      if (!(await opens(deps, manifest, part))) lost.push(part.hash);
    }
  }
  return lost.length === 0 ? { kind: "good" } : { kind: "lost", parts: lost };
}

function sampleOf({ index, history }: BackupManifest, uniform: number): readonly BackupPart[] {
  const any = history[Math.floor(uniform * history.length)];
  return any === undefined ? [index] : [index, any];
}

async function opens(deps: PayloadDeps, { index }: BackupManifest, part: BackupPart): Promise<boolean> {
  const bytes = await downloadPart(deps, part);
  if (bytes === undefined) return false;
  const opened = part === index ? openIndex(part.key, bytes) : unpackHistory({ key: part.key, chunks: [bytes] });
  return opened !== undefined;
}
