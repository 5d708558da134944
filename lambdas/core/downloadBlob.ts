/**
 * `downloadBlob`: where to GET a blob. Its name is a hash of ciphertext, which only those know who were told. Those of a backup are
 * for its account alone, and for any device of it: they are sealed.
 */
import type { Request } from "@tacit/protocol";
import type { BlobPlace } from "../ports.ts";
import type { Caller } from "./caller.ts";
import type { Done } from "./done.ts";
import type { Relay } from "./relay.ts";
import { Refused } from "./refused.ts";

export async function downloadBlob(
  { blobs }: Relay,
  { account, scope }: Caller,
  { hash, backup }: Request<"downloadBlob">,
): Promise<Done<"downloadBlob">> {
  if (scope !== "full" && !backup) throw new Refused("out_of_scope", "this device has no certificate yet");
  const places: readonly BlobPlace[] = backup ? [{ backupOf: account }] : ["kept", "staging"];
  for (const place of places) {
    if ((await blobs.stat(place, hash)) !== undefined) return { answer: await blobs.downloadUrl(place, hash) };
  }
  throw new Refused("blob_missing", "no such blob");
}
