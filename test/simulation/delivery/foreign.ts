/** Successors that nobody has to follow. */
import type { StoredEntry } from "../../../lambdas/ports.ts";
import type { World } from "./world.ts";

/** Whether `log` is one that somebody opened who had posted garbage. */
export function isForeign({ devices, oracle }: World, log: string): boolean {
  const opener = oracle.memberships.openerOf(log);
  return devices.some(({ isMalicious, account }) => isMalicious && account === opener);
}

/** When something first came to stand in `log` that makes its members' devices be put in anew; Infinity: never. */
export function disturbedSince(world: World, log: string): number {
  const entries = [...(world.oracle.logs.get(log)?.values() ?? [])].map(({ entry }) => entry);
  // Whom garbage drops is taken back, and where more of it comes before that, put in anew.
  const isDisturbing = (entry: StoredEntry): boolean =>
    isForeign(world, log) ||
    (world.oracle.garbage.has(entry.id) && entry.kind === "commit" && entry.roster.remove.length > 0);
  return Math.min(...entries.filter((entry) => isDisturbing(entry)).map(({ at }) => at));
}
