/**
 * What the run knows better than any client: what was said and promised, every entry that ever stood in a log and which message it
 * carries, which devices were in which epoch, and what each application was shown, and when.
 *
 * A message is named by its first characters, `§<number>§`, which the oracle finds again in what the engine seals; so it
 * needs nobody's word for what an entry of the log carries.
 */
import type { Message, TimelineItem } from "@tacit/client";
import { inspectMessage } from "@tacit/mls";
import { decodeBase64Url } from "@tacit/protocol";
import type { StoredEntry } from "../../../lambdas/ports.ts";
import { tagOf } from "./keyGuard.ts";
import { Memberships } from "./memberships.ts";

export interface Said {
  readonly name: string;
  /** The device that says it. */
  readonly by: string;
  /** The first log of the conversation (`Memberships.rootOf`). */
  readonly conversation: string;
  /** Order among what this device says in the conversation. */
  readonly number: number;
  readonly text: string;
  /** `send` has resolved, or the message was found waiting after a restart: it must arrive. */
  promised: boolean;
  /** `sent` has resolved, with this place. */
  arrivedAt?: number;
  /** `sent` has rejected. */
  failed?: string;
}

export interface LoggedEntry {
  readonly entry: StoredEntry;
  /** Of the message that it carries, where it is one. */
  readonly message: string | undefined;
  /** The epoch of the group that it was made in; undefined where that is nothing of MLS, or not told in clear. */
  readonly epoch: bigint | undefined;
}

/** Where an entry stands. */
export interface Place {
  readonly log: string;
  readonly seq: number;
}

export interface Shown {
  readonly item: TimelineItem;
  readonly at: number;
}

/** A kind of finding and what it is about. */
export interface Finding {
  readonly kind: "lost" | "duplicated" | "reordered" | "unreadable" | "other";
  readonly device: string;
  readonly conversation: string;
  readonly message?: string;
  readonly why: string;
}

/** Long enough not to be met by chance in a ciphertext. */
const marker = "§plaintext-";

export class Oracle {
  readonly said = new Map<string, Said>();
  readonly logs = new Map<string, Map<number, LoggedEntry>>();
  readonly memberships = new Memberships((device, log, why) => this.find("other", device, log, why));
  /** Message -> where it stands. */
  readonly places = new Map<string, Place[]>();
  /** Ids of entries that a malicious member made. */
  readonly garbage = new Set<string>();
  /** Device -> conversation -> what its application was shown, across restarts. */
  readonly shown = new Map<string, Map<string, Shown[]>>();
  /** Found while the run was on. */
  readonly findings: Finding[] = [];
  /** Invitations that devices did not follow. */
  readonly refusals: { readonly device: string; readonly why: string }[] = [];
  /** Failures that clients reported, by code. */
  readonly failures: Record<string, number> = {};
  readonly #messages = new Map<string, string>();
  readonly #bodies = new Map<string, Uint8Array>();
  readonly #counts = new Map<string, number>();

  /** Something to say, and a record of it. */
  next(by: string, id: string, length: number): Said {
    const conversation = this.memberships.rootOf(id);
    const name = String(this.said.size + 1);
    const counted = `${by} ${conversation}`;
    const number = (this.#counts.get(counted) ?? 0) + 1;
    this.#counts.set(counted, number);
    const text = `${marker}${name}§${"lorem ipsum ".repeat(Math.ceil(length / 12)).slice(0, length)}`;
    const said: Said = { name, by, conversation, number, text, promised: false };
    this.said.set(name, said);
    return said;
  }

  named(text: string): Said | undefined {
    return this.said.get(nameIn(text) ?? "");
  }

  /** The engine sealed something. */
  sealed(plaintext: Uint8Array, tag: string): void {
    const buffer = Buffer.from(plaintext.buffer, plaintext.byteOffset, plaintext.byteLength);
    if (!buffer.includes(marker)) return;
    const name = nameIn(buffer.toString("utf8"));
    if (name !== undefined) this.#messages.set(tag, name);
  }

  /** A blob was uploaded: what it carries is known by its hash from now on. */
  uploaded(hash: string, body: Uint8Array): void {
    this.#bodies.set(hash, body.slice());
  }

  landed(conversation: string, entry: StoredEntry): void {
    let log = this.logs.get(conversation);
    if (log === undefined) this.logs.set(conversation, (log = new Map()));
    const before = log.get(entry.seq);
    if (before?.entry.id === entry.id) return;
    if (before !== undefined) this.find("other", "relay", conversation, `place ${entry.seq} was given out twice`);
    const { payload } = entry;
    const bytes = "blob" in payload ? this.#bodies.get(payload.blob.hash) : decodeBase64Url(payload.inline);
    const message = bytes && this.#messages.get(tagOf(bytes));
    log.set(entry.seq, { entry, message, epoch: bytes && epochIn(bytes) });
    if (entry.kind === "proposal" && entry.leave === true) {
      this.memberships.left(conversation, entry.account, entry.seq);
    }
    if (entry.kind === "commit") this.memberships.admitted(conversation, entry.roster.add, entry.seq);
    if (message === undefined) return;
    const place = { log: conversation, seq: entry.seq };
    const places = this.places.get(message);
    if (places === undefined) this.places.set(message, [place]);
    else places.push(place);
  }

  arrived(said: Said, { seq }: Message): void {
    said.arrivedAt = seq;
    if (this.places.get(said.name)?.some((place) => place.seq === seq) === true) return;
    this.find("other", said.by, said.conversation, `it was told that place ${seq} has it, which is not so`, said.name);
  }

  shows(device: string, conversation: string, item: TimelineItem, at: number): void {
    this.shownTo(device, conversation).push({ item, at });
  }

  /** Of one conversation, by the names that the device has for it. */
  shownIn(device: string, root: string): readonly (readonly [id: string, shown: readonly Shown[]])[] {
    const all = [...(this.shown.get(device) ?? [])];
    return all.filter(([id]) => this.memberships.rootOf(id) === root);
  }

  shownTo(device: string, conversation: string): Shown[] {
    let conversations = this.shown.get(device);
    if (conversations === undefined) this.shown.set(device, (conversations = new Map()));
    let items = conversations.get(conversation);
    if (items === undefined) conversations.set(conversation, (items = []));
    return items;
  }

  find(kind: Finding["kind"], device: string, conversation: string, why: string, message?: string): void {
    this.findings.push({ kind, device, conversation, why, ...(message === undefined ? {} : { message }) });
  }

  failure(code: string): void {
    this.failures[code] = (this.failures[code] ?? 0) + 1;
  }
}

function epochIn(bytes: Uint8Array): bigint | undefined {
  try {
    const info = inspectMessage(bytes);
    return info.wireFormat === "privateMessage" ? info.epoch : undefined;
  } catch {
    return undefined;
  }
}

export function hasPlaintext(bytes: Uint8Array | string): boolean {
  return typeof bytes === "string"
    ? bytes.includes(marker)
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes(marker);
}

function nameIn(text: string): string | undefined {
  const start = text.indexOf(marker);
  return start < 0 ? undefined : text.slice(start + marker.length, text.indexOf("§", start + marker.length));
}
