/** What an application sees: a client, its conversations, and what happens in them. */
import type { BackupHealth } from "./backup/backupKeeper.ts";
import type { Contact } from "./account/contacts.ts";
import type { RelayEquivocation } from "./account/equivocation.ts";
import type { TacitError } from "./errors.ts";
import type { DeviceHint } from "./ports.ts";
import type { Role } from "./session/group/groupData.ts";
import type { SafetyNumber } from "./session/identity/safetyNumber.ts";
import type { TimelineItem, TimelineMessage } from "./session/timeline.ts";

/** A value that changes. */
export interface Observable<T> {
  readonly current: T;
  /** Calls `listener` at once with the current value, then with each new one. The answer ends it. */
  subscribe(listener: (value: T) => void): () => void;
}

export type ConnectionState =
  /**
   * No socket. `retryAt` is absent where the client stays away: until `goOnline`, or with `resting`, because the app is in the
   * background, until it is in the foreground, something is sent, or `caughtUp` is called.
   */
  | { readonly status: "offline"; readonly reason?: TacitError; readonly retryAt?: number; readonly resting?: true }
  | { readonly status: "connecting"; readonly attempt: number }
  /** Connected, and reading what was missed. */
  | { readonly status: "catchingUp" }
  | { readonly status: "online" }
  /** For good: closed by the application, or for the reason given. */
  | { readonly status: "closed"; readonly reason?: TacitError };

export interface Client {
  /** As the identity provider names the user. */
  readonly account: string;
  readonly device: string;
  readonly connection: Observable<ConnectionState>;
  /**
   * The direct conversation with one other account, opened where there is none. With a connection it resolves when the conversation
   * stands; without one at once, and it is opened later: what is sent waits. Where there is one that was a request, it is accepted.
   * @throws TacitError `unknown_account`, `no_key_packages`, `identity_changed`, `invalid_argument`; `cannot_follow` where it was created
   *   without this device: then it opens by itself, later
   */
  conversation(options: { readonly with: readonly string[] }): Promise<Conversation>;
  /**
   * A new group, with this account as its owner. With a connection it resolves when the group stands; invitations of many go out after that.
   * @throws TacitError `unknown_account`, `no_key_packages`, `identity_changed`, `invalid_argument`
   */
  createGroup(options: {
    readonly title?: string;
    readonly picture?: Uint8Array;
    readonly members: readonly string[];
  }): Promise<Conversation>;
  /** All that this device is in. */
  conversations(): readonly Conversation[];
  on<E extends keyof ClientEvents>(event: E, listener: (value: ClientEvents[E]) => void): () => void;
  /** Resolves when everything that was missed has been read. @throws TacitError where the client is or gets closed */
  caughtUp(): Promise<void>;
  /** Trusts the key that an account has now, after an `identityChanged`. */
  acceptIdentity(account: string): Promise<void>;
  /** What this device knows of another account; undefined where it knows nothing. */
  contact(account: string): Contact | undefined;
  /**
   * What two people compare to know that nobody stands between them: digits to read out, or a payload for a QR code. Both have the same. It
   * is of the account, not of a device, and of the key that the account shows now.
   * @throws TacitError `unknown_account`, `identity_invalid`, `connection_lost`, `invalid_argument`
   */
  safetyNumber(account: string): Promise<SafetyNumber>;
  /**
   * Whether what was scanned or typed is that number. Where it is, the key is marked as verified, and accepted if it had changed; the mark
   * goes when the key changes.
   * @throws TacitError `invalid_argument` where it is no safety number; and as `safetyNumber`
   */
  verify(account: string, scanned: string): Promise<boolean>;
  /** Its invitations are dropped, and its messages not shown, until `unblock`. It is not told. */
  block(account: string): Promise<void>;
  unblock(account: string): Promise<void>;
  /**
   * On the holder: a new recovery code, which brings the account, its contacts, conversations and history back on a fresh device. Resolves when
   * the backup that it opens has been made; the code before ends then. Show it once, to be written down: it is kept nowhere. From the first
   * one on, backups are made by themselves. `show` is given the code before the old one ends, and may take its time until it was written
   * down; where it rejects, nothing changes.
   * @throws TacitError `not_holder`, `connection_lost`, `rate_limited`: the code before is valid still
   */
  createRecoveryCode(show?: (code: string) => void | Promise<void>): Promise<string>;
  /** How the account's backup is. `off` on all devices but the holder. */
  readonly backup: Observable<BackupHealth>;
  /** Does not wait for the hour. @throws TacitError `invalid_argument` where there is no recovery code, `not_holder`, why it did not work */
  backupNow(): Promise<void>;
  /** Those of the own account, this one among them. */
  devices(): readonly Device[];
  /**
   * On the holder: makes the device part of the account that shows `code` (typed or scanned). Resolves when the relay has the record
   * with it; it then comes into all conversations, and is handed recent history.
   * @throws TacitError `link_code_invalid`, `link_expired`, `not_holder`, `invalid_argument`, `too_large`
   */
  linkDevice(code: string, options?: { readonly name?: string }): Promise<Device>;
  /**
   * On the holder: takes a device out of the account, for good. Resolves when the relay has closed its socket.
   * @throws TacitError `not_holder`, `invalid_argument`
   */
  revokeDevice(id: string): Promise<void>;
  /** On the holder. Only the account's own devices can read names. @throws TacitError `not_holder`, `invalid_argument` */
  renameDevice(id: string, name: string): Promise<void>;
  /** Drops the connection and stays away: no network is used until `goOnline`. */
  goOffline(): void;
  /** Comes back; where it is trying to already, or resting, at once. */
  goOnline(): void;
  /** What the application knows of its device where the client cannot see it itself: see the option `hints` of `connect`. */
  hint(hint: DeviceHint): void;
  /** Ends the connection, lets go of the store. Iterations end. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface ClientEvents {
  /** A conversation is new on this device: opened here or by someone else. One by a stranger is `requested`. */
  readonly conversation: Conversation;
  /**
   * An account shows another key than the pinned one. Sending to it is blocked until `acceptIdentity`. `proven`: the pinned key signed the
   * way to it, so it is the same account, recovered; otherwise it may be anybody.
   */
  readonly identityChanged: { readonly account: string; readonly proven: boolean };
  /** The relay showed two people different records of an account. Evidence convinces whoever knows the deployment's receipt key. */
  readonly relayEquivocation: RelayEquivocation;
  /** A device of the own account was linked, named or revoked. */
  readonly devicesChanged: readonly Device[];
  /** Something arrived that could not be used, outside of any timeline (e.g. an invitation that cannot be joined). */
  readonly failure: TacitError;
}

