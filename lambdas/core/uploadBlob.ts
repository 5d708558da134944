/** `uploadBlob`: where to PUT a blob. */
import type { Request } from "@tacit/protocol";
import type { Caller } from "./caller.ts";
import type { Done } from "./done.ts";
import type { Relay } from "./relay.ts";

export async function uploadBlob(
  { blobs }: Relay,
  _caller: Caller,
  blob: Request<"uploadBlob">,
): Promise<Done<"uploadBlob">> {
  return { answer: await blobs.uploadUrl(blob) };
}
