/** The blobs of the account's backup: there, back, and whether they are there. */
import { encodeBase64Url, type BlobReference } from "@tacit/protocol";
import { uploaded, type PayloadDeps } from "../payloads.ts";
import { LostAnswer, Refused } from "../connection/relaySocket.ts";
import type { BackupPart } from "../session/history/backup.ts";
import { sha256 } from "../session/cryptoContext.ts";

/** `sealed` was sealed under `key`. @throws Refused, LostAnswer */
export async function uploadPart(deps: PayloadDeps, sealed: Uint8Array, key: Uint8Array): Promise<BackupPart> {
  const { blob } = await uploaded(deps, sealed);
  return { ...blob, key };
}

/** Where to fetch it; undefined where the relay has it no more. @throws Refused, LostAnswer */
export async function locatePart(
  { connection }: Pick<PayloadDeps, "connection">,
  { hash }: BlobReference,
): Promise<string | undefined> {
  try {
    const { url } = await connection.request("downloadBlob", { hash, backup: true });
    return url;
  } catch (error) {
    if (error instanceof Refused && error.refusal.code === "blob_missing") return undefined;
    throw error;
  }
}

/** Undefined where it is gone, or is not what it was named after. @throws Refused, LostAnswer where it may be there later */
export async function downloadPart(deps: PayloadDeps, part: BlobReference): Promise<Uint8Array | undefined> {
  const url = await locatePart(deps, part);
  if (url === undefined) return undefined;
  let bytes: Uint8Array | undefined;
  try {
    bytes = await deps.blobs.get(url, part.size);
  } catch {
    throw new LostAnswer("the download failed");
  }
  const holds =
    bytes !== undefined && bytes.length === part.size && encodeBase64Url(sha256(deps.provider, bytes)) === part.hash;
  return holds ? bytes : undefined;
}
