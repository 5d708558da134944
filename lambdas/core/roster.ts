/**
 * How entries change who is on a conversation's roster.
 *
 * The relay cannot tell a commit from garbage, so it cannot tell a removal from an assault: a void commit may drop
 * everybody. Hence whom the last commit dropped may post the next one, which puts back those that were dropped with it
 * and removes nobody but the poster of the last. It is the price that an account which was rightly removed can do the
 * same: be on the roster again, read ciphertext that it cannot open, and drop its remover, once; the members void that,
 * restore, and then it is over, for whom a restoration or the commit after it drops may not restore.
 */
import { isDirect, limits } from "@tacit/protocol";
import type { Conversation, Dropped, StoredEntry } from "../ports.ts";
import type { Place } from "./placeEntry.ts";
import type { Head } from "./head.ts";
import { keptLeaves } from "./keptLeaves.ts";
import { notAMember, Refused } from "./refused.ts";
import type { Relay } from "./relay.ts";

type Delta = { readonly add: readonly string[]; readonly remove: readonly string[] };
type Seat = Pick<Exclude<Place, { kind: "dying" }>, "seq" | "ceiling">;

/** Accounts that were dropped and may still read to that point; of more than this, those dropped longest ago may not. */
const remembered = 1_000;

/** Whether `account` may act in the conversation. */
export type Admits = (conversation: Conversation, account: string) => boolean;

export const isMember: Admits = ({ roster }, account) => roster.includes(account);

/** Members, and whom the last commit dropped, unless it, or the one before, was a restoration. */
export const mayCommit: Admits = (conversation, account) => {
  const { turn, restored = -Infinity } = conversation;
  return isMember(conversation, account) || (isJustDropped(conversation, account) && restored < turn - 2);
};

/** Dropped by the last commit. Whoever left did so by a proposal, which has another seq. */
export const isJustDropped: Admits = ({ dropped, lastCommit }, account) => dropped.get(account)?.seq === lastCommit.seq;

/** @throws Refused `invalid_roster` */
export function requireRosterChange(name: string, conversation: Conversation, account: string, delta: Delta): void {
  const on = new Set(conversation.roster);
  const invalid = (message: string) => new Refused("invalid_roster", message);
  if (isDirect(name) && delta.add.length + delta.remove.length > 0) {
    throw invalid("the two of a direct conversation stay");
  }
  requireOnce(delta.add.concat(delta.remove));
  if (!on.has(account)) requireRestoration(conversation, account, delta);
  if (delta.add.some((added) => on.has(added))) throw invalid("add: already on the roster");
  if (delta.remove.some((removed) => !on.has(removed))) throw invalid("remove: not on the roster");
  if (delta.remove.includes(account)) throw invalid("remove: whoever leaves proposes it");
  if (on.size + delta.add.length - delta.remove.length > limits.roster) {
    throw new Refused("limit_exceeded", `a roster holds ${limits.roster} accounts`);
  }
}

/**
 * Members would find a commit void that keeps somebody who asked to leave, and its Welcomes would lead astray. What nobody can read any
 * more is in nobody's way.
 * @throws Refused `invalid_roster`
 */
export async function requireLeavesRead(
  relay: Pick<Relay, "clock" | "log">,
  name: string,
  { conversation, entry }: Head,
  after: number,
): Promise<void> {
  const now = relay.clock.now();
  const readable = entry === undefined || entry.expires <= now ? 0 : entry.seq;
  const { lastLeave = 0 } = conversation;
  if (lastLeave <= after) return;
  const isShown =
    lastLeave <= readable || (await keptLeaves(relay, { name, conversation, after }, now)).entries.length > 0;
  if (isShown) throw new Refused("invalid_roster", "after: somebody has left since");
}

/** @throws Refused `not_a_member` where it is none, else `invalid_roster` */
function requireRestoration(conversation: Conversation, account: string, { add, remove }: Delta): void {
  const invalid = (message: string) => new Refused("invalid_roster", message);
  if (!add.includes(account)) throw notAMember();
  if (add.some((added) => !isJustDropped(conversation, added))) throw invalid("add: not dropped by the last commit");
  if (remove.some((removed) => removed !== conversation.lastCommit.by)) {
    throw invalid("remove: not the poster of the last commit");
  }
}

/** @throws Refused `invalid_roster` where an account is named twice */
export function requireOnce(accounts: readonly string[]): void {
  if (new Set(accounts).size < accounts.length) throw new Refused("invalid_roster", "an account is named twice");
}

export function afterCommit(
  conversation: Conversation,
  account: string,
  { add, remove }: Delta,
  entry: StoredEntry,
  seat: Seat,
): Conversation {
  const [added, removed] = [new Set(add), new Set(remove)];
  const turn = conversation.turn + 1;
  const dropped = new Map([...conversation.dropped].filter(([account]) => !added.has(account)));
  for (const account of remove) dropped.set(account, { seq: seat.seq, turn });
  return {
    ...conversation,
    turn,
    ceiling: seat.ceiling ?? conversation.ceiling,
    roster: [...conversation.roster.filter((account) => !removed.has(account)), ...add],
    dropped: newest(dropped),
    lastCommit: { id: entry.id, seq: seat.seq, at: entry.at, by: account },
    ...(!isMember(conversation, account) && { restored: conversation.turn }),
  };
}

export function afterLeaving(conversation: Conversation, account: string, seat: Seat): Conversation {
  const { turn } = conversation;
  const dropped = new Map([...conversation.dropped, [account, { seq: seat.seq, turn, left: true }] as const]);
  return {
    ...conversation,
    ceiling: seat.ceiling ?? conversation.ceiling,
    roster: conversation.roster.filter((other) => other !== account),
    dropped: newest(dropped),
    lastLeave: seat.seq,
  };
}

function newest(dropped: ReadonlyMap<string, Dropped>): ReadonlyMap<string, Dropped> {
  if (dropped.size <= remembered) return dropped;
  return new Map([...dropped].sort(([, a], [, b]) => b.seq - a.seq).slice(0, remembered));
}
