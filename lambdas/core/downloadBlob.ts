/** `downloadBlob`: where to GET a blob. Its name is a hash of ciphertext, which only those know who were told. */
import type { Request } from "@tacit/protocol";
import type { BlobPlace } from "../ports.ts";
import type { Caller } from "./caller.ts";
import type { Done } from "./done.ts";
import type { Relay } from "./relay.ts";
import { Refused } from "./refused.ts";

export async function downloadBlob(
  { blobs }: Relay,
  _caller: Caller,
  { hash }: Request<"downloadBlob">,
): Promise<Done<"downloadBlob">> {
  for (const place of ["kept", "staging"] as const satisfies readonly BlobPlace[]) {
    if ((await blobs.stat(place, hash)) !== undefined) return { answer: await blobs.downloadUrl(place, hash) };
  }
  throw new Refused("blob_missing", "no such blob");
}
