/** What the devices showed of one conversation, against what its logs have. The kinds of findings: see checker.ts. */
import type { TimelineItem } from "@tacit/client";
import { Causes, type Excuse } from "./causes.ts";
import type { Device } from "./device.ts";
import { checkEnd } from "./endOfRun.ts";
import { disturbedSince, isForeign } from "./foreign.ts";
import { grouped } from "./grouped.ts";
import type { Finding, LoggedEntry, Place, Said } from "./oracle.ts";
import { placedTimeline, type PlacedItem, type PlacedTimeline } from "./placedTimeline.ts";
import { isSplitAfter } from "./splits.ts";
import type { World } from "./world.ts";

/** Never in a timeline while everybody is honest. */
const accusing: ReadonlySet<string> = new Set(["logMismatch", "identityChanged"]);

/** Notices that tell what a commit did: the same to everybody. */
const changing: ReadonlySet<string> = new Set([
  "membersChanged",
  "left",
  "titleChanged",
  "pictureChanged",
  "roleChanged",
  "keysChanged",
  "devicesChanged",
  "deviceRestored",
  "void",
]);

export class CheckedConversation {
  delivered = 0;
  readonly excused: Partial<Record<Excuse, number>> = {};
  /** Logs after which members went on apart. */
  readonly splits = new Set<string>();
  readonly #world: World;
  readonly #root: string;
  readonly #logs: readonly string[];
  readonly #causes: Causes;

  constructor(world: World, root: string, logs: readonly string[]) {
    this.#world = world;
    this.#root = root;
    this.#logs = logs;
    this.#causes = new Causes(world.oracle, root, world.devices);
    for (const log of logs) this.#causes.disturbed(log, disturbedSince(world, log));
  }

