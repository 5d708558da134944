/** Successors that nobody has to follow. */
import type { World } from "./world.ts";

/** Whether `log` is one that somebody opened who had posted garbage. */
export function isForeign({ devices, oracle }: World, log: string): boolean {
  const opener = oracle.memberships.openerOf(log);
  return devices.some(({ isMalicious, account }) => isMalicious && account === opener);
}
