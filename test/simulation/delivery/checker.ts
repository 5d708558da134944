/**
 * Compares what applications were shown with what the oracle knows. Per conversation and device:
 *
 * - lost: a promised message that stands in no log, or that a device which was a member at its place was never shown. Excused
 *   where the device was honestly told that it misses something, and the oracle knows the cause: the entry had expired by then.
 * - duplicated: a message shown twice.
 * - reordered: messages shown in another order than the log's, or a sender's in another than they were said.
 * - unreadable: a notice in the place of a message that an honest member sent.
 * - other: anything else that must not be, e.g. a notice that accuses an honest member, or a promise that was told falsely.
 */
import type { TimelineItem } from "@tacit/client";
import type { Finding, LoggedEntry, Said, Shown } from "./oracle.ts";
import type { Device } from "./device.ts";
import type { World } from "./world.ts";

export interface Verdict {
  /** Messages shown to a device that did not send them. */
  readonly delivered: number;
  /** Of promised messages that a device was not shown: how many it was honestly told it misses. */
  readonly expired: number;
  readonly findings: readonly Finding[];
}

/** Never in a timeline while everybody is honest. */
const accusing: ReadonlySet<string> = new Set(["void", "logMismatch", "identityChanged"]);

/** Notices that tell what a commit did: the same to everybody. */
const changing: ReadonlySet<string> = new Set(["opened", "keysChanged", "devicesChanged", "membersChanged"]);

export function check(world: World): Verdict {
  const { oracle, devices } = world;
  let delivered = 0;
  let expired = 0;
  const conversations = new Map<string, Device[]>();
  for (const a of devices) {
    for (const b of devices) {
      if (a.account < b.account) conversations.set(world.directConversation(a, b), [a, b]);
    }
  }
  for (const [id, members] of conversations) {
    const log = oracle.logs.get(id) ?? new Map<number, LoggedEntry>();
    const promised = [...oracle.said.values()].filter(({ conversation }) => conversation === id);
    const changes = new Map<number, string>();
    for (const device of members) {
      const checked = new CheckedTimeline(world, device, id, log);
      checked.check(promised);
      delivered += checked.delivered;
      expired += checked.expired;
      for (const [seq, change] of checked.changes) {
        const other = changes.get(seq) ?? change;
        if (other !== change)
          oracle.find("other", device.name, id, `place ${seq} is ${change}, and ${other} elsewhere`);
        changes.set(seq, other);
      }
    }
  }
  for (const device of devices) {
    if (device.client?.connection.current.status !== "online") {
      oracle.find("other", device.name, "", "it is not online at the end");
    }
    for (const name of device.life?.waiting ?? []) {
      const said = oracle.said.get(name) as Said;
      if (oracle.places.has(name)) {
        oracle.find("other", device.name, said.conversation, "it is in the log, and `sent` did not resolve", name);
      }
    }
  }
  world.searchForPlaintext();
  return { delivered, expired, findings: oracle.findings };
}

class CheckedTimeline {
  delivered = 0;
  expired = 0;
  readonly #world: World;
  readonly #device: Device;
  readonly #id: string;
  readonly #log: ReadonlyMap<number, LoggedEntry>;
  readonly #shown: readonly Shown[];

  constructor(world: World, device: Device, id: string, log: ReadonlyMap<number, LoggedEntry>) {
    this.#world = world;
    this.#device = device;
    this.#id = id;
    this.#log = log;
    this.#shown = world.oracle.shownTo(device.name, id);
  }

