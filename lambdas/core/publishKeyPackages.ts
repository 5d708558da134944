/** `publishKeyPackages`: key packages of the caller's device. */
import { decodeBase64Url, limits, type Request } from "@tacit/protocol";
import type { Caller } from "./caller.ts";
import { digest } from "./digest.ts";
import type { Done } from "./done.ts";
import { keyPackageLife, seconds } from "./expiry.ts";
import { requireDistinct } from "./landing.ts";
import type { Relay } from "./relay.ts";
import { Refused } from "./refused.ts";

export async function publishKeyPackages(
  relay: Relay,
  { account, device }: Caller,
  { keyPackages, lastResort }: Request<"publishKeyPackages">,
): Promise<Done<"publishKeyPackages">> {
  if (keyPackages.length === 0 && lastResort === undefined) throw new Refused("malformed", "keyPackages: none");
  const all = lastResort === undefined ? keyPackages : [...keyPackages, lastResort];
  // One that is both would be used more than once.
  requireDistinct(all.map(({ hash }) => hash));
  if (all.some(({ hash, data }) => hash !== digest(relay, decodeBase64Url(data)))) {
    throw new Refused("malformed", "keyPackages: hash is not of data");
  }
  const ends = all.map(({ notAfter }) => notAfter - seconds(relay.clock.now()));
  if (ends.some((left) => left < keyPackageLife.shortest || left > keyPackageLife.longest)) {
    throw new Refused("malformed", "keyPackages: notAfter is not between a day and a year from now");
  }
  const stored = await relay.keyPackages.count(account, device);
  if (stored + keyPackages.length > limits.keyPackagesPerDevice) {
    throw new Refused("limit_exceeded", `a device has ${limits.keyPackagesPerDevice} key packages at most`);
  }
  const [added] = await Promise.all([
    Promise.all(keyPackages.map((keyPackage) => relay.keyPackages.add(account, device, keyPackage))),
    lastResort && relay.keyPackages.setLastResort(account, device, lastResort),
  ]);
  return { answer: { count: stored + added.filter(Boolean).length } };
}
