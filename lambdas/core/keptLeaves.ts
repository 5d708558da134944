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
  return { name: beside(conversation), ttl: seconds(entry.expires) + leaveLife };
}

/**
 * The first of those after `after` that have expired in the log; where there may be more, `upTo` is the last that was looked at. Costs nothing
 * where nobody has left since.
 */
export async function keptLeaves(
  { log }: Pick<Relay, "log">,
  {
    name,
    conversation,
    after,
  }: { readonly name: string; readonly conversation: Pick<Conversation, "lastLeave">; readonly after: number },
  now: number,
): Promise<{ readonly entries: readonly StoredEntry[]; readonly upTo: number }> {
  const { lastLeave = 0 } = conversation;
  let from = after;
  while (lastLeave > from) {
    const { entries, more } = await log.page(beside(name), from, limits.pageEntries);
    const kept = entries.filter(({ expires, ttl }) => expires <= now && now < ttl * 1_000);
    const last = entries.at(-1);
    if (!more || last === undefined) return { entries: kept, upTo: Infinity };
    // Those behind one that is in the log still are, too, as a rule.
    if (kept.length > 0 || now < last.expires) return { entries: kept, upTo: last.seq };
    from = last.seq;
  }
  return { entries: [], upTo: Infinity };
}
