/** When things end. */
import type { Relay } from "./relay.ts";
import type { StoredEntry } from "../ports.ts";

const day = 86_400;

/** Seconds since 1970 that are not before `milliseconds`. */
export const seconds = (milliseconds: number): number => Math.ceil(milliseconds / 1_000);

/** Times of an entry that lands now after `head`. The ttl never decreases along a log, though settings may change. */
export function lifeOf(
  { clock, settings }: Relay,
  head: StoredEntry | undefined,
): Pick<StoredEntry, "at" | "expires" | "ttl"> {
  const at = clock.now();
  const expires = at + settings.retention;
  return { at, expires, ttl: Math.max(seconds(expires) + day, head?.ttl ?? 0) };
}

/** A Welcome waits this long for a device that is away. */
export const welcomeLife = 365 * day;
/** A request to leave is shown this long after it expired to whoever has not read it. */
export const leaveLife = 365 * day;
/** How long key packages may be given out. Less, and they would pile up uncounted until the table forgets them; more, and they would outlive devices. */
export const keyPackageLife = { shortest: day, longest: 365 * day };
/** Milliseconds that something which one device sent another waits. */
export const messageLife = 30 * day * 1_000;
/** A claim can be answered by a Welcome this long. Short, because claims that are never used lie in others' inboxes. */
export const claimLife = day;
