/** `claimKeyPackages`: one key package of each device of an account, and a place in that device's inbox for each. */
import type { Answer, Request } from "@tacit/protocol";
import type { Caller } from "./caller.ts";
import type { Done } from "./done.ts";
import { claimLife, seconds } from "./expiry.ts";
import { unknownAccount } from "./getAccount.ts";
import type { Relay } from "./relay.ts";
import { Refused } from "./refused.ts";

/** Devices of one answer. */
const pageDevices = 25;
/** Devices asked at a time. */
const slice = 5;
/** Base64url characters after which a page ends. A slice of the largest packages on top still fits the answer's frame. */
const pageCharacters = 45_000;
/** Rounds in an hour with which one account may draw on the packages of another; its own devices it brings into all its conversations. */
const roundsPerTarget = 20;
const hour = 60 * 60_000;

type Given = Answer<"claimKeyPackages">["keyPackages"][number];

export async function claimKeyPackages(
  relay: Relay,
  caller: Caller,
  { account, devices: named, after }: Request<"claimKeyPackages">,
): Promise<Done<"claimKeyPackages">> {
  const target = await relay.directory.get(account);
  if (target === undefined) throw unknownAccount();
  const others = target.devices.filter((device) => device !== caller.device).sort();
  const wanted = named === undefined ? others : others.filter((device) => named.includes(device));
  const remaining = wanted.filter((device) => after === undefined || device > after);
  const page = remaining.slice(0, pageDevices);
  if (page.length > 0) await count(relay, caller, account, page.length, roundsPerTarget * others.length);

  const keyPackages: Given[] = [];
  const missing: string[] = [];
  let asked = 0;
  let used = 0;
  while (asked < page.length && used <= pageCharacters) {
    const devices = page.slice(asked, asked + slice);
    asked += devices.length;
    const given = await Promise.all(devices.map((device) => claim(relay, caller, account, device)));
    given.forEach((one, index) => {
      if (one === undefined) missing.push(devices[index]!);
      else keyPackages.push(one);
    });
    used = keyPackages.reduce((sum, { data }) => sum + data.length, 0);
  }
  const last = asked < remaining.length ? page[asked - 1] : undefined;
  return { answer: { keyPackages, missing, ...(last === undefined ? {} : { next: last }) } };
}

async function claim(
  relay: Relay,
  { account: by }: Caller,
  account: string,
  device: string,
): Promise<Given | undefined> {
  const single = await relay.keyPackages.take(account, device);
  const given = single ?? (await relay.keyPackages.lastResort(account, device));
  if (given === undefined) return undefined;
  const now = relay.clock.now();
  // Ids sort by time, so an inbox is read in the order in which it was claimed.
  const id = now.toString(16).padStart(12, "0") + relay.random.id(16);
  await relay.inbox.reserve({ device, id, by, keyPackage: given.hash, ttl: seconds(now) + claimLife });
  return { device, hash: given.hash, data: given.data, claim: id, lastResort: single === undefined };
}

/** @throws Refused `rate_limited`, before anything is given out */
async function count(
  { counters, clock, settings }: Relay,
  caller: Caller,
  target: string,
  packages: number,
  limitOfTarget: number,
): Promise<void> {
  const now = clock.now();
  const window = Math.floor(now / hour);
  const end = (window + 1) * hour;
  const ttl = seconds(end + hour);
  const limited = () => new Refused("rate_limited", "too many claims", { retryAfter: end - now });
  // By package, on every page: whoever names a place to go on from may never have been on the page before.
  if (target !== caller.account) {
    const ofTarget = await counters.add(caller.account, `claims#${window}#${target}`, packages, ttl, limitOfTarget);
    if (ofTarget === undefined) throw limited();
  }
  const counted = await counters.add(caller.account, `claims#${window}`, packages, ttl, settings.claimsPerHour);
  if (counted === undefined) throw limited();
}
