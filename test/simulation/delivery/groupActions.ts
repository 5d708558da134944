/** What people do with groups and with their devices. */
import { isTacitError, type Conversation } from "@tacit/client";
import { asked, hasClient, someone, type Action } from "./action.ts";
import type { Device } from "./device.ts";
import type { World } from "./world.ts";

const roles = ["member", "member", "admin", "owner"] as const;
const largestGroup = 24;

/** A group that the device is in. */
export function someGroup({ dice }: World, device: Device): Conversation | undefined {
  const groups = [...(device.life?.conversations.values() ?? [])].filter(
    ({ kind, state }) => kind === "group" && state.current === "open",
  );
  return groups.length === 0 ? undefined : dice.pick(groups);
}

/** Somebody does something in a group that they are in. */
function inGroup(
  kind: string,
  weight: number,
  act: (world: World, device: Device, group: Conversation) => Promise<unknown> | undefined,
): Action {
  return {
    kind,
    weight,
    perform(world) {
      const device = someone(world, hasClient);
      const group = device && someGroup(world, device);
      if (device === undefined || group === undefined) return undefined;
      world.trace.note(device.name, `${kind} in ${group.id}`);
      asked(world, device, `${kind} in ${group.id}`, act(world, device, group));
      return undefined;
    },
  };
}

export function makeGroup(world: World): void {
  const { dice } = world;
  const device = someone(world, hasClient);
  if (device === undefined) return;
  const others = accounts(world).filter((account) => account !== device.account);
  const size = 2 + dice.below(Math.min(others.length, largestGroup - 1) - 1);
  const members = picked(world, others, size);
  world.trace.note(device.name, `makes a group with ${members.join()}`);
  const created = device.client?.createGroup({ title: `group of ${device.name}`, members });
  asked(world, device, "createGroup", created);
}

const createGroup: Action = {
  kind: "createGroup",
  weight: 0.4,
  perform(world) {
    if (world.groups > 0) makeGroup(world);
    return undefined;
  },
};

const invite = inGroup("invite", 2, (world, _device, group) => {
  const outside = accounts(world).filter((account) => !group.members.includes(account));
  if (outside.length === 0 || group.members.length >= largestGroup) return undefined;
  return group.invite(picked(world, outside, 1 + world.dice.below(Math.min(2, outside.length))));
});

const remove = inGroup("remove", 1, (world, { account }, group) => {
  const others = group.members.filter((each) => each !== account);
  return others.length < 2 ? undefined : group.remove([world.dice.pick(others)]);
});

const leave = inGroup("leave", 0.5, (_world, _device, group) => (group.members.length < 3 ? undefined : group.leave()));

const setRole = inGroup("setRole", 2, ({ dice }, _device, group) =>
  group.setRole(dice.pick(group.members), dice.pick(roles)),
);

const setTitle = inGroup("setTitle", 2, ({ dice }, _device, group) => group.setTitle(`title ${dice.below(1_000)}`));

/** Everybody commits at the same moment. */
const storm = inGroup("storm", 0.6, (world, _device, group) => {
  const root = world.oracle.memberships.rootOf(group.id);
  for (const device of world.devices) {
    const conversation = device.conversationsIn(root).find(({ state }) => state.current === "open");
    if (conversation === undefined) continue;
    asked(world, device, `rotateKeys in ${conversation.id}`, conversation.rotateKeys());
  }
  return undefined;
});

/** The application of a device that follows as well as any asks to be put in anew. */
const repair: Action = {
  kind: "repair",
  weight: 0.25,
  perform(world) {
    const device = someone(world, hasClient);
    const open = [...(device?.life?.conversations.values() ?? [])].filter(({ state }) => state.current === "open");
    if (device?.id === undefined || open.length === 0) return undefined;
    const conversation = world.dice.pick(open);
    world.faults.count("repairAsked");
    world.trace.note(device.name, `repairs ${conversation.id}`);
    world.oracle.memberships.because(device.id, conversation.id, "repairAsked", world.scheduler.now);
    asked(world, device, `repair of ${conversation.id}`, conversation.repair());
    return undefined;
  },
};

const link: Action = {
  kind: "link",
  weight: 0.5,
  perform(world) {
    const { devices, dice } = world;
    const holders = devices.filter(({ holder, isMalicious }) => holder === undefined && !isMalicious);
    if (devices.length >= holders.length * 1.5) return undefined;
    const holder = dice.pick(holders);
    if (devices.filter(({ account }) => account === holder.account).length >= 3) return undefined;
    world.faults.count("deviceLinked");
    world.furtherDevice(holder).switchOn();
    return undefined;
  },
};

const revoke: Action = {
  kind: "revoke",
  weight: 0.12,
  perform(world) {
    const device = someone(
      world,
      ({ holder, id, isRevoked }) => holder?.client !== undefined && id !== undefined && !isRevoked,
    );
    if (device?.id === undefined) return undefined;
    world.faults.count("deviceRevoked");
    world.trace.note(device.name, "is to be revoked");
    device.isRevoked = true;
    revokeUntilDone(world, device, device.id);
    return undefined;
  },
};

/** Its user insists: also where the client died before it had said that it is done. */
function revokeUntilDone(world: World, device: Device, id: string): void {
  const { scheduler, oracle } = world;
  const again = (): void => void scheduler.after(10_000, () => revokeUntilDone(world, device, id));
  const life = device.holder?.life;
  const client = device.holder?.client;
  if (client === undefined || life === undefined) return again();
  let isSettled = false;
  const watch = (): void =>
    void scheduler.after(60_000, () => {
      if (isSettled) return;
      if (life.isDead) again();
      else watch();
    });
  watch();
  client.revokeDevice(id).then(
    () => (isSettled = true),
    (error: unknown) => {
      isSettled = true;
      oracle.failure(`revoking: ${isTacitError(error) ? error.code : String(error)}`);
      again();
    },
  );
}

/** Stays away for as long as the run lasts, or until everybody comes back. */
const vanish: Action = {
  kind: "vanish",
  weight: 0.3,
  perform(world) {
    const device = someone(world, ({ isOnline, isMalicious }) => isOnline && !isMalicious);
    if (device === undefined || world.devices.filter(({ isOnline }) => !isOnline).length > world.devices.length / 3) {
      return undefined;
    }
    world.faults.count("deviceAwayLong");
    world.trace.note(device.name, "away for long");
    device.goOffline();
    world.scheduler.after(world.dice.next() * 21 * 24 * 3_600_000, () => device.goOnline());
    return undefined;
  },
};

export const groupActions: readonly Action[] = [
  createGroup,
  invite,
  remove,
  leave,
  setRole,
  setTitle,
  storm,
  repair,
  link,
  revoke,
  vanish,
];

function accounts({ devices }: World): readonly string[] {
  return [...new Set(devices.map(({ account }) => account))];
}

function picked<T>({ dice }: World, items: readonly T[], count: number): readonly T[] {
  const left = [...items];
  return Array.from({ length: count }, () => left.splice(dice.below(left.length), 1)).flat();
}
