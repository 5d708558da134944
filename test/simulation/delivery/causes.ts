/**
 * Why a device may miss what it was meant to see, as the run knows it: what had expired, who asked to be put in anew, declined, or was
 * revoked. A notice by itself excuses nothing.
 */
import type { Device } from "./device.ts";
import { everywhere, type Cause } from "./memberships.ts";
import type { Oracle, Place } from "./oracle.ts";
import type { PlacedTimeline } from "./placedTimeline.ts";

/** By which of them a device was told, or why it need not be. */
export type Excuse =
  /** An entry that expired unread. */
  | "missing"
  /** It was put in anew, for a known cause. */
  | "rejoined"
  /** It could not follow, for a known cause, and nobody could put it in anew by the end. */
  | "over"
  | "notServed"
  | "revoked"
  | "declined"
  | "welcomeExpired";

export class Causes {
  readonly #oracle: Oracle;
  readonly #root: string;
  /** Names of those that were revoked. */
  readonly #revoked: ReadonlySet<string>;
  /** `<device> <log> <seq>` of each `cannotFollow` whose cause is known. */
  readonly #explained = new Set<string>();
  /** `<device> <log>` where it lost that to commits which expired unread, whatever it said of it. */
  readonly #lost = new Set<string>();
  readonly #disturbedSince = new Map<string, number>();
  #troubledSince = Infinity;

  constructor(oracle: Oracle, root: string, devices: readonly Device[]) {
    this.#oracle = oracle;
    this.#root = root;
    this.#revoked = new Set(devices.filter(({ isRevoked }) => isRevoked).map(({ name }) => name));
  }

  /** Whether by then somebody could not follow, for a known cause: others may be put in anew then, or taken along into a successor. */
  isTroubledAt(time: number): boolean {
    return this.#troubledSince <= time;
  }

  /** Garbage took members off the relay's roster of `log`; Infinity: it never did. */
  disturbed(log: string, since: number): void {
    this.#disturbedSince.set(log, since);
    this.trouble(since);
  }

  /** A cause that concerns them all. */
  trouble(since: number): void {
    this.#troubledSince = Math.min(this.#troubledSince, since);
  }

