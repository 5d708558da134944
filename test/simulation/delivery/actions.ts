/**
 * What people, devices and the world may do in a run, one `Action` each; with groups and devices, in groupActions.ts. The workload
 * (workload.ts) draws them by weight. An action says and promises through the oracle alone, so the checker needs to know nothing of it.
 */
import { isTacitError, type Conversation } from "@tacit/client";
import { asked, complain, hasClient, someone, type Action } from "./action.ts";
import { garbage } from "./garbage.ts";
import { groupActions, someGroup } from "./groupActions.ts";
import type { Device } from "./device.ts";
import { noteExpiredWelcomes } from "./expiredWelcomes.ts";
import type { World } from "./world.ts";

const minute = 60_000;

/** Everybody talks to a few, and some are talked to by many. */
function peerOf(world: World, device: Device): Device {
  const { devices, dice } = world;
  const own = devices.indexOf(device);
  const distance = dice.chance(0.2) ? 1 + dice.below(devices.length - 1) : dice.pick([1, 1, devices.length - 1]);
  const peer = devices[(own + distance) % devices.length] as Device;
  return peer.account === device.account ? devices.find(({ account }) => account !== device.account)! : peer;
}

const say: Action = {
  kind: "say",
  weight: 100,
  perform(world) {
    const { dice } = world;
    const device = someone(world, hasClient);
    if (device === undefined) return undefined;
    const count = dice.chance(0.1) ? 1 + dice.below(15) : 1 + dice.below(2);
    const group = dice.chance(0.7) ? someGroup(world, device) : undefined;
    if (group === undefined) void sayTo(world, device, peerOf(world, device), count);
    else for (let index = 0; index < count; index++) void speak(world, device, group);
    return count;
  },
};

/** Says `count` things to one other, not waiting for one before the next. */
async function sayTo(world: World, device: Device, peer: Device, count: number): Promise<void> {
  const { life } = device;
  const id = world.directConversation(device, peer);
  const conversation = device.conversation(id) ?? (await opened(world, device, peer, id));
  if (conversation === undefined || life !== device.life) return;
  for (let index = 0; index < count; index++) void speak(world, device, conversation);
}

async function opened(world: World, device: Device, peer: Device, id: string): Promise<Conversation | undefined> {
  const isLinked = device.holder !== undefined;
  if (isLinked && device.id !== undefined)
    world.oracle.memberships.because(device.id, id, "askedEarly", world.scheduler.now);
  try {
    return await device.client?.conversation({ with: [peer.account] });
  } catch (error) {
    // One that was linked just now is put into what there is already.
    const isOnItsWay = isLinked && isTacitError(error, "cannot_follow");
    if (!isOnItsWay) complain(world, device, error);
    return undefined;
  }
}

export async function speak(world: World, device: Device, conversation: Conversation): Promise<void> {
  const { dice, oracle, trace } = world;
  const { life } = device;
  if (life === undefined || conversation.state.current === "ended") return;
  const length = dice.chance(0.004) ? 20_000 : dice.chance(0.1) ? dice.below(2_000) : dice.below(60);
  const said = oracle.next(device.name, conversation.id, length);
  trace.note(device.name, `says ${said.name} in ${conversation.id}`);
  try {
    const outgoing = await conversation.send({ text: said.text });
    if (!life.isDead) device.track(life, outgoing);
  } catch (error) {
    complain(world, device, error);
  }
}

const rotate: Action = {
  kind: "rotate",
  weight: 4,
  perform(world) {
    const device = someone(world, hasClient);
    const conversations = [...(device?.life?.conversations.values() ?? [])];
    if (device === undefined || conversations.length === 0) return undefined;
    const conversation = world.dice.pick(conversations);
    if (conversation.state.current !== "open") return undefined;
    world.trace.note(device.name, `rotates in ${conversation.id}`);
    asked(world, device, `rotateKeys in ${conversation.id}`, conversation.rotateKeys());
    return undefined;
  },
};

const type: Action = {
  kind: "type",
  weight: 3,
  perform(world) {
    const device = someone(world, hasClient);
    const conversations = [...(device?.life?.conversations.values() ?? [])];
    if (device === undefined || conversations.length === 0) return undefined;
    asked(world, device, "sendTyping", world.dice.pick(conversations).sendTyping(true));
    return undefined;
  },
};

const crash: Action = {
  kind: "crash",
  weight: 0.5,
  perform(world) {
    const device = someone(world, hasClient);
    if (device === undefined) return undefined;
    world.faults.count("clientCrashed");
    device.crash();
    return undefined;
  },
};

const restart: Action = {
  kind: "restart",
  weight: 0.3,
  perform(world) {
    const device = someone(world, hasClient);
    void device?.switchOff().then(() => world.scheduler.after(world.dice.next() * 10_000, () => device.switchOn()));
    return undefined;
  },
};

const cut: Action = {
  kind: "cut",
  weight: 1,
  perform(world) {
    const device = someone(world, hasClient);
    if (device === undefined) return undefined;
    world.faults.count("socketCut");
    world.network.cut(device.name);
    return undefined;
  },
};

const goAway: Action = {
  kind: "goAway",
  weight: 1,
  perform(world) {
    const device = someone(world, ({ isOnline }) => isOnline);
    if (device === undefined) return undefined;
    world.faults.count("deviceAway");
    device.goOffline();
    world.scheduler.after(world.dice.next() ** 3 * 10 * minute, () => device.goOnline());
    return undefined;
  },
};

const jumpClock: Action = {
  kind: "jumpClock",
  weight: 0.5,
  perform(world) {
    const device = someone(world);
    if (device === undefined) return undefined;
    world.faults.count("clockJumped");
    device.skew = (world.dice.next() - 0.5) * 120 * minute;
    return undefined;
  },
};

/** The tables delete what has expired: late, and in any order. */
const sweep: Action = {
  kind: "sweep",
  weight: 2,
  perform(world) {
    const { tables, dice, scheduler, faults } = world;
    noteExpiredWelcomes(world);
    for (const log of tables.log.values()) {
      for (const [seq, { ttl }] of log) {
        if (ttl * 1_000 > scheduler.now || !dice.chance(0.4)) continue;
        faults.count("ttlDeleted");
        log.delete(seq);
      }
    }
    for (const items of [...tables.inbox.values(), ...tables.messages.values()]) {
      for (const [id, { ttl }] of items) {
        if (ttl * 1_000 > scheduler.now || !dice.chance(0.4)) continue;
        faults.count("ttlDeleted");
        items.delete(id);
      }
    }
    return undefined;
  },
};

/** Others have claimed all that a device had out. */
const exhaust: Action = {
  kind: "exhaust",
  weight: 0.3,
  perform(world) {
    const names = [...world.tables.keyPackages.keys()];
    if (names.length === 0) return undefined;
    const name = world.dice.pick(names);
    const packages = world.tables.keyPackages.get(name);
    world.faults.count("keyPackagesExhausted");
    for (const hash of packages?.keys() ?? []) world.tables.takenKeyPackages.add(`${name} ${hash}`);
    packages?.clear();
    return undefined;
  },
};

export const actions: readonly Action[] = [
  say,
  rotate,
  type,
  crash,
  restart,
  cut,
  goAway,
  jumpClock,
  sweep,
  exhaust,
  ...groupActions,
  garbage,
];
