/** Reads a conversation and its newest entry so that they agree. */
import type { Conversation, StoredEntry } from "../ports.ts";
import type { Relay } from "./relay.ts";
import { busy, notAMember } from "./refused.ts";
import { isMember, type Admits } from "./roster.ts";

export type Head = {
  readonly conversation: Conversation;
  readonly entry: StoredEntry | undefined;
  /** As refusals tell it. */
  readonly position: { readonly seq: number; readonly turn: number };
};

/** The turn after `entry`. */
export function turnAfter(entry: StoredEntry): number {
  return entry.kind === "commit" ? entry.turn + 1 : entry.turn;
}

/** A commit lands in one transaction, so reads that straddle it agree at the second or third try. */
const attempts = 8;

/**
 * The conversation as it was at or after its newest entry was read. In this order: whatever changes the roster takes a
 * seq, so one that is not seen here is in the way of a put that stands on this head.
 *
 * @param admits who may, besides or instead of those on the roster
 * @throws Refused `not_a_member`
 */
export async function headFor(relay: Relay, name: string, account: string, admits = isMember): Promise<Head> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const entry = await relay.log.newest(name);
    const conversation = await relay.conversations.get(name);
    if (conversation === undefined || !admits(conversation, account)) throw notAMember();
    if (isLanding(relay, entry, conversation)) continue;
    return { conversation, entry, position: positionFor(account, conversation, entry) };
  }
  throw busy();
}

/** The same before a revival, in the other order: whoever revives the log after the first read raises the ceiling. */
export async function deadHeadFor(
  relay: Relay,
  name: string,
  account: string,
  admits: Admits,
): Promise<Head | undefined> {
  const conversation = await relay.conversations.get(name);
  const entry = await relay.log.newest(name);
  if (conversation === undefined || !admits(conversation, account)) throw notAMember();
  if (isLanding(relay, entry, conversation)) return undefined;
  return { conversation, entry, position: positionFor(account, conversation, entry) };
}

/** Whoever was dropped is told of nothing after that. */
function positionFor(account: string, { roster, dropped, turn }: Conversation, entry: StoredEntry | undefined) {
  const last = roster.includes(account) ? undefined : dropped.get(account)?.seq;
  return { seq: last ?? entry?.seq ?? 0, turn };
}

/**
 * Whether a commit came in between the two reads. With a dead head, or none, the conversation's turn counts: the table
 * deletes in any order, so the commit may have gone before what it followed.
 */
function isLanding(relay: Relay, entry: StoredEntry | undefined, { turn }: Conversation): boolean {
  return entry !== undefined && !isDead(relay, entry) && turnAfter(entry) !== turn;
}

/** The table may have deleted it, and entries after it. */
export function isDead({ clock }: Pick<Relay, "clock">, { ttl }: StoredEntry): boolean {
  return clock.now() >= ttl * 1_000;
}
