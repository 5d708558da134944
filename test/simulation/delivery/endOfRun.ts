/** What must be when a run is over: everybody online with nothing left to do, and in one log those who are in, and nobody who is out. */
import type { Causes } from "./causes.ts";
import type { Device } from "./device.ts";
import { isForeign } from "./foreign.ts";
import type { Said } from "./oracle.ts";
import type { World } from "./world.ts";

/** A conversation, as the checks of it know it. */
export interface Known {
  readonly world: World;
  readonly root: string;
  /** All of the conversation. */
  readonly logs: readonly string[];
  readonly causes: Causes;
  /** Logs after which members went on apart. */
  readonly splits: ReadonlySet<string>;
}

export function checkDevice({ oracle }: World, device: Device): void {
  if (device.isRevoked) return;
  if (device.client?.connection.current.status !== "online") {
    oracle.find("other", device.name, "", "it is not online at the end");
  }
  // Whoever posted garbage may be suspended, and waits for ever.
  if (!device.isMalicious) {
    for (const { what } of device.life?.asked ?? []) oracle.find("other", device.name, "", `it never settled: ${what}`);
    for (const what of device.work()) oracle.find("other", device.name, "", `it waits at the end: ${what}`);
  }
  for (const name of device.life?.waiting ?? []) {
    const said = oracle.said.get(name) as Said;
    if (oracle.places.has(name)) {
      oracle.find("other", device.name, said.conversation, "it is in the log, and `sent` did not resolve", name);
    }
  }
}

/** Everybody who is in is in the same log, and not on the way to it. */
export function checkEnd(known: Known): void {
  const { world, root, logs, splits } = known;
  const { devices, oracle } = world;
  const open = new Map<string, string>();
  for (const device of devices) {
    if (device.isRevoked || device.isMalicious) continue;
    for (const conversation of device.conversationsIn(root)) {
      // To whom somebody with a successor of their own invited, that is all there is.
      if (isForeign(world, conversation.id)) continue;
      const { current } = conversation.state;
      if (current === "repairing" || (current === "opening" && logs.length > 0)) {
        oracle.find("other", device.name, root, `it is ${current} at the end`);
      }
      if (current === "open" || current === "requested") open.set(device.logOf(conversation), device.name);
    }
  }
  // An owner may go on elsewhere with whom they like, also one who posted garbage.
  const isTakenAway = [...open.keys()].some((log) => isForeign(world, log));
  if (open.size > 1 && splits.size === 0 && !isTakenAway) {
    oracle.find("other", devices[0]!.name, root, `they are in different logs: ${JSON.stringify([...open])}`);
  }
  for (const log of open.keys()) checkMembers(known, log);
}

/** Whoever was revoked or left is out, where somebody is there to see to it; and the devices of an account are in together. */
function checkMembers({ world, root, causes, splits }: Known, log: string): void {
  const { devices, oracle, tables } = world;
  const { memberships } = oracle;
  const isHere = (device: Device): boolean => {
    if (device.isRevoked || device.isMalicious) return false;
    const there = device.conversationsIn(root).find((conversation) => device.logOf(conversation) === log);
    return there?.state.current === "open" || there?.state.current === "requested";
  };
  const here = devices.filter(isHere);
  for (const device of devices) {
    const { id, account, isRevoked, isMalicious } = device;
    const sibling = here.find((other) => other !== device && other.account === account);
    const isIn = id !== undefined && memberships.isInNewest(id, log);
    const isServed = tables.conversations.get(log)?.roster.includes(account) === true;
    if (isRevoked && isIn && sibling !== undefined && isServed) {
      oracle.find("other", device.name, root, `it was revoked, and is in the last epoch of ${log}`);
    }
    if (isIn && memberships.hasLeft(log, account, Infinity)) {
      oracle.find("other", device.name, root, `its account left, and it is in the last epoch of ${log}`);
    }
    const mayBeApart = splits.size > 0 || isForeign(world, log);
    const isExpected = !isRevoked && !isMalicious && isServed && !mayBeApart;
    // What begins while its Welcome is over, it is brought into; of what began before, it does not know.
    const isExcused = causes.has(device, "declined") || causes.has(device, "welcomeExpired");
    if (isExpected && sibling !== undefined && !here.includes(device) && !isExcused) {
      oracle.find("other", device.name, root, `${sibling.name} is in ${log}, and it is not`);
    }
  }
}
