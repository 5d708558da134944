/** `countKeyPackages`: how many are left of the caller's device. */
import type { Caller } from "./caller.ts";
import type { Done } from "./done.ts";
import type { Relay } from "./relay.ts";

export async function countKeyPackages(
  { keyPackages }: Relay,
  { account, device }: Caller,
): Promise<Done<"countKeyPackages">> {
  const [count, lastResort] = await Promise.all([
    keyPackages.count(account, device),
    keyPackages.lastResort(account, device),
  ]);
  return { answer: { count, lastResort: lastResort !== undefined } };
}
