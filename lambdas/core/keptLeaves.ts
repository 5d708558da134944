/**
 * Requests to leave, kept beside the log when they have expired there.
 *
 * A commit has to take out whoever asked to leave, and is void where it does not: to those who know. Who comes back after the request
 * expired would not know, and go on with what the others pass over. So the log shows a request to everybody who has not read it.
 */
import { limits } from "@tacit/protocol";
import type { Conversation, StoredEntry } from "../ports.ts";
import { leaveLife, seconds } from "./expiry.ts";
import type { Relay } from "./relay.ts";

/** A place among them, read by name like a log of its own. No conversation has such a name. */
const beside = (conversation: string): string => `${conversation}/leaves`;

/** Where the request `entry` is kept from when it lands. */
export function keptLeave(conversation: string, entry: StoredEntry) {
  return { name: beside(conversation), ttl: seconds(entry.at) + leaveLife };
}

/**
 * Those after `after` that have expired in the log, a page of them; where there may be more, `upTo` is the last that was looked at. Costs
 * nothing where nobody left since.
 */
export async function keptLeaves(
  { log }: Pick<Relay, "log">,
  { name, conversation, after }: { readonly name: string; readonly conversation: Conversation; readonly after: number },
  now: number,
): Promise<{ readonly entries: readonly StoredEntry[]; readonly upTo: number }> {
  const left = [...conversation.dropped.values()].some((dropped) => dropped.left === true && dropped.seq > after);
  if (!left) return { entries: [], upTo: Infinity };
  const { entries, more } = await log.page(beside(name), after, limits.pageEntries);
  return {
    entries: entries.filter(({ expires, ttl }) => expires <= now && now < ttl * 1_000),
    upTo: (more && entries.at(-1)?.seq) || Infinity,
  };
}
