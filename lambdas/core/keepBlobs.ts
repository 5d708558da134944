/**
 * Keeps what an entry refers to, before the entry is accepted. Uploads live for a day; kept blobs live a little longer
 * than the entries of the day on which they were kept, so one that is referred to again later starts anew.
 */
import type { BlobReference, Payload } from "@tacit/protocol";
import type { Relay } from "./relay.ts";
import { Refused } from "./refused.ts";

/** Kept blobs outlive entries by more than this. */
const fresh = 24 * 60 * 60_000;

/** @throws Refused `blob_missing` where one is not there in the size that was given */
export async function keepBlobs(
  relay: Relay,
  payloads: readonly Payload[],
  others: readonly BlobReference[],
): Promise<void> {
  const inPayloads = payloads.flatMap((payload) => ("blob" in payload ? [payload.blob] : []));
  const distinct = new Map([...inPayloads, ...others].map((blob) => [`${blob.hash} ${blob.size}`, blob]));
  await Promise.all([...distinct.values()].map((blob) => keepBlob(relay, blob)));
}

async function keepBlob({ blobs, clock }: Relay, { hash, size }: BlobReference): Promise<void> {
  const kept = await blobs.stat("kept", hash);
  if (kept?.size === size) {
    if (clock.now() - kept.modified > fresh) await blobs.copy("kept", "kept", hash);
    return;
  }
  const staged = await blobs.stat("staging", hash);
  if (staged?.size !== size) throw new Refused("blob_missing", "a blob was not uploaded, or is of another size");
  await blobs.copy("staging", "kept", hash);
}
