/** `acknowledgeInbox`: deletes what the device has stored for good. */
import type { Request } from "@tacit/protocol";
import type { Caller } from "./caller.ts";
import type { Done } from "./done.ts";
import type { Relay } from "./relay.ts";

export async function acknowledgeInbox(
  { inbox }: Relay,
  { account, device }: Caller,
  { ids }: Request<"acknowledgeInbox">,
): Promise<Done<"acknowledgeInbox">> {
  await Promise.all([...new Set(ids)].map((id) => inbox.remove(account, device, id)));
  return { answer: {} };
}