  check(said: readonly Said[]): void {
    const { oracle } = this.#world;
    const seen = new Set<string>();
    const lastOf = new Map<string, number>();
    let position = 0;
    let seq = 0;
    for (const { item, at } of this.#shown) {
      if (item.position !== position + 1) this.#find("other", `position ${item.position} follows ${position}`);
      ({ position } = item);
      if (item.kind !== "message") {
        this.#checkNotice(item, at);
        continue;
      }
      const message = oracle.named(item.text);
      if (message === undefined || this.#log.get(item.seq)?.message !== message.name || message.text !== item.text) {
        this.#find("other", `place ${item.seq} shows what does not stand there`, message?.name);
        continue;
      }
      if (message.by !== item.device && !this.#isOf(item, message))
        this.#find("other", "it is shown as another's", message.name);
      if (seen.has(message.name)) this.#find("duplicated", `shown again at position ${position}`, message.name);
      else if (message.by !== this.#device.name) this.delivered++;
      seen.add(message.name);
      const last = lastOf.get(message.by) ?? 0;
      if (item.seq <= seq || message.number < last) {
        this.#find("reordered", `place ${item.seq} after ${seq}, number ${message.number} after ${last}`, message.name);
      }
      seq = item.seq;
      lastOf.set(message.by, message.number);
    }
    for (const message of said) if (!seen.has(message.name)) this.#checkMissing(message);
    this.#checkCommits();
  }

  /** Each change of the group is told to everybody who was there. */
  #checkCommits(): void {
    const told = new Set(this.#shown.map(({ item }) => item.seq));
    for (const { entry } of this.#log.values()) {
      if (entry.kind !== "commit" || told.has(entry.seq) || this.#isExcused(entry.seq)) continue;
      this.#find("other", `the commit at place ${entry.seq} was not shown`);
    }
  }

  /** What the notices say of the commits, for comparing with other devices. */
  get changes(): ReadonlyMap<number, string> {
    return new Map(
      this.#shown.flatMap(({ item }) =>
        changing.has(item.kind) && "by" in item ? [[item.seq, `${item.kind} by ${item.by}`]] : [],
      ),
    );
  }

  #isOf(item: Extract<TimelineItem, { kind: "message" }>, message: Said): boolean {
    const sender = this.#world.devices.find(({ name }) => name === message.by);
    return sender?.account === item.from && (item.mine ? this.#device.account === item.from : true);
  }

  #checkNotice(item: Exclude<TimelineItem, { kind: "message" }>, at: number): void {
    if (accusing.has(item.kind)) this.#find("other", `notice ${item.kind} at place ${item.seq}`);
    if (item.kind === "unreadable" && this.#endedAt(item.seq) === undefined) {
      this.#find("unreadable", `${item.reason} at place ${item.seq}`, this.#log.get(item.seq)?.message);
    }
    if (item.kind === "missing") {
      for (let seq = item.after + 1; seq < item.before; seq++) {
        const logged = this.#log.get(seq);
        if (logged !== undefined && logged.entry.expires > at) {
          this.#find("other", `place ${seq} is said to be missing, and has not expired`, logged.message);
        }
      }
    }
    if (item.kind === "cannotFollow" && !this.#lostCommit(item.seq, at)) {
      this.#find("other", `it cannot follow at place ${item.seq}, without a cause`);
    }
  }

  #checkMissing(message: Said): void {
    const { oracle } = this.#world;
    const places = oracle.places.get(message.name) ?? [];
    if (places.length === 0) {
      if (!message.promised || message.by !== this.#device.name) return;
      if (message.failed !== undefined && this.#endedAt(Infinity) !== undefined) return;
      return this.#find(
        "lost",
        `it never got into the log${message.failed ? `: ${message.failed}` : ""}`,
        message.name,
      );
    }
    if (places.some((place) => this.#isExcused(place))) {
      this.expired++;
      return;
    }
    this.#find("lost", `it stands at ${places.join(", ")} and was not shown`, message.name);
  }

  /** Whether the device was told that it misses this place, for a reason that is known to be true. */
  #isExcused(seq: number): boolean {
    const ended = this.#endedAt(seq);
    if (ended !== undefined) return true;
    return this.#shown.some(({ item }) => item.kind === "missing" && item.after < seq && seq < item.before);
  }

  /** The notice by which the conversation ended here, at or before `seq`. That it has a cause is checked apart. */
  #endedAt(seq: number): Shown | undefined {
    return this.#shown.find(({ item }) => item.kind === "cannotFollow" && item.seq <= seq);
  }

  /** Whether a commit up to `seq` had expired before this device could read it. */
  #lostCommit(seq: number, at: number): boolean {
    const read = new Set(this.#shown.map(({ item }) => item.seq));
    return [...this.#log.values()].some(
      ({ entry }) => entry.kind === "commit" && entry.seq <= seq && entry.expires <= at && !read.has(entry.seq),
    );
  }

  #find(kind: Finding["kind"], why: string, message?: string): void {
    this.#world.oracle.find(kind, this.#device.name, this.#id, why, message);
  }
}
