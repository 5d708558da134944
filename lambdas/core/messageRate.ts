/**
 * How fast one device may append. Counted by sample, so that a message costs no further write: one request in 32
 * counts for 32. So the limit is approximate, and it bites after the fact: who passes it is marked beside its registration,
 * which the fan-out of every later message reads anyway, and each instance remembers what it read.
 */
import type { Caller } from "./caller.ts";
import { seconds } from "./expiry.ts";
import type { Relay } from "./relay.ts";
import { Refused } from "./refused.ts";

const sample = 32;
const minute = 60_000;
/** What one instance remembers; it forgets the oldest. */
const remembered = 10_000;

/** @throws Refused `rate_limited` */
export function requireUnblocked({ blocked, clock }: Relay, { device }: Caller): void {
  const until = blocked.get(device);
  if (until === undefined) return;
  const retryAfter = until - clock.now();
  if (retryAfter > 0) throw new Refused("rate_limited", "too many messages", { retryAfter });
  blocked.delete(device);
}

export async function countMessages(relay: Relay, caller: Caller, messages: number): Promise<undefined> {
  if (relay.random.fraction() * sample >= messages) return undefined;
  const window = Math.floor(relay.clock.now() / minute);
  const until = (window + 1) * minute;
  const counted = await relay.counters.add(
    caller.account,
    `messages#${window}#${caller.device}`,
    sample,
    seconds(until + minute),
  );
  if (counted === undefined || counted <= relay.settings.messagesPerMinute) return undefined;
  rememberBlocked(relay, caller.device, until);
  await relay.connections.block(caller.account, caller.device, until);
  return undefined;
}

export function rememberBlocked(
  { blocked, clock }: Pick<Relay, "blocked" | "clock">,
  device: string,
  until: number | undefined,
): void {
  if (until === undefined || until <= clock.now()) return;
  // Nobody is kept out longer than a window, whatever a table says.
  blocked.set(device, Math.min(until, clock.now() + minute));
  const [oldest] = blocked.keys();
  if (blocked.size > remembered && oldest !== undefined) blocked.delete(oldest);
}
