/**
 * Compares what applications were shown with what the oracle knows. Per conversation and device:
 *
 * - lost: a promised message that stands in no log, or that a device which was in the epoch it was sealed in was never shown. Excused
 *   where the device was honestly told that it misses something, and the oracle knows the cause (causes.ts): the entry had expired by
 *   then, or the device had to be put in anew for a reason that the run brought about.
 * - duplicated: a message shown twice.
 * - reordered: messages shown in another order than the log's, or a sender's in another than they were said.
 * - unreadable: a notice in the place of a message that an honest member sent.
 * - other: anything else that must not be, e.g. two devices with different members in one epoch, a notice that accuses an honest member, a
 *   device that is put in anew without a cause, one that is not in again at the end, or a promise that was told falsely.
 */
import type { Excuse } from "./causes.ts";
import { CheckedConversation } from "./checkedConversation.ts";
import { checkDevice } from "./endOfRun.ts";
import { noteExpiredWelcomes } from "./expiredWelcomes.ts";
import { isForeign } from "./foreign.ts";
import { grouped } from "./grouped.ts";
import type { Finding } from "./oracle.ts";
import type { World } from "./world.ts";

export interface Verdict {
  /** Messages shown to a device that did not send them. */
  readonly delivered: number;
  /** Of promised messages that a device was not shown: how many it was honestly told it misses, by why. */
  readonly excused: Readonly<Partial<Record<Excuse, number>>>;
  /** How often members went on apart after all had lost a log. */
  readonly splits: number;
  readonly findings: readonly Finding[];
}

export function check(world: World): Verdict {
  const { oracle } = world;
  noteExpiredWelcomes(world);
  const said = grouped(oracle.said.values(), ({ conversation }) => conversation);
  const logs = grouped(oracle.logs.keys(), (log) => oracle.memberships.rootOf(log));
  let delivered = 0;
  let splits = 0;
  const excused: Partial<Record<Excuse, number>> = {};
  for (const root of new Set([...said.keys(), ...logs.keys()])) {
    const checked = new CheckedConversation(world, root, logs.get(root) ?? []);
    checked.check(said.get(root) ?? []);
    delivered += checked.delivered;
    splits += checked.splits.size;
    for (const [excuse, count] of Object.entries(checked.excused) as [Excuse, number][]) {
      excused[excuse] = (excused[excuse] ?? 0) + count;
    }
  }
  for (const device of world.devices) checkDevice(world, device);
  if (splits === 0 && !mayRefuse(world)) {
    for (const { device, why } of oracle.refusals) oracle.find("other", device, "", why);
  }
  world.searchForPlaintext();
  return { delivered, excused, splits, findings: oracle.findings };
}

/**
 * Whether somebody opened a successor, or put a device of others in anew, who had posted garbage, or was revoked since: who is called that way does not
 * come, and waits for somebody else to take it along.
 */
function mayRefuse(world: World): boolean {
  const { memberships, shown } = world.oracle;
  const isRevokedNow = (account: string | undefined): boolean =>
    world.devices.some((device) => device.isRevoked && device.account === account);
  const items = [...shown.values()].flatMap((conversations) => [...conversations.values()].flat());
  return (
    memberships.successors.some((log) => isForeign(world, log) || isRevokedNow(memberships.openerOf(log))) ||
    items.some(({ item }) => item.kind === "deviceRestored" && item.by !== item.account && isRevokedNow(item.by))
  );
}