  check(said: readonly Said[]): void {
    const { devices, oracle } = this.#world;
    const all = devices.map((device) => placedTimeline(oracle, device, this.#root));
    for (const timeline of all) this.#causes.learn(timeline);
    for (const log of this.#logs) {
      if (isSplitAfter(this.#world, { log, logs: this.#logs }, { causes: this.#causes, timelines: all })) {
        this.splits.add(log);
      }
    }
    const timelines = all.filter(({ device }) => !device.isMalicious);
    const changes = new Map<string, string>();
    for (const timeline of timelines) {
      this.#checkOrder(timeline);
      for (const message of said) this.#checkMissing(timeline, message);
      for (const log of this.#logs) this.#checkCommits(timeline, log);
      this.#checkAgreement(timeline, changes);
    }
    checkEnd({ world: this.#world, root: this.#root, logs: this.#logs, causes: this.#causes, splits: this.splits });
  }

  #checkOrder(timeline: PlacedTimeline): void {
    const { oracle } = this.#world;
    const { device } = timeline;
    const seen = new Set<string>();
    const lastOf = new Map<string, number>();
    let position = 0;
    let [id, log, seq] = ["", "", 0];
    for (const placed of timeline.items) {
      const { item } = placed;
      if (placed.id !== id) {
        [id, log, seq, position] = [placed.id, "", 0, 0];
        lastOf.clear();
        // To the application that is another conversation.
        seen.clear();
      }
      if (item.position !== position + 1) this.#find(device, "other", `position ${item.position} follows ${position}`);
      ({ position } = item);
      if (item.kind !== "message") {
        this.#checkNotice(timeline, placed);
        continue;
      }
      const message = oracle.named(item.text);
      if (message === undefined || this.#logged(placed)?.message !== message.name || message.text !== item.text) {
        this.#find(device, "other", `place ${item.seq} shows what does not stand there`, message?.name);
        continue;
      }
      if (!this.#isOf(device, item, message)) this.#find(device, "other", "shown as another's", message.name);
      if (seen.has(message.name)) this.#find(device, "duplicated", `again at position ${position}`, message.name);
      else if (message.by !== device.name) this.delivered++;
      seen.add(message.name);
      const last = lastOf.get(message.by) ?? 0;
      if ((placed.log === log && item.seq <= seq) || message.number < last) {
        const why = `place ${item.seq} after ${seq}, number ${message.number} after ${last}`;
        this.#find(device, "reordered", why, message.name);
      }
      [log, seq] = [placed.log, item.seq];
      lastOf.set(message.by, message.number);
    }
  }

  #isOf(device: Device, item: Extract<TimelineItem, { kind: "message" }>, message: Said): boolean {
    const sender = this.#world.devices.find(({ name }) => name === message.by);
    return sender?.account === item.from && sender.id === item.device && item.mine === (device.account === item.from);
  }

  #checkNotice({ device }: PlacedTimeline, { item, log, at }: PlacedItem): void {
    const { oracle } = this.#world;
    const logged = oracle.logs.get(log)?.get(item.seq);
    const isGarbage = logged !== undefined && oracle.garbage.has(logged.entry.id);
    if (accusing.has(item.kind)) this.#find(device, "other", `notice ${item.kind} at place ${item.seq}`);
    if (item.kind === "void" && !isGarbage) this.#find(device, "other", `void at place ${item.seq}, and honest`);
    if (item.kind === "unreadable" && !isGarbage && !this.#causes.has(device, "declined", at)) {
      this.#find(device, "unreadable", `${item.reason} at place ${item.seq}`, logged?.message);
    }
    if (item.kind === "missing") {
      for (let seq = item.after + 1; seq < item.before; seq++) {
        const missed = oracle.logs.get(log)?.get(seq);
        if (missed !== undefined && missed.entry.expires > at) {
          this.#find(device, "other", `place ${seq} is said to be missing, and has not expired`, missed.message);
        }
      }
    }
    if (item.kind === "cannotFollow" && !this.#causes.explains(device, log, item.seq)) {
      this.#find(device, "other", `it cannot follow at place ${item.seq}, without a cause`);
    }
    if (item.kind === "rejoined" && !this.#causes.isTroubledAt(at)) {
      this.#find(device, "other", `it was put in anew at place ${item.seq}, without a cause`);
    }
  }

  #checkMissing(timeline: PlacedTimeline, message: Said): void {
    const { oracle } = this.#world;
    const { device } = timeline;
    if (timeline.messages.has(message.name)) return;
    // Whoever posts somebody's bytes once more makes them no message.
    const isCopy = ({ log, seq }: Place): boolean => {
      const entry = oracle.logs.get(log)?.get(seq)?.entry;
      return entry !== undefined && oracle.garbage.has(entry.id);
    };
    const places = (oracle.places.get(message.name) ?? []).filter((place) => !isCopy(place));
    if (places.length === 0) {
      const isOwn = message.by === device.name;
      if (!message.promised || !isOwn || this.#hasEnded(device)) return;
      if (message.failed === "not_a_member" && wasOut(timeline)) return;
      const failed = message.failed === undefined ? "" : `: ${message.failed}`;
      return this.#find(device, "lost", `it never got into the log${failed}`, message.name);
    }
    const meant = places.filter((place) => this.#isMeant(timeline, place));
    if (meant.length === 0) return;
    const [excuse, ...others] = meant.map((place) => this.#causes.excuse(timeline, place));
    if (excuse !== undefined && !others.includes(undefined)) {
      this.excused[excuse] = (this.excused[excuse] ?? 0) + 1;
      return;
    }
    const where = meant.map(({ log, seq }) => `${seq} of ${log}`).join(", ");
    this.#find(device, "lost", `it stands at ${where} and was not shown`, message.name);
  }

  /** Each change of the group is told to everybody who was there. */
  #checkCommits(timeline: PlacedTimeline, log: string): void {
    const { device } = timeline;
    for (const { entry } of this.#world.oracle.logs.get(log)?.values() ?? []) {
      const place = { log, seq: entry.seq };
      if (entry.kind !== "commit" || timeline.places.has(`${log} ${entry.seq}`) || !this.#isMeant(timeline, place)) {
        continue;
      }
      if (this.#causes.excuse(timeline, place) !== undefined || this.#wasOvertaken(place)) continue;
      // Garbage names whatever epoch it likes: whether the device was there, what it was shown next tells.
      const isGarbage = this.#world.oracle.garbage.has(entry.id);
      const next = timeline.items.find((later) => later.log === log && later.item.seq > entry.seq)?.item.kind;
      if (isGarbage && (next === undefined || next === "opened")) continue;
      this.#find(device, "other", `the commit at ${entry.seq} of ${log} was not shown`);
    }
  }

  #checkAgreement({ device, items }: PlacedTimeline, changes: Map<string, string>): void {
    // What is other in a successor depends on what a device knew of the log before.
    const isOpening = (log: string, seq: number): boolean =>
      seq === 1 && this.#world.oracle.memberships.predecessorOf(log) !== undefined;
    const told = grouped(
      items.filter(({ item, log }) => changing.has(item.kind) && !isOpening(log, item.seq)),
      ({ log, item }) => `${item.seq} of ${log}`,
    );
    for (const [place, notices] of told) {
      const all = notices.map(({ item }) =>
        JSON.stringify({ ...item, position: undefined, seq: undefined, storedAt: undefined }),
      );
      const told = all.join();
      const other = changes.get(place) ?? told;
      if (other !== told) this.#find(device, "other", `place ${place} is ${told}, and ${other} elsewhere`);
      changes.set(place, other);
    }
  }

  /** Whether the device was in the epoch in which the entry was made, and served by the relay. */
  #isMeant({ device: { id, account }, items }: PlacedTimeline, { log, seq }: Place): boolean {
    const { memberships, logs } = this.#world.oracle;
    const before = memberships.predecessorOf(log);
    // Whether anybody follows is for them to decide.
    const mayStay = isForeign(this.#world, log) || (before !== undefined && this.splits.has(before));
    if (mayStay && !items.some((item) => item.log === log)) return false;
    const logged = logs.get(log)?.get(seq);
    if (id === undefined || logged?.epoch === undefined) return false;
    if (memberships.devicesIn(log, logged.epoch)?.includes(id) !== true) return false;
    return !memberships.hasLeft(log, account, seq);
  }

  /** Made before somebody asked to leave, landed after: nobody is told, and its maker does it again. */
  #wasOvertaken({ log, seq }: Place): boolean {
    const entries = [...(this.#world.oracle.logs.get(log)?.values() ?? [])];
    const epoch = entries.find(({ entry }) => entry.seq === seq)?.epoch;
    return (
      entries.some(({ entry, epoch: other }) => entry.kind === "commit" && entry.seq > seq && other === epoch) &&
      entries.some(({ entry }) => entry.kind === "proposal" && entry.leave === true && entry.seq < seq)
    );
  }

  /** Out of the conversation, so what waited there to be sent is not sent. */
  #hasEnded(device: Device): boolean {
    if (this.#causes.has(device, "declined") || device.isRevoked) return true;
    const { memberships } = this.#world.oracle;
    const { id, account } = device;
    const ended = device.conversationsIn(this.#root).filter(({ state }) => state.current === "ended");
    return ended.some((conversation) => {
      const log = device.logOf(conversation);
      return id !== undefined && (!memberships.isInNewest(id, log) || memberships.hasLeft(log, account, Infinity));
    });
  }

  #logged({ log, item }: PlacedItem): LoggedEntry | undefined {
    return this.#world.oracle.logs.get(log)?.get(item.seq);
  }

  #find(device: Device, kind: Finding["kind"], why: string, message?: string): void {
    this.#world.oracle.find(kind, device.name, this.#root, why, message);
  }
}

/** Whether it was shown that its account was out of the conversation for a time: what waited then was refused, and its sender told. */
function wasOut({ device: { account }, items }: PlacedTimeline): boolean {
  return items.some(
    ({ item }) =>
      item.kind === "noLongerMember" ||
      (item.kind === "left" && item.accounts.includes(account)) ||
      (item.kind === "membersChanged" && item.removed.includes(account)),
  );
}
