/**
 * When a device renews its leaf by itself. That mends what a stolen state can read (post-compromise security), and fills the nodes that a
 * bulk invitation left blank, which make everybody's commits large. At most once a day and device, and a conversation has at most so many
 * commits a day, or a thousand devices would do nothing else.
 */
import { uniformOf } from "./backoff.ts";
import type { ConversationState } from "./conversation.ts";

const day = 86_400_000;
const commitsPerDay = 24;

/** `random` decides among the devices for which it is due at the same time: asked hourly, each waits some hours on average. */
export function isRenewalDue(
  { phase, group, requestBy, renewedAt, commitTimes, intents, pending }: ConversationState,
  now: number,
  random: (length: number) => Uint8Array,
): boolean {
  if (phase !== "open" || group === undefined || requestBy !== undefined) return false;
  if (pending !== undefined || intents.length > 0 || now - renewedAt < day) return false;
  const recent = commitTimes.filter((at) => now - at < day).length;
  return recent < commitsPerDay && uniformOf(random) < 0.25;
}