  learn({ device, items, places }: PlacedTimeline): void {
    this.trouble(Math.min(this.#since(device, "repairAsked"), this.#since(device, "welcomeExpired")));
    /** When the first commit expired that it lost; Infinity: none. */
    const lostSince = (log: string, at: number, noticeAt?: number): number =>
      Math.min(
        ...[...(this.#oracle.logs.get(log)?.values() ?? [])].flatMap(({ entry: { kind, seq, expires } }) =>
          kind === "commit" && expires <= at && (seq === noticeAt || !places.has(`${log} ${seq}`)) ? [expires] : [],
        ),
      );
    for (const [index, { item, log, at }] of items.entries()) {
      if (item.kind === "cannotFollow" && lostSince(log, at, item.seq) < Infinity) {
        this.#explained.add(`${device.name} ${log} ${item.seq}`);
        this.#lost.add(`${device.name} ${log}`);
        this.trouble(at);
      }
      // Others may have followed it before it said so itself.
      if (item.kind === "rejoined" && this.has(device, "askedEarly", at))
        this.trouble(this.#since(device, "askedEarly"));
      // It had never been in it.
      if (item.kind === "rejoined" && item.after === 0 && this.has(device, "unreachable", at))
        this.trouble(this.#since(device, "unreachable"));
      // Who created it, or was to get a Welcome for it, has nothing to say so in before it is in.
      const first = item.kind === "rejoined" && item.successor ? this.#oracle.memberships.predecessorOf(log) : log;
      const before = items[index - 1]?.log ?? first;
      if (item.kind !== "rejoined" || before === undefined) continue;
      for (const lost of [before, ...this.#passedBetween(before, log)]) {
        const since = lostSince(lost, at);
        if (since === Infinity) continue;
        // Others may have followed it before it said so itself.
        this.trouble(since);
        this.#lost.add(`${device.name} ${lost}`);
      }
    }
  }

  hasLost(device: Device, log: string): boolean {
    return this.#lost.has(`${device.name} ${log}`);
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

  /** Whether it was so at `time`, or ever. */
  has(device: Device, cause: Cause, time = Number.MAX_VALUE): boolean {
    return this.#since(device, cause) <= time;
  }

  #since({ id }: Device, cause: Cause): number {
    if (id === undefined) return Infinity;
    return Math.min(...[this.#root, everywhere].map((root) => this.#oracle.memberships.since(id, root, cause)));
  }

  /** Why the device misses this place, as it was told for a reason that is known to be true, or need not be told. Undefined: nothing excuses it. */
  excuse(timeline: PlacedTimeline, place: Place): Excuse | undefined {
    const { device, items } = timeline;
    if (device.isRevoked) return "revoked";
    if (this.has(device, "declined")) return "declined";
    if (this.has(device, "welcomeExpired")) return "welcomeExpired";
    if (this.#isOver(timeline, place)) return "over";
    if (this.#isOfRevoked(timeline, place)) return "revoked";
    for (const [index, { item, log, at }] of items.entries()) {
      if (item.kind === "missing" && log === place.log && item.after < place.seq && place.seq < item.before) {
        return "missing";
      }
      if (item.kind === "rejoined" && this.isTroubledAt(at) && this.#isPassedOver(items, index, place)) {
        return "rejoined";
      }
      // Its application had asked to be put in anew, and nobody did in time.
      const isOut = item.kind === "noLongerMember" && log === place.log && item.seq <= place.seq;
      if (isOut && this.has(device, "repairAsked", at)) return "notServed";
      // Or it could not follow, and garbage had taken its account off the roster: the relay says to each request that it is out.
      if (isOut && this.explains(device, log, item.seq) && this.#isDisturbedAt(log, at)) return "notServed";
    }
    return undefined;
  }

  #isDisturbedAt(log: string, time: number): boolean {
    return (this.#disturbedSince.get(log) ?? Infinity) <= time;
  }

  /** Whether the device was told by the item at `index`, `rejoined`, that it may miss this place. */
  #isPassedOver(items: PlacedTimeline["items"], index: number, place: Place): boolean {
    const { item, log } = items[index]!;
    if (item.kind !== "rejoined") return false;
    // The place `after` is of the log that it was in before.
    const first = item.successor ? this.#oracle.memberships.predecessorOf(log) : log;
    const earlier = items.slice(0, index);
    // It may have read nothing in the one before but how it came in.
    const read = [earlier.findLast((each) => each.item.kind !== "rejoined"), earlier.at(-1)];
    const left = earlier.at(-1)?.log;
    if (left !== undefined && this.#passedBetween(left, log).includes(place.log)) return true;
    const isBefore = read.some((each) => (each?.log ?? first ?? log) === place.log);
    if (isBefore && place.seq > item.after) return place.log !== log || place.seq <= item.seq;
    // The part of the new log that was there before it came in.
    return place.log === log && place.seq <= item.seq;
  }

  /** Logs on the way from one to a later one, that a device which went there was never shown anything of: its own creation of it expired, say. */
  #passedBetween(from: string, to: string): readonly string[] {
    const { memberships } = this.#oracle;
    const passed: string[] = [];
    for (let log = memberships.predecessorOf(to); log !== from; log = memberships.predecessorOf(log)) {
      if (log === undefined) return [];
      passed.push(log);
    }
    return passed;
  }

  /** In a successor where only devices spoke that were revoked before anybody came: nobody follows a revoked device. */
  #isOfRevoked({ items }: PlacedTimeline, { log }: Place): boolean {
    const { memberships, logs, said } = this.#oracle;
    if (memberships.predecessorOf(log) === undefined || items.some((item) => item.log === log)) return false;
    const names = [...(logs.get(log)?.values() ?? [])].flatMap(({ message }) =>
      message === undefined ? [] : [message],
    );
    return names.length > 0 && names.every((name) => this.#revoked.has(said.get(name)?.by ?? ""));
  }
}
