/**
 * When a device renews its leaf by itself. That mends what a stolen state can read (post-compromise security), and fills the nodes that a
 * bulk invitation left blank, which make everybody's commits large. A device lets an interval pass between two, and a conversation has at most
 * so many commits a day, or a thousand devices would do nothing else. Both are each device's own choice: they say when it makes a commit of
 * its own, and nothing about those of others.
 */
import { uniformOf } from "./backoff.ts";
import type { ConversationState } from "./conversation.ts";
import { leavesOf } from "./group/group.ts";

const day = 86_400_000;

/** When devices renew their keys without being asked. */
export interface RenewalPace {
  /** Commits that a conversation has in 24 hours, of all devices and for any reason, from which on no renewal is added; 0: never. Default: 24. */
  readonly commitsPerDay?: number;
  /** Milliseconds between two of this device in one conversation, at least. Default: a day. */
  readonly interval?: number;
}

function paceOf({ commitsPerDay = 24, interval = day }: RenewalPace = {}): Required<RenewalPace> {
  return { commitsPerDay, interval };
}

/** Of a device whose turn it is, each time it is asked. */
const chance = 0.25;

/**
 * `random` decides among the devices for which it is due at the same time: asked four times an hour, in a small group each waits an hour on
 * average. In a large one not everybody's turn comes every day, and who has waited longest comes first.
 */
export function isRenewalDue(
  state: ConversationState,
  now: number,
  random: (length: number) => Uint8Array,
  pace?: RenewalPace,
): boolean {
  const { commitsPerDay, interval } = paceOf(pace);
  const { phase, group, requestBy, renewedAt, commitTimes, intents, pending } = state;
  if (phase !== "open" || group === undefined || requestBy !== undefined) return false;
  const age = now - renewedAt;
  if (pending !== undefined || intents.length > 0 || age < interval) return false;
  if (commitTimes.filter((at) => now - at < day).length >= commitsPerDay) return false;
  const round = (leavesOf(group).length / commitsPerDay) * day;
  return uniformOf(random) < chance * Math.min(1, age / round) ** 2;
}

/**
 * Whether the newest commits are a day's worth. It is asked again before each attempt: where hundreds come back at the same moment, many
 * find that their renewal is due before the first of them has landed.
 */
export function isBusy({ commitTimes }: ConversationState, pace?: RenewalPace): boolean {
  const { commitsPerDay } = paceOf(pace);
  if (commitsPerDay === 0) return true;
  const [oldest, newest] = [commitTimes.at(-commitsPerDay), commitTimes.at(-1)];
  return oldest !== undefined && newest !== undefined && newest - oldest < day;
}

/** With a commit that landed at `at`: as many as are asked for later. */
export function withCommitTime(times: readonly number[], at: number, pace?: RenewalPace): readonly number[] {
  const { commitsPerDay } = paceOf(pace);
  return commitsPerDay === 0 ? [] : [...times, at].slice(-commitsPerDay);
}
