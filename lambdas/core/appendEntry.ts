/** Appends one entry that changes nothing but the log. One write, except where the log has to be revived. */
import type { StoredEntry } from "../ports.ts";
import { untilLanded } from "./conflicts.ts";
import { lifeOf } from "./expiry.ts";
import type { Head } from "./head.ts";
import { findPlace, type Placing, type Wanted } from "./placing.ts";
import type { Relay } from "./relay.ts";

/** An entry without its place and time. */
export type Draft = Pick<StoredEntry, "id" | "payload"> &
  ({ readonly kind: "message" } | { readonly kind: "proposal"; readonly account: string });

/** @returns the entry as it landed, the head that it now is, and the one that it stands on */
export async function appendEntry(
  relay: Relay,
  wanted: Wanted,
  draft: Draft,
  known?: Head,
): Promise<{ readonly entry: StoredEntry; readonly head: Head; readonly before: StoredEntry | undefined }> {
  let fresh = known;
  return untilLanded(relay, async () => {
    const placing = await findPlace(relay, wanted, fresh);
    fresh = undefined;
    if (placing === undefined) return undefined;
    const { seq, prev } = placing.place;
    const entry: StoredEntry = { ...draft, seq, prev, turn: wanted.turn, ...lifeOf(relay, placing.head.entry) };
    const ceiling = placing.place.ceiling ?? placing.head.conversation.ceiling;
    const landed = await (placing.place.kind === "put" ? put : revive)(relay, wanted.conversation, entry, placing);
    if (landed === undefined) return undefined;
    const conversation = { ...placing.head.conversation, ceiling };
    const before = placing.head.entry;
    return { entry: landed, before, head: { conversation, entry: landed, position: { seq, turn: wanted.turn } } };
  });
}

async function put(
  relay: Relay,
  name: string,
  entry: StoredEntry,
  { head, place }: Placing,
): Promise<StoredEntry | undefined> {
  // Before the put: no entry may ever stand above the ceiling.
  const raise = place.ceiling;
  if (raise !== undefined && !(await relay.conversations.raiseCeiling(name, head.conversation.ceiling, raise))) {
    return undefined;
  }
  const outcome = await relay.log.put(name, entry);
  if (outcome.landed) return entry;
  // What is there may be this very entry: the database's client repeats a write whose answer was lost.
  return outcome.found?.id === entry.id ? outcome.found : undefined;
}

async function revive(
  relay: Relay,
  name: string,
  entry: StoredEntry,
  { head, place }: Placing,
): Promise<StoredEntry | undefined> {
  const { conversation } = head;
  const next = { ...conversation, ceiling: place.ceiling ?? conversation.ceiling };
  const outcome = await relay.landing.land({
    conversation: name,
    entry,
    expected: conversation,
    next,
    welcomes: [],
  });
  return outcome.kind === "landed" ? entry : undefined;
}
