/**
 * Where the next entry of a log goes. The log is its own counter: the newest entry gives the next seq, and the condition
 * that nothing is there makes the turn check atomic with the write, because whatever happened in between took that seq.
 *
 * Expiry is where this could go wrong: once the newest entry is gone, its seq would be used again, and so would the
 * condition hold for somebody who read before. So a head counts only while it surely stays, and after that the log goes
 * on above its ceiling, which no entry ever passed.
 */
import type { Conversation, StoredEntry } from "../ports.ts";

/** Longer than a function runs (10 s) and clocks differ: a put that stands on a living head arrives before it dies. */
export const dyingMargin = 60_000;

/** How far the ceiling is raised at a time, so that it is written once in so many entries. */
export const ceilingStep = 64;

export type Place =
  /** `ceiling` is set where it has to be raised to that before the put. */
  | { readonly kind: "put"; readonly seq: number; readonly prev: number; readonly ceiling: number | undefined }
  /** The head is dead: the entry and the raised ceiling land in one transaction. */
  | { readonly kind: "revive"; readonly seq: number; readonly prev: number; readonly ceiling: number }
  /** The head may disappear at any moment. */
  | { readonly kind: "dying" };

export function placeEntry(
  { ceiling }: Pick<Conversation, "ceiling">,
  head: Pick<StoredEntry, "seq" | "ttl"> | undefined,
  now: number,
): Place {
  const dies = head === undefined ? 0 : head.ttl * 1_000;
  if (head !== undefined && now < dies - dyingMargin) {
    const seq = head.seq + 1;
    return { kind: "put", seq, prev: head.seq, ceiling: seq > ceiling ? ceiling + ceilingStep : undefined };
  }
  if (head !== undefined && now < dies) return { kind: "dying" };
  // Entries are deleted in any order, so a dead head is not known to be the last that was. `prev` then is the ceiling,
  // which no entry before has passed: a reader that has not seen it all is told so, and never the other way round.
  return { kind: "revive", seq: ceiling + 1, prev: ceiling, ceiling: ceiling + ceilingStep };
}
