/** `read`: entries after a cursor, in order. */
import { limits, type Request } from "@tacit/protocol";
import type { StoredEntry } from "../ports.ts";
import type { Caller } from "./caller.ts";
import type { Done } from "./done.ts";
import { entryOf } from "./fanOut.ts";
import { turnAfter } from "./head.ts";
import { firstPage, payloadWeight } from "./page.ts";
import type { Relay } from "./relay.ts";
import { notAMember } from "./refused.ts";

export async function readLog(
  relay: Relay,
  { account }: Caller,
  { conversation: name, after, limit = limits.pageEntries }: Request<"read">,
): Promise<Done<"read">> {
  const [page, newest] = await Promise.all([relay.log.page(name, after, limit), relay.log.newest(name)]);
  // After the entries: an account that was dropped meanwhile gets none that came later. A stranger costs the same work
  // whether there is such a conversation or not.
  const conversation = await relay.conversations.get(name);
  const dropped = conversation?.dropped.get(account);
  const isMember = conversation?.roster.includes(account) === true;
  if (conversation === undefined || (!isMember && dropped === undefined)) throw notAMember();
  const end = isMember ? Number.MAX_SAFE_INTEGER : dropped!.seq;

  const readable = page.entries.filter(({ seq }) => seq <= end);
  const fitting = firstPage(readable, weight);
  const reachedEnd = readable.length < page.entries.length || readable.at(-1)?.seq === end;
  const more = fitting.length < readable.length || (page.more && !reachedEnd);
  const now = relay.clock.now();
  const last = fitting.at(-1);
  // The page was read in one go with the newest, and either may have been first.
  const head = newerOf(newest, page.entries.at(-1));
  return {
    answer: {
      // Deletion by the table is late, and in any order: what has expired is gone for everybody at the same time.
      entries: fitting.filter(({ expires }) => now < expires).map(entryOf),
      ...(more && last !== undefined ? { next: last.seq } : {}),
      head:
        head === undefined
          ? { seq: 0, turn: isMember ? conversation.turn : dropped!.turn }
          : head.seq > end
            ? { seq: end, turn: dropped!.turn }
            : { seq: head.seq, turn: turnAfter(head) },
    },
  };
}

function newerOf(a: StoredEntry | undefined, b: StoredEntry | undefined): StoredEntry | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a.seq > b.seq ? a : b;
}

/** A commit's roster change counts too: it can be larger than the commit. */
function weight(entry: StoredEntry): number {
  const roster = entry.kind === "commit" ? JSON.stringify(entry.roster).length : 0;
  return payloadWeight(entry.payload) + roster;
}
