/** `readInbox`: what is addressed to the caller's device, as a device of its account. */
import type { Request } from "@tacit/protocol";
import type { Caller } from "./caller.ts";
import type { Done } from "./done.ts";
import { firstPage, payloadWeight } from "./page.ts";
import type { Relay } from "./relay.ts";

/** Items of one page at most. */
const items = 50;

export async function readInbox(
  { inbox }: Relay,
  { account, device }: Caller,
  { after }: Request<"readInbox">,
): Promise<Done<"readInbox">> {
  const page = await inbox.page(account, device, after, items);
  const fitting = firstPage(page.items, ({ payload }) => payloadWeight(payload));
  const next = fitting.length < page.items.length ? fitting.at(-1)!.id : page.next;
  return { answer: { items: [...fitting], ...(next === undefined ? {} : { next }) } };
}
