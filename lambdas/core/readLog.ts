/** `read`: entries after a cursor, in order. */
import { limits, type Request } from "@tacit/protocol";
import type { Conversation, StoredEntry } from "../ports.ts";
import type { Caller } from "./caller.ts";
import type { Done } from "./done.ts";
import { entryOf } from "./fanOut.ts";
import { isDead, turnAfter } from "./head.ts";
import { keptLeaves } from "./keptLeaves.ts";
import { firstPage, payloadWeight } from "./page.ts";
import type { Relay } from "./relay.ts";
import { notAMember } from "./refused.ts";
import { isMember } from "./roster.ts";

/** Entries of one query: of the largest, few more than fit a page. */
const step = 20;

export async function readLog(
  relay: Relay,
  { account }: Caller,
  { conversation: name, after, limit = limits.pageEntries }: Request<"read">,
): Promise<Done<"read">> {
  // A stranger makes for little work, and for the same whether there is such a conversation or not.
  if (!isReader(await relay.conversations.get(name), account)) throw notAMember();
  const [page, newest] = await Promise.all([pageOf(relay, name, after, limit), relay.log.newest(name)]);
  // Again after the entries: an account that was dropped meanwhile gets none that came later.
  const conversation = await relay.conversations.get(name);
  const dropped = conversation?.dropped.get(account);
  if (conversation === undefined || !isReader(conversation, account)) throw notAMember();
  const isIn = isMember(conversation, account);
  const end = isIn ? Number.MAX_SAFE_INTEGER : dropped!.seq;

  const now = relay.clock.now();
  const kept = await keptLeaves(relay, { name, conversation, after }, now);
  const entries = withKept(page, kept);
  const readable = entries.filter(({ seq }) => seq <= end);
  const fitting = firstPage(readable.slice(0, limit), weight);
  const reachedEnd = readable.length < entries.length || readable.at(-1)?.seq === end;
  const more = fitting.length < readable.length || ((page.more || kept.upTo < Infinity) && !reachedEnd);
  const last = fitting.at(-1);
  // The page was read in one go with the newest, and either may have been first.
  const head = newerOf(newest, page.entries.at(-1));
  return {
    answer: {
      // Deletion by the table is late, and in any order: what has expired is gone for everybody at the same time.
      entries: fitting.filter((entry) => now < entry.expires || kept.entries.includes(entry)).map(entryOf),
      ...(more && last !== undefined ? { next: last.seq } : {}),
      head:
        head !== undefined && head.seq > end
          ? { seq: end, turn: dropped!.turn }
          : head === undefined || isDead(relay, head)
            ? { seq: head?.seq ?? 0, turn: isIn ? conversation.turn : dropped!.turn }
            : { seq: head.seq, turn: turnAfter(head) },
    },
  };
}

function isReader(conversation: Conversation | undefined, account: string): boolean {
  return conversation !== undefined && (isMember(conversation, account) || conversation.dropped.has(account));
}

/** Like `log.page`, but it reads little more than what fits an answer. */
async function pageOf({ log }: Relay, name: string, after: number, limit: number): ReturnType<Relay["log"]["page"]> {
  const entries: StoredEntry[] = [];
  let used = 0;
  for (;;) {
    const asked = Math.min(step, limit - entries.length);
    const page = await log.page(name, entries.at(-1)?.seq ?? after, asked);
    entries.push(...page.entries);
    used += page.entries.reduce((sum, entry) => sum + weight(entry), 0);
    if (!page.more || entries.length >= limit || used > limits.pagePayload) return { entries, more: page.more };
  }
}

/** In order, and nothing beyond what either has looked at. */
function withKept(
  { entries, more }: Awaited<ReturnType<typeof pageOf>>,
  kept: Awaited<ReturnType<typeof keptLeaves>>,
): readonly StoredEntry[] {
  if (kept.entries.length === 0 && kept.upTo === Infinity) return entries;
  const upTo = Math.min(kept.upTo, (more && entries.at(-1)?.seq) || Infinity);
  const again = new Set(kept.entries.map(({ seq }) => seq));
  const rest = entries.filter(({ seq }) => !again.has(seq));
  return [...rest, ...kept.entries].filter(({ seq }) => seq <= upTo).sort((a, b) => a.seq - b.seq);
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
