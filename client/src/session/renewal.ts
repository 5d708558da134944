/**
 * When a device renews its leaf by itself. That mends what a stolen state can read (post-compromise security), and fills the nodes that a
 * bulk invitation left blank, which make everybody's commits large. At most once a day and device, and a conversation has at most so many
 * commits a day, or a thousand devices would do nothing else.
 */
import { uniformOf } from "./backoff.ts";
import type { ConversationState } from "./conversation.ts";
import { leavesOf } from "./group.ts";

const day = 86_400_000;
const commitsPerDay = 24;
/** Of a device whose turn it is, each time it is asked. */
const chance = 0.25;

/**
 * `random` decides among the devices for which it is due at the same time: asked four times an hour, in a small group each waits an hour on
 * average. In a large one not everybody's turn comes every day, and who has waited longest comes first.
 */
export function isRenewalDue(state: ConversationState, now: number, random: (length: number) => Uint8Array): boolean {
  const { phase, group, requestBy, renewedAt, commitTimes, intents, pending } = state;
  if (phase !== "open" || group === undefined || requestBy !== undefined) return false;
  const age = now - renewedAt;
  if (pending !== undefined || intents.length > 0 || age < day) return false;
  if (commitTimes.filter((at) => now - at < day).length >= commitsPerDay) return false;
  const round = (leavesOf(group).length / commitsPerDay) * day;
  return uniformOf(random) < chance * Math.min(1, age / round) ** 2;
}

/**
 * Whether the newest commits are a day's worth. It is asked again before each attempt: where hundreds come back at the same moment, many
 * find that their renewal is due before the first of them has landed.
 */
export function isBusy({ commitTimes }: ConversationState): boolean {
  const [oldest, newest] = [commitTimes.at(-commitsPerDay), commitTimes.at(-1)];
  return oldest !== undefined && newest !== undefined && newest - oldest < day;
}
