/** Devices whose key packages have all ended before they come back. */
import type { Device } from "./device.ts";
import { everywhere } from "./memberships.ts";
import type { World } from "./world.ts";

export function noteUnreachable({ tables, oracle, scheduler }: World, { account, id }: Device): void {
  if (id === undefined) return;
  const name = `${account} ${id}`;
  const out = [...(tables.keyPackages.get(name)?.values() ?? []), tables.lastResorts.get(name)];
  const ends = out.flatMap((each) => (each === undefined ? [] : [each.notAfter * 1_000]));
  const end = Math.max(...ends);
  if (ends.length > 0 && end < scheduler.now) oracle.memberships.because(id, everywhere, "unreachable", end);
}
