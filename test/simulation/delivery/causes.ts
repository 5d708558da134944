/**
 * Why a device may miss what it was meant to see, as the run knows it: what had expired, who asked to be put in anew, declined, or was
 * revoked. A notice by itself excuses nothing.
 */
import type { Device } from "./device.ts";
import type { Cause } from "./memberships.ts";
import type { Oracle, Place } from "./oracle.ts";
import type { PlacedTimeline } from "./placedTimeline.ts";

export class Causes {
  readonly #oracle: Oracle;
  readonly #root: string;
  /** `<device> <log> <seq>` of each `cannotFollow` whose cause is known. */
  readonly #explained = new Set<string>();
  #troubled = false;

  constructor(oracle: Oracle, root: string) {
    this.#oracle = oracle;
    this.#root = root;
  }

  /** Somebody could not follow, for a known cause: then others may be put in anew, or taken along into a successor. */
  get isTroubled(): boolean {
    return this.#troubled;
  }

  /** A cause that concerns them all. */
  trouble(): void {
    this.#troubled = true;
  }

  learn({ device, items, places }: PlacedTimeline): void {
    if (this.has(device, "repairAsked") || this.has(device, "welcomeExpired")) this.#troubled = true;
    const lost = (log: string, at: number, noticeAt?: number): boolean =>
      [...(this.#oracle.logs.get(log)?.values() ?? [])].some(
        ({ entry: { kind, seq, expires } }) =>
          kind === "commit" && expires <= at && (seq === noticeAt || !places.has(`${log} ${seq}`)),
      );
    for (const [index, { item, log, at }] of items.entries()) {
      if (item.kind === "cannotFollow" && lost(log, at, item.seq)) {
        this.#explained.add(`${device.name} ${log} ${item.seq}`);
        this.#troubled = true;
      }
      if (item.kind === "rejoined" && this.has(device, "askedEarly")) this.#troubled = true;
      // Who created it, or was to get a Welcome for it, has nothing to say so in before it is in.
      const first = item.kind === "rejoined" && item.successor ? this.#oracle.memberships.predecessorOf(log) : log;
      const before = items[index - 1]?.log ?? first;
      if (item.kind === "rejoined" && before !== undefined && lost(before, at)) this.#troubled = true;
    }
  }

  explains(device: Device, log: string, seq: number): boolean {
    return this.#explained.has(`${device.name} ${log} ${seq}`) || this.has(device, "repairAsked");
  }

  /** It could not follow any more, for a known cause, and by now nobody could put it in anew: it is not a member any more. */
  #isOver({ device, items }: PlacedTimeline, { log, seq }: Place): boolean {
    const last = items.findLast(({ item }) => item.kind === "cannotFollow" || item.kind === "rejoined");
    if (last?.item.kind !== "cannotFollow" || last.log !== log || device.id === undefined) return false;
    const { memberships } = this.#oracle;
    if (memberships.isInNewest(device.id, log)) return false;
    return this.explains(device, log, last.item.seq) && seq >= last.item.seq;
  }

  has({ id }: Device, cause: Cause): boolean {
    return id !== undefined && this.#oracle.memberships.has(id, this.#root, cause);
  }

  /** Whether the device was told that it misses this place, for a reason that is known to be true. */
  excuses(timeline: PlacedTimeline, place: Place): boolean {
    const { device, items } = timeline;
    if (device.isRevoked || this.has(device, "declined") || this.has(device, "welcomeExpired")) return true;
    if (this.#isOver(timeline, place)) return true;
    return items.some(({ item, log }, index) => {
      switch (item.kind) {
        case "missing":
          return log === place.log && item.after < place.seq && place.seq < item.before;
        case "rejoined": {
          if (!this.#troubled) return false;
          // The place `after` is of the log that it was in before.
          const first = item.successor ? this.#oracle.memberships.predecessorOf(log) : log;
          const earlier = items.slice(0, index);
          // It may have read nothing in the one before but how it came in.
          const read = [earlier.findLast((each) => each.item.kind !== "rejoined"), earlier.at(-1)];
          const isBefore = read.some((each) => (each?.log ?? first ?? log) === place.log);
          if (isBefore && place.seq > item.after) return place.log !== log || place.seq <= item.seq;
          // The part of the new log that was there before it came in.
          return place.log === log && place.seq <= item.seq;
        }
        // Its application had asked to be put in anew, and nobody did in time.
        case "noLongerMember":
          return log === place.log && item.seq < place.seq && this.has(device, "repairAsked");
        default:
          return false;
      }
    });
  }
}
