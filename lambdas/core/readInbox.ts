/** `readInbox`: what is addressed to the caller's device. */
import type { Request } from "@tacit/protocol";
import type { Caller } from "./caller.ts";
import type { Done } from "./done.ts";
import { firstPage, payloadWeight } from "./page.ts";
import type { Relay } from "./relay.ts";

/** Welcomes of one page at most. */
const welcomes = 50;

export async function readInbox(
  { inbox }: Relay,
  { device }: Caller,
  { after }: Request<"readInbox">,
): Promise<Done<"readInbox">> {
  const page = await inbox.page(device, after, welcomes);
  const items = firstPage(page.items, ({ payload }) => payloadWeight(payload));
  const next = items.length < page.items.length ? items.at(-1)!.id : page.next;
  return { answer: { items: [...items], ...(next === undefined ? {} : { next }) } };
}
