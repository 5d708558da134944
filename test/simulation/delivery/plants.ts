/** Faults that no honest relay or device has, for showing that the checker finds them. */
import type { StoredEntry } from "../../../lambdas/ports.ts";
import type { Dice } from "../mls/dice.ts";
import type { SharedPorts } from "./functions.ts";

export type Plant =
  /** The relay says that an entry landed, and forgets it. */
  | "losesAppends"
  /** The relay shows a page in another order. */
  | "reordersPages"
  /** The relay changes a byte of a payload. */
  | "damagesPayloads"
  /** The relay gives a place out again. */
  | "overwrites"
  /** A device says that something is stored before it is. */
  | "releasesBeforeItPersists";

const chance = 0.03;

/** `ports` with `plant` in them. */
export function planted(ports: SharedPorts, plant: Plant | undefined, dice: Dice): SharedPorts {
  const { log } = ports;
  switch (plant) {
    case "losesAppends":
      return {
        ...ports,
        log: {
          ...log,
          put: async (name, entry) => (dice.chance(chance) ? { landed: true } : log.put(name, entry)),
        },
      };
    case "reordersPages":
      return { ...ports, log: pages((entries) => (dice.chance(chance) ? entries.toReversed() : entries)) };
    case "damagesPayloads":
      return {
        ...ports,
        log: pages((entries) => entries.map((entry) => (dice.chance(chance) ? damaged(entry) : entry))),
      };
    case "overwrites":
      return {
        ...ports,
        log: {
          ...log,
          newest: async (name) => {
            const newest = await log.newest(name);
            if (newest === undefined || newest.kind === "commit" || !dice.chance(chance)) return newest;
            const before = await log.page(name, newest.seq - 2, 1);
            return before.entries[0]?.kind === "message" ? before.entries[0] : newest;
          },
          put: async (name, entry) => {
            const outcome = await log.put(name, entry);
            return outcome.landed ? outcome : { landed: true };
          },
        },
      };
    default:
      return ports;
  }

  function pages(change: (entries: readonly StoredEntry[]) => readonly StoredEntry[]): SharedPorts["log"] {
    return {
      ...log,
      page: async (...args) => {
        const { entries, more } = await log.page(...args);
        return { entries: change(entries), more };
      },
    };
  }
}

function damaged(entry: StoredEntry): StoredEntry {
  if (!("inline" in entry.payload)) return entry;
  const { inline } = entry.payload;
  const other = inline[40] === "A" ? "B" : "A";
  return { ...entry, payload: { inline: inline.slice(0, 40) + other + inline.slice(41) } };
}