/** Something that was given to `send`. */
export interface OutgoingMessage {
  readonly id: string;
  readonly text: string;
  readonly sentAt: number;
  /** `queued` until the relay has stored it. */
  readonly status: "queued" | "sent" | "failed";
  /**
   * Resolves when the log has it. Rejects with a TacitError where it never will, and with `closed` where the client is closed first: then
   * the message is sent after the next start. Unhandled rejections are silent.
   */
  readonly sent: Promise<Message>;
}

export type Message = TimelineMessage;

export interface IterateOptions {
  /** Continue behind this position. Default: from the beginning. */
  readonly after?: number;
  /** Ends the iteration. */
  readonly signal?: AbortSignal;
}

/**
 * `opening`: not in the log yet, or its Welcome has not come. `requested`: a stranger's invitation, which `accept`, `decline` or `block` answer.
 * `repairing`: this device could not follow, and asks to be put in anew; what is sent waits. `ended`: left, removed or declined.
 */
export type ConversationStatus = "opening" | "requested" | "open" | "repairing" | "ended";

export interface ConversationInfo {
  /** Empty in a direct conversation. */
  readonly title: string;
  readonly hasPicture: boolean;
  /** Sorted by account, one's own among them. */
  readonly members: readonly {
    readonly account: string;
    readonly role: Role;
    readonly devices: readonly string[];
  }[];
  /** While it is `requested`. */
  readonly invitedBy?: string;
}

