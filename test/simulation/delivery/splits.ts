/** Conversations whose members cannot meet again by themselves: the limit that docs/threat-model.md names. */
import { isDirect } from "@tacit/protocol";
import type { Causes } from "./causes.ts";
import type { Device } from "./device.ts";
import { isForeign } from "./foreign.ts";
import type { PlacedTimeline } from "./placedTimeline.ts";
import type { World } from "./world.ts";

/**
 * Whether members went on from `log` apart, because whoever opened a successor had lost it to commits that expired unread, and
 *
 * - others had too, in another epoch: whoever knows only an earlier one cannot tell whether those of a later one are members, or
 * - everybody that it knew is out since: whoever is there now came later, and is a stranger to it.
 *
 * `logs`: all of the conversation.
 */
export function isSplitAfter(
  world: World,
  { log, logs }: { readonly log: string; readonly logs: readonly string[] },
  { causes, timelines }: { readonly causes: Causes; readonly timelines: readonly PlacedTimeline[] },
): boolean {
  // The two always meet: the names of their logs follow from their accounts.
  if (isDirect(log)) return false;
  const { memberships } = world.oracle;
  const next = logs.filter((each) => memberships.predecessorOf(each) === log && !isForeign(world, each));
  const openers = new Set(next.map((each) => memberships.openerOf(each)));
  const lost = timelines
    .map(({ device }) => device)
    .filter((device) => openers.has(device.account) && causes.hasLost(device, log));
  const areLost = openers.size > 0 && [...openers].every((opener) => lost.some(({ account }) => account === opener));
  if (!areLost) return false;
  const epochs = new Set(lost.map(({ name }) => memberships.lastEpochOf(name, log)));
  return (openers.size > 1 && epochs.size > 1) || lost.some((device) => isStranded(world, device, log));
}

/** Whether everybody else in the last epoch of `log` that the device was in is out since. */
function isStranded({ devices, oracle }: World, { name, account }: Device, log: string): boolean {
  const { memberships } = oracle;
  const last = memberships.lastEpochOf(name, log);
  // One that was never in has nobody to go on with.
  if (last === undefined) return false;
  const ids = new Set(memberships.devicesIn(log, last));
  return devices
    .filter((other) => other.account !== account && other.id !== undefined && ids.has(other.id))
    .every(({ id, account: other }) => memberships.hasLeft(log, other, Infinity) || !memberships.isInNewest(id!, log));
}
