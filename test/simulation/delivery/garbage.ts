/** A member with a socket of their own, who posts what no client of ours makes. */
import { someone, type Action } from "./action.ts";
import type { World } from "./world.ts";

export const garbage: Action = {
  kind: "garbage",
  weight: 2,
  perform(world) {
    const { dice, oracle, tables, faults, network, trace } = world;
    const device = someone(world, ({ isMalicious, client }) => isMalicious && client !== undefined);
    const groups = [...(device?.life?.conversations.values() ?? [])].filter(({ kind }) => kind === "group");
    if (device === undefined || groups.length === 0) return undefined;
    const log = device.logOf(dice.pick(groups));
    const conversation = tables.conversations.get(log);
    if (conversation?.roster.includes(device.account) !== true) return undefined;
    const entry = id(world);
    const { turn, roster } = conversation;
    const base = { id: `x${dice.below(1e9)}`, conversation: log, turn };
    const after = 1e6;
    const payload = { inline: bytes(world, log) };
    const frame = ((): object => {
      switch (dice.below(4)) {
        case 0:
          return {
            ...base,
            op: "commit",
            after,
            entry,
            payload,
            add: [],
            remove: dropped(world, device.account, roster),
            welcomes: [],
            blobs: [],
          };
        case 1:
          return { ...base, op: "commit", after, entry, payload, add: [], remove: [], welcomes: [], blobs: [] };
        case 2:
          return { ...base, op: "propose", entry, payload };
        default:
          return { ...base, op: "append", entries: [{ id: entry, payload }] };
      }
    })();
    oracle.garbage.add(entry);
    faults.count("garbagePosted");
    trace.note(device.name, `garbage ${JSON.stringify(frame).slice(0, 160)}`);
    network.inject(device.name, JSON.stringify(frame));
    return undefined;
  },
};

/** Somebody is dropped, or nobody, or everybody else. */
function dropped({ dice }: World, self: string, roster: readonly string[]): readonly string[] {
  const others = roster.filter((account) => account !== self);
  if (others.length === 0) return [];
  return dice.chance(0.2) ? others : [dice.pick(others)];
}

/** Noise, or something that stood in the log before, as it was or with a bit changed. */
function bytes(world: World, log: string): string {
  const { dice, oracle } = world;
  const inline = [...(oracle.logs.get(log)?.values() ?? [])].flatMap(({ entry }) =>
    "inline" in entry.payload ? [entry.payload.inline] : [],
  );
  if (inline.length === 0 || dice.chance(0.4)) return noise(world, 40 + dice.below(400)).toString("base64url");
  const before = Buffer.from(dice.pick(inline), "base64url");
  const at = dice.below(before.length);
  if (dice.chance(0.6)) before[at] = (before[at] as number) ^ (1 << dice.below(8));
  return before.toString("base64url");
}

function id(world: World): string {
  return noise(world, 16).toString("base64url");
}

function noise({ dice }: World, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => dice.below(256)));
}