export interface Conversation {
  readonly id: string;
  readonly kind: "direct" | "group";
  /** Accounts, one's own among them, sorted. */
  readonly members: readonly string[];
  readonly info: Observable<ConversationInfo>;
  readonly state: Observable<ConversationStatus>;
  /**
   * Resolves when the message is durable on this device; it is sent as soon as there is a connection, in order. To answer a request is to
   * accept it.
   */
  send(message: { readonly text: string }): Promise<OutgoingMessage>;
  /** What waits to be sent, oldest first. */
  outgoing(): readonly OutgoingMessage[];
  /** Messages in the order of the log, one's own among them once the log has them: history, then live, without end. */
  messages(options?: IterateOptions): AsyncIterable<Message>;
  /** Messages and everything else that happened: who came and went, what is missing, what could not be read, changes of keys. */
  timeline(options?: IterateOptions): AsyncIterable<TimelineItem>;

  /*
   * Changes of a group. Each resolves when it has become so, by a commit of this device or of another, and survives a restart. The members
   * enforce the roles, not the relay: owners may do everything, admins invite, describe and remove members.
   * @throws TacitError `forbidden` by the roles; `invalid_argument`, also in a direct conversation; `unknown_account`, `no_key_packages`
   */
  invite(accounts: readonly string[]): Promise<void>;
  remove(accounts: readonly string[]): Promise<void>;
  setRole(account: string, role: Role): Promise<void>;
  setTitle(title: string): Promise<void>;
  /** Bytes of an image, at most 2 MiB; undefined takes it away. */
  setPicture(picture: Uint8Array | undefined): Promise<void>;
  /** Undefined where there is none, or it is not at the relay any more. */
  picture(): Promise<Uint8Array | undefined>;
  /** Off at once for the relay; the others commit it. @throws TacitError `invalid_argument` in a direct conversation */
  leave(): Promise<void>;

  accept(): Promise<void>;
  /** Leaves a group; a direct conversation ends on this device. */
  decline(): Promise<void>;
  /** Declines, and shows nothing more from whom it came. */
  block(): Promise<void>;

  /** Says that the user is typing (or has stopped). Never stored, never retried; without a connection nothing happens. */
  sendTyping(active: boolean): Promise<void>;
  onTyping(listener: (typing: Typing) => void): () => void;
  /**
   * Replaces this device's keys in the group, so that a key stolen before is worth nothing after. Resolves when it has happened. It happens
   * by itself as well: see the option `renewals` of `connect`.
   */
  rotateKeys(): Promise<void>;
  /**
   * Asks to be put in anew. It happens by itself where this device notices that it cannot follow; where only the application wants it and nobody
   * answers, a group goes on as it was after a day or two. Where a device cannot follow, and that was to no avail in a large group (`unanswered` in the
   * timeline), on a device of an owner or admin: goes on in a successor, with everybody.
   */
  repair(): Promise<void>;
}

export interface Typing {
  readonly account: string;
  readonly device: string;
  readonly active: boolean;
}

/** One device of the own account. */
export interface Device {
  readonly id: string;
  /** As it was named when it was linked, or since; undefined where it has none, or this device was not told yet. */
  readonly name: string | undefined;
  readonly isThis: boolean;
  /** It holds the account key: it alone links, names and revokes devices. */
  readonly isHolder: boolean;
  /** When it was certified: milliseconds since 1970. */
  readonly since: number;
}

/** What a new device shows, for the holder's `linkDevice`. */
export interface LinkCodeShown {
  /** To be typed: 56 letters and digits in groups of four. */
  readonly text: string;
  /** To be shown as a QR code. */
  readonly qr: string;
  /** By this device's clock; a fresh code follows then. */
  readonly until: number;
}

export interface LinkOptions {
  /** Called with a code to show, and with a fresh one every ten minutes until one was used. */
  readonly onCode: (code: LinkCodeShown) => void;
  /** Cancels: `connect` rejects with `link_cancelled`, and the code shown last is worth nothing. */
  readonly signal?: AbortSignal;
  /** What the device is to be called unless the holder says otherwise: at most 48 bytes. */
  readonly name?: string;
}
