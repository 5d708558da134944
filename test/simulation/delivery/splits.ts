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
 * - somebody is there who came later: a stranger to it, whom it leaves behind, or
 * - it takes along somebody who has left since: who knows that does not follow;
 *
 * or because somebody was away for so long that the time of their Welcome to it was over.
 *
 * `logs`: all of the conversation.
 */
export function isSplitAfter(
  world: World,
  { log, logs }: { readonly log: string; readonly logs: readonly string[] },
  { causes, timelines }: { readonly causes: Causes; readonly timelines: readonly PlacedTimeline[] },
): boolean {
  const { memberships } = world.oracle;
  const next = logs.filter((each) => memberships.predecessorOf(each) === log && !isForeign(world, each));
  const stayed = timelines.filter(({ device }) => device.isOpenIn(log) && causes.has(device, "welcomeExpired"));
  if (next.length > 0 && stayed.length > 0) return true;
  // Else the two always meet: the names of their logs follow from their accounts.
  if (isDirect(log)) return false;
  const openers = new Set(next.map((each) => memberships.openerOf(each)));
  const lost = timelines
    .map(({ device }) => device)
    .filter((device) => openers.has(device.account) && causes.hasLost(device, log));
  const areLost = openers.size > 0 && [...openers].every((opener) => lost.some(({ account }) => account === opener));
  if (!areLost) return false;
  const epochs = new Set(lost.map(({ name }) => memberships.lastEpochOf(name, log)));
  return (
    (openers.size > 1 && epochs.size > 1) ||
    lost.some((device) => hasStrangers(world, device, log)) ||
    next.some((each) => takesLeavers(world, log, each))
  );
}

function takesLeavers({ oracle }: World, log: string, next: string): boolean {
  const creation = oracle.logs.get(next)?.get(1)?.entry;
  const taken = creation?.kind === "commit" ? creation.roster.add : [];
  return taken.some((account) => oracle.memberships.hasLeft(log, account, Infinity));
}

/** Whether somebody is in `log` whose account was not in the last epoch that the device was in. */
function hasStrangers({ devices, oracle }: World, { name }: Device, log: string): boolean {
  const { memberships } = oracle;
  const last = memberships.lastEpochOf(name, log);
  if (last === undefined) return false;
  const ids = new Set(memberships.devicesIn(log, last));
  const known = new Set(devices.filter(({ id }) => id !== undefined && ids.has(id)).map(({ account }) => account));
  return devices.some(
    ({ id, account }) =>
      id !== undefined &&
      !known.has(account) &&
      memberships.isInNewest(id, log) &&
      !memberships.hasLeft(log, account, Infinity),
  );
}
