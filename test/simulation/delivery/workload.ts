/** The course of a run: everybody arrives, much happens and goes wrong, then nothing goes wrong any more until all is said and shown. */
import { actions, speak } from "./actions.ts";
import type { Device } from "./device.ts";
import { noteExpiredWelcomes } from "./expiredWelcomes.ts";
import { makeGroup } from "./groupActions.ts";
import type { DeliveryOptions } from "./simulate.ts";
import type { World } from "./world.ts";

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

const usual = Object.fromEntries(actions.map(({ kind, weight }) => [kind, weight]));
const byKind = new Map(actions.map((action) => [action.kind, action]));

export async function runWorkload(
  world: World,
  { messages, weights: more, absences = 1 }: Pick<DeliveryOptions, "messages" | "weights" | "absences">,
): Promise<void> {
  const weights = { ...usual, ...more };
  await arrive(world);
  for (let index = 0; index < world.groups; index++) makeGroup(world);
  world.faults.active = true;
  const { dice, scheduler } = world;
  let said = 0;
  // However long nobody can say anything.
  for (let turn = 0; said < messages && turn < messages * 20; turn++) {
    if (dice.chance((4 * absences) / messages)) await everybodyAway(world, absences > 1);
    // Hours in which nobody says anything: leases and sockets end, and are renewed.
    if (dice.chance(2 / messages)) await scheduler.pass(dice.next() * 3 * hour);
    said += byKind.get(dice.weighted(weights))!.perform(world) ?? 0;
    await scheduler.pass(dice.next() ** 2 * 600);
  }
  world.faults.active = false;
  await calmDown(world);
}

async function arrive(world: World): Promise<void> {
  for (const device of world.devices) device.switchOn();
  while (world.devices.some((device) => isBusy(device))) await world.scheduler.pass(second);
}

/** Weeks, or however long entries live, in which nobody is there. */
async function everybodyAway(world: World, isForMonths: boolean): Promise<void> {
  const { dice, devices, scheduler, faults, retention } = world;
  faults.count("everybodyAway");
  world.trace.note("everybody", "away");
  world.isAsleep = true;
  for (const device of devices) device.goOffline();
  await scheduler.pass(30 * second);
  await scheduler.pass(isForMonths && dice.chance(0.3) ? dice.next() * 400 * day : durationAway(world));
  noteExpiredWelcomes(world);
  for (let times = dice.below(3); times > 0; times--) byKind.get("sweep")!.perform(world);
  world.isAsleep = false;
  for (const device of devices) {
    const isLate = dice.chance(0.2);
    if (isLate) faults.count("deviceAway");
    scheduler.after(isLate ? dice.next() * Math.min(retention / 2, hour) : dice.next() * 20 * second, () =>
      device.goOnline(),
    );
  }
  await scheduler.pass(5 * second);
}

function durationAway({ dice, retention, tables, scheduler }: World): number {
  switch (dice.below(4)) {
    case 0:
      return dice.next() * hour;
    case 1:
      return dice.next() * 30 * day;
    case 2:
      return retention < 30 * day ? dice.next() * 2 * retention + day : dice.next() * day;
    default: {
      // To the moment at which a log's newest entry dies.
      const heads = [...tables.log.values()].flatMap((log) => [...log.values()].at(-1) ?? []);
      if (heads.length === 0 || retention > 30 * day) return dice.next() * 20 * minute;
      return Math.max(
        0,
        dice.pick(heads).ttl * 1_000 - 60 * second - scheduler.now + (dice.next() - 0.5) * 90 * second,
      );
    }
  }
}

/** Faults have ended. Until nothing waits any more, and at least for as long as a device may take to look by itself. */
async function calmDown(world: World): Promise<void> {
  const { devices } = world;
  world.trace.note("everybody", "calm");
  for (const device of devices) {
    device.switchOn();
    device.goOnline();
  }
  await quiet(world);
  for (const device of devices) device.acceptAll();
  await quiet(world);
  lastWords(world);
  await quiet(world);
}

/** Whoever cannot follow asks again after a night, and again after a day. */
async function quiet(world: World): Promise<void> {
  const { devices, scheduler } = world;
  await scheduler.pass(25 * minute);
  for (let step = minute; step < 12 * hour && devices.some((device) => isBusy(device)); step *= 1.1) {
    await scheduler.pass(step);
  }
  for (const device of devices) {
    const work = unfinished(device);
    if (work !== undefined) world.trace.note(device.name, `is not done: ${work}`);
  }
}

function isBusy(device: Device): boolean {
  return unfinished(device) !== undefined;
}

/** What the device has not brought to an end. */
function unfinished(device: Device): string | undefined {
  // Whoever posted garbage may be suspended, and waits for ever.
  if (device.isRevoked || device.isMalicious) return undefined;
  const { client, life } = device;
  if (client === undefined || life === undefined) return "not connected";
  const { status } = client.connection.current;
  if (status !== "online") return status;
  const [conversation] = client.conversations().filter(({ state }) => onItsWay.has(state.current));
  if (conversation !== undefined) return `${conversation.state.current} ${conversation.id}`;
  if (life.waiting.size > 0) return `waiting for ${life.waiting.size}`;
  const [call] = life.asked;
  return call?.what ?? device.work()[0];
}

const onItsWay: ReadonlySet<string> = new Set(["opening", "repairing"]);

/** What expired unread at the end of a log, and was deleted there, shows when something comes after it: one more message in each. */
function lastWords(world: World): void {
  const roots = new Set([...world.oracle.logs.keys()].map((log) => world.oracle.memberships.rootOf(log)));
  for (const root of roots) {
    for (const device of world.devices) {
      if (device.isMalicious || device.isRevoked) continue;
      const conversation = device.conversationsIn(root).find(({ state }) => state.current === "open");
      if (conversation === undefined) continue;
      void speak(world, device, conversation);
      break;
    }
  }
}
