/** How entries change who is on a conversation's roster. */
import { isDirect, limits } from "@tacit/protocol";
import type { Conversation, Dropped, StoredEntry } from "../ports.ts";
import type { Place } from "./placeEntry.ts";
import { Refused } from "./refused.ts";

type Delta = { readonly add: readonly string[]; readonly remove: readonly string[] };
type Seat = Pick<Exclude<Place, { kind: "dying" }>, "seq" | "ceiling">;

/** Accounts that were dropped and may still read to that point; of more than this, those dropped longest ago may not. */
const remembered = 1_000;

/** @throws Refused `invalid_roster` */
export function requireRosterChange(name: string, conversation: Conversation, account: string, delta: Delta): void {
  const on = new Set(conversation.roster);
  const invalid = (message: string) => new Refused("invalid_roster", message);
  if (isDirect(name) && delta.add.length + delta.remove.length > 0) {
    throw invalid("the two of a direct conversation stay");
  }
  requireOnce(delta.add.concat(delta.remove));
  if (delta.add.some((added) => on.has(added))) throw invalid("add: already on the roster");
  if (delta.remove.some((removed) => !on.has(removed))) throw invalid("remove: not on the roster");
  if (delta.remove.includes(account)) throw invalid("remove: whoever leaves proposes it");
  if (on.size + delta.add.length - delta.remove.length > limits.roster) {
    throw new Refused("limit_exceeded", `a roster holds ${limits.roster} accounts`);
  }
}

/** @throws Refused `invalid_roster` where an account is named twice */
export function requireOnce(accounts: readonly string[]): void {
  if (new Set(accounts).size < accounts.length) throw new Refused("invalid_roster", "an account is named twice");
}

export function afterCommit(conversation: Conversation, { add, remove }: Delta, entry: StoredEntry, seat: Seat) {
  const removed = new Set(remove);
  const turn = conversation.turn + 1;
  const dropped = new Map([...conversation.dropped].filter(([account]) => !add.includes(account)));
  for (const account of remove) dropped.set(account, { seq: seat.seq, turn });
  return {
    ...conversation,
    turn,
    ceiling: seat.ceiling ?? conversation.ceiling,
    roster: [...conversation.roster.filter((account) => !removed.has(account)), ...add],
    dropped: newest(dropped),
    lastCommit: { id: entry.id, seq: seat.seq, at: entry.at },
  } satisfies Conversation;
}

export function afterLeaving(conversation: Conversation, account: string, seat: Seat): Conversation {
  const dropped = new Map([...conversation.dropped, [account, { seq: seat.seq, turn: conversation.turn }] as const]);
  return {
    ...conversation,
    ceiling: seat.ceiling ?? conversation.ceiling,
    roster: conversation.roster.filter((other) => other !== account),
    dropped: newest(dropped),
  };
}

function newest(dropped: ReadonlyMap<string, Dropped>): ReadonlyMap<string, Dropped> {
  if (dropped.size <= remembered) return dropped;
  return new Map([...dropped].sort(([, a], [, b]) => b.seq - a.seq).slice(0, remembered));
}
