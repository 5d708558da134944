/** Reads a conversation and its newest entry so that they agree. */
import type { Conversation, StoredEntry } from "../ports.ts";
import type { Relay } from "./relay.ts";
import { busy, notAMember } from "./refused.ts";

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
 * @throws Refused `not_a_member` unless `account` is on the roster
 */
export async function headFor(relay: Relay, name: string, account: string): Promise<Head> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const entry = await relay.log.newest(name);
    const conversation = await relay.conversations.get(name);
    if (conversation === undefined || !conversation.roster.includes(account)) throw notAMember();
    // Without a head the conversation's turn counts.
    if (entry !== undefined && turnAfter(entry) !== conversation.turn) continue;
    return { conversation, entry, position: { seq: entry?.seq ?? 0, turn: conversation.turn } };
  }
  throw busy();
}

/** The same before a revival, in the other order: whoever revives the log after the first read raises the ceiling. */
export async function deadHeadFor(relay: Relay, name: string, account: string): Promise<Head | undefined> {
  const conversation = await relay.conversations.get(name);
  const entry = await relay.log.newest(name);
  if (conversation === undefined || !conversation.roster.includes(account)) throw notAMember();
  if (entry !== undefined && turnAfter(entry) !== conversation.turn) return undefined;
  return { conversation, entry, position: { seq: entry?.seq ?? 0, turn: conversation.turn } };
}
