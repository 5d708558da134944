/** Payloads on their way: inline in the frame, or by blob where they are larger (protocol/PROTOCOL.md, Blobs). */
import { decodeBase64Url, encodeBase64Url, limits, type BlobReference, type Payload } from "@tacit/protocol";
import type { Connection } from "./connection/connection.ts";
import type { BlobTransfer } from "./ports.ts";
import { LostAnswer, Refused } from "./connection/relaySocket.ts";
import { sha256, type CryptoProvider } from "./session/cryptoContext.ts";
import { isTooLarge } from "./session/payloadSize.ts";

export interface PayloadDeps {
  readonly connection: Pick<Connection, "request">;
  readonly blobs: BlobTransfer;
  readonly provider: CryptoProvider;
}

/** @throws Refused, LostAnswer */
export async function sendable({ connection, blobs, provider }: PayloadDeps, bytes: Uint8Array): Promise<Payload> {
  return bytes.length <= limits.inlinePayload
    ? { inline: encodeBase64Url(bytes) }
    : uploaded({ connection, blobs, provider }, bytes);
}

/**
 * Payloads of one request: inline, the smallest first, as long as they have `room` in base64url characters.
 * @throws Refused, LostAnswer
 */
export async function sendableTogether(
  deps: PayloadDeps,
  parts: readonly Uint8Array[],
  room: number,
): Promise<readonly Payload[]> {
  const inline = new Set<Uint8Array>();
  let used = 0;
  for (const part of [...parts].sort((a, b) => a.length - b.length)) {
    used += Math.ceil((part.length * 4) / 3);
    if (used > room) break;
    inline.add(part);
  }
  const payloads: Payload[] = [];
  for (const part of parts) payloads.push(await (inline.has(part) ? sendable(deps, part) : uploaded(deps, part)));
  return payloads;
}

/** @throws Refused, LostAnswer */
export async function uploaded(
  { connection, blobs, provider }: PayloadDeps,
  bytes: Uint8Array,
): Promise<{ readonly blob: BlobReference }> {
  const blob = { hash: encodeBase64Url(sha256(provider, bytes)), size: bytes.length };
  const { url, headers } = await connection.request("uploadBlob", blob);
  await passing("the upload failed", () => blobs.put(url, headers, bytes));
  return { blob };
}

/** Undefined: the blob is gone, too large, or not what it was named after. @throws Refused, LostAnswer where it may be there later */
export async function received(deps: PayloadDeps, payload: Payload): Promise<Uint8Array | undefined> {
  if ("inline" in payload) return decodeBase64Url(payload.inline);
  return isTooLarge(payload) ? undefined : fetched(deps, payload.blob);
}

/** The same for a blob of any size that the caller is ready to hold. */
export async function fetched(
  { connection, blobs, provider }: PayloadDeps,
  { hash, size }: BlobReference,
): Promise<Uint8Array | undefined> {
  let url: string;
  try {
    ({ url } = await connection.request("downloadBlob", { hash }));
  } catch (error) {
    if (error instanceof Refused && error.refusal.code === "blob_missing") return undefined;
    throw error;
  }
  const bytes = await passing("the download failed", () => blobs.get(url, size));
  const holds = bytes !== undefined && bytes.length === size && encodeBase64Url(sha256(provider, bytes)) === hash;
  return holds ? bytes : undefined;
}

async function passing<T>(why: string, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch {
    throw new LostAnswer(why);
  }
}
