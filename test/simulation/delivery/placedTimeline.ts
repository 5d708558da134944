/** What one device was shown of a conversation, each item with the log that it stands in: seqs are of one generation. */
import type { TimelineItem } from "@tacit/client";
import type { Device } from "./device.ts";
import type { Oracle } from "./oracle.ts";

export interface PlacedItem {
  readonly item: TimelineItem;
  /** The conversation that shows it: a linked device can be in a successor, and apart from that in the log before. */
  readonly id: string;
  readonly log: string;
  /** When it was shown. */
  readonly at: number;
}

export interface PlacedTimeline {
  readonly device: Device;
  readonly items: readonly PlacedItem[];
  /** Names of the messages in it. */
  readonly messages: ReadonlySet<string>;
  /** `<log> <seq>` of what was shown. */
  readonly places: ReadonlySet<string>;
}

export function placedTimeline(oracle: Oracle, device: Device, root: string): PlacedTimeline {
  const items: PlacedItem[] = [];
  const messages = new Set<string>();
  const places = new Set<string>();
  for (const [id, shown] of oracle.shownIn(device.name, root)) {
    let log = id;
    for (const { item, at } of shown) {
      log = logOf(oracle, log, item);
      items.push({ item, id, log, at });
      places.add(`${log} ${item.seq}`);
      const message = item.kind === "message" ? oracle.named(item.text) : undefined;
      if (message !== undefined) messages.add(message.name);
    }
  }
  return { device, items, messages, places };
}

/** Where a conversation goes on in another log, and where what was handed over to a linked device comes from. */
function logOf(oracle: Oracle, log: string, item: TimelineItem): string {
  switch (item.kind) {
    case "message": {
      const places = oracle.places.get(oracle.named(item.text)?.name ?? "") ?? [];
      const here = places.filter(({ seq }) => seq === item.seq);
      return here.some((place) => place.log === log) ? log : (here[0]?.log ?? log);
    }
    case "opened":
    case "rejoined": {
      const isIn = (each: string): boolean => oracle.logs.get(each)?.get(item.seq)?.entry.at === item.storedAt;
      if (isIn(log) && !(item.kind === "rejoined" && item.successor)) return log;
      const root = oracle.memberships.rootOf(log);
      const others = [...oracle.logs.keys()].filter(
        (each) => each !== log && oracle.memberships.rootOf(each) === root && isIn(each),
      );
      return others.find((each) => oracle.memberships.predecessorOf(each) === log) ?? others[0] ?? log;
    }
    default:
      return log;
  }
}
