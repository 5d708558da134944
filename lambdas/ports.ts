/**
 * What the relay's rules need from outside. Every read here is strongly consistent unless it says otherwise, and every
 * conditional write tells what it found where the condition failed: clients of the database repeat writes that timed
 * out, so a condition can fail because of one's own first attempt.
 */
import type { BlobReference, Entry, InboxItem, Payload, Signed } from "@tacit/protocol";

/** An entry as it lies in the log. */
export type StoredEntry = Entry & {
  /** Seconds since 1970 after which the table may delete it: late, and in any order. Never decreases along a log. */
  readonly ttl: number;
};

/** How far an account that was dropped may read: the entry that dropped it, and the turn after that entry. */
export type Dropped = {
  readonly seq: number;
  readonly turn: number;
  /** Set where the account left, by its own proposal. */
  readonly left?: true;
};

export type Conversation = {
  /** Number of commits in the log. */
  readonly turn: number;
  /** No entry has a higher seq. */
  readonly ceiling: number;
  readonly roster: readonly string[];
  readonly dropped: ReadonlyMap<string, Dropped>;
  /** Where the last request to leave stands, also of an account that is back. */
  readonly lastLeave?: number;
  /** `by`: the account that posted it. */
  readonly lastCommit: { readonly id: string; readonly seq: number; readonly at: number; readonly by: string };
  /** The turn that was last ended by an account which the commit before had dropped: see core/roster.ts. */
  readonly restored?: number;
  readonly generation: number;
  readonly predecessor: string | undefined;
};

export interface Log {
  /** The physically newest entry, expired or not. */
  newest(conversation: string): Promise<StoredEntry | undefined>;
  /** Up to `limit` entries after `after` in order, expired ones too. `more` when the table has, or may have, others. */
  page(conversation: string, after: number, limit: number): Promise<{ entries: readonly StoredEntry[]; more: boolean }>;
  /** Puts `entry` where nothing is yet. `found` is what was there; undefined where a transaction was in the way. */
  put(conversation: string, entry: StoredEntry): Promise<PutOutcome>;
}
export type PutOutcome =
  { readonly landed: true } | { readonly landed: false; readonly found: StoredEntry | undefined };

export interface Conversations {
  get(conversation: string): Promise<Conversation | undefined>;
  /** Sets the ceiling to `to` if it is still `from`; false where it is not. */
  raiseCeiling(conversation: string, from: number, to: number): Promise<boolean>;
}

/** Turns a reservation of the caller's account into a Welcome. */
export type WelcomeWrite = {
  readonly device: string;
  readonly claim: string;
  readonly payload: Payload;
  readonly by: string;
  /** Seconds since 1970. */
  readonly ttl: number;
};

/** Names a stage: Welcomes of one account that wait, unseen, for a commit that is still to come. */
export type StageName = {
  readonly conversation: string;
  /** The id of the commit's entry. */
  readonly entry: string;
  /** The account that lays them there, and alone can land that commit with them. */
  readonly by: string;
};

/** What lands together: an entry, the conversation as it is after it, and Welcomes. */
export type LandingWrite = {
  readonly conversation: string;
  readonly entry: StoredEntry;
  /** Undefined where the conversation does not exist yet. */
  readonly expected: Pick<Conversation, "turn" | "ceiling"> | undefined;
  readonly next: Conversation;
  readonly welcomes: readonly WelcomeWrite[];
  /** A second place for the entry: read by `name` like a log, until `ttl`, in seconds since 1970. */
  readonly copy?: { readonly name: string; readonly ttl: number };
  /** Comes into force with the entry: until `ttl`, in seconds since 1970, and not where it ended before `now`. */
  readonly stage?: { readonly name: StageName; readonly now: number; readonly ttl: number } | undefined;
};

export type LandingOutcome =
  | { readonly kind: "landed" }
  /** The conversation, the entry's place, or an item under another transaction is not as expected: read again. */
  | { readonly kind: "conflict" }
  /** The reservation of `welcomes[index]` is not there, not the caller's, or used. */
  | { readonly kind: "notClaimed"; readonly index: number }
  /** There is no such stage, it was abandoned, or it came into force with another entry. */
  | { readonly kind: "notStaged" };

/** The transactions. All of a landing is written, or nothing; a repetition of one that landed says `landed`. */
export interface Landing {
  land(write: LandingWrite): Promise<LandingOutcome>;
}

export type Reservation = {
  readonly device: string;
  readonly id: string;
  /** The account that may use it. */
  readonly by: string;
  /** Hash of the key package that was given out. */
  readonly keyPackage: string;
  /** Seconds since 1970. */
  readonly ttl: number;
};

/** Something that one device sends to another. */
export type InboxMessage = {
  /** Whose inbox: a device is known under its account alone, so nobody sends into a partition that another reads. */
  readonly account: string;
  readonly device: string;
  /** Recognises a repetition, which overwrites what came first. */
  readonly mark: string;
  /** Where it goes, unless the mark was seen before: then it goes where that went. */
  readonly id: string;
  readonly from: { readonly account: string; readonly device: string };
  readonly payload: Payload;
  readonly at: number;
  /** Seconds since 1970. */
  readonly ttl: number;
};

export interface Inbox {
  /** Holds a place in the device's inbox for a Welcome. */
  reserve(reservation: Reservation): Promise<void>;
  /** Two writes: the mark, then the message. A repetition ends what the first left half done. */
  send(message: InboxMessage): Promise<void>;
  /**
   * Up to `limit` Welcomes and messages after `after` in order of their ids. Reservations, and Welcomes whose stage is not
   * in force, are passed over, many in one call: anybody can make some. `next` when there is, or may be, more.
   */
  page(
    account: string,
    device: string,
    after: string | undefined,
    limit: number,
  ): Promise<{ items: readonly InboxItem[]; next: string | undefined }>;
  /** Deletes a Welcome or a message; nothing happens where there is none, or what nobody may see yet. */
  remove(account: string, device: string, id: string): Promise<void>;
}

/** `open` may still land; `void` never will; `inForce` has landed. */
export type Stage = { readonly state: "open" | "void" | "inForce"; readonly devices: ReadonlySet<string> };

/** Welcomes that wait for their commit. `Landing` brings a stage into force, `Inbox` shows what is. */
export interface Stages {
  /**
   * Lays a Welcome into a reservation of the stage's account, or over one of the same stage, or, with `from`, over one of
   * that stage. `heldBy` is the stage of that account's which has it.
   */
  lay(
    stage: StageName,
    welcome: Omit<WelcomeWrite, "by"> & { readonly at: number },
    from?: StageName,
  ): Promise<{ readonly laid: true } | { readonly laid: false; readonly heldBy: StageName | undefined }>;
  /**
   * Notes devices on whose places Welcomes lie. False where the stage is void or in force. Two writes: the stage, then the
   * devices. `ttl` in seconds since 1970.
   */
  note(stage: StageName, devices: readonly string[], ttl: number): Promise<boolean>;
  /** Undefined where nothing was noted. Without what ended before `now`, in seconds since 1970. */
  get(stage: StageName, now: number): Promise<Stage | undefined>;
  /** It will never come into force: false where it has. `ttl` as above. */
  abandon(stage: StageName, ttl: number): Promise<boolean>;
}

export type StoredAccount = {
  /** The record as its owner signed it. */
  readonly signed: Signed;
  readonly version: number;
  /** base64url, as everything below. */
  readonly accountKey: string;
  readonly devices: readonly string[];
  readonly revoked: readonly string[];
  /** The relay's receipt for this version; undefined until it is signed. */
  readonly receipt?: Signed | undefined;
};

export interface Directory {
  get(account: string): Promise<StoredAccount | undefined>;
  /** Puts `next` if the stored version is still `expected`, undefined meaning none. `found` as in `PutOutcome`. */
  put(
    account: string,
    next: StoredAccount,
    expected: number | undefined,
  ): Promise<{ landed: true } | { landed: false; found: StoredAccount | undefined }>;
  /**
   * Stores the receipt with that version of the record, if it has none. Returns the one that the version has then;
   * undefined where the Directory holds another version.
   */
  setReceipt(account: string, version: number, receipt: Signed): Promise<Signed | undefined>;
}

/** The key that signs receipts: Ed25519, and nobody can take it away. */
export interface Receipts {
  /** base64url. */
  sign(message: Uint8Array): Promise<string>;
  /** The raw public key, base64url; asked once per instance. */
  key(): Promise<string>;
}

export type StoredBackup = {
  /** From 1. */
  readonly version: number;
  readonly at: number;
  readonly manifest: string;
  readonly blobs: readonly BlobReference[];
  /** Names of blobs that the version before had and this one has not. */
  readonly removed: readonly string[];
};

/** One backup for each account. */
export interface Backups {
  get(account: string): Promise<StoredBackup | undefined>;
  /** Puts `next` if the stored version is still the one before. `found` as in `PutOutcome`. */
  put(
    account: string,
    next: StoredBackup,
  ): Promise<{ landed: true } | { landed: false; found: StoredBackup | undefined }>;
}

/** `notAfter`: in seconds since 1970. Those whose time is over are as if they were not there. */
export type KeyPackage = { readonly hash: string; readonly data: string; readonly notAfter: number };

export interface KeyPackages {
  /** False where it is there already, or was taken in the last day: none is given out twice. */
  add(account: string, device: string, keyPackage: KeyPackage): Promise<boolean>;
  setLastResort(account: string, device: string, keyPackage: KeyPackage): Promise<void>;
  lastResort(account: string, device: string): Promise<KeyPackage | undefined>;
  count(account: string, device: string): Promise<number>;
  /** Takes one single-use package away and returns it: to one caller alone. Undefined when there is none left. */
  take(account: string, device: string): Promise<KeyPackage | undefined>;
  /** Deletes all of the device's. */
  clear(account: string, device: string): Promise<void>;
}

export interface Proofs {
  /** Whether this is the first time that the device shows this `jti`. `ttl` in seconds since 1970. */
  firstUse(account: string, device: string, jti: string, ttl: number): Promise<boolean>;
}

export interface Counters {
  /**
   * Adds `amount` to a counter unless that would pass `limit`, and returns its new value; undefined where it would.
   * Without `limit` it always adds. `ttl` in seconds since 1970.
   */
  add(account: string, name: string, amount: number, ttl: number, limit?: number): Promise<number | undefined>;
}

/** Which socket of a device is rung. */
export type Registration = {
  readonly connection: string;
  /** When it connected: the newer wins. */
  readonly connectedAt: number;
  readonly lease: number;
  /** Until when this device may not append, through whichever socket; set by the rate limit. */
  readonly blockedUntil?: number;
};
/** By account, then by device. */
export type Registrations = ReadonlyMap<string, ReadonlyMap<string, Registration>>;

export interface Connections {
  of(accounts: readonly string[]): Promise<Registrations>;
  /**
   * Registers unless a newer socket of the device is; `replaced` is the one before. The order is that of connectedAt,
   * then of the connection's name.
   */
  register(
    account: string,
    device: string,
    registration: Registration,
    ttl: number,
  ): Promise<{ registered: true; replaced: Registration | undefined } | { registered: false }>;
  /** Forgets this connection of the device; another one stays. */
  unregister(account: string, device: string, connection: string): Promise<void>;
  /** Notes that the device may not append until `until`. It outlives the registration: to reconnect does not help. */
  block(account: string, device: string, until: number): Promise<void>;
}

export interface Sockets {
  /** `failed` when it is not known whether it arrived: reported, and nothing that a request could do about. */
  post(connection: string, frame: string): Promise<"sent" | "gone" | "failed">;
  /** Closes; one that is closed already is fine, and a failure is reported. */
  close(connection: string): Promise<void>;
}

/** A socket to ring, and until when. */
export type BellTarget = {
  readonly account: string;
  readonly device: string;
  readonly connection: string;
  readonly lease: number;
  /** A Welcome is in its inbox: it is rung for that, not for the entry. */
  readonly inbox?: true;
};

/** A part of a large fan-out. */
export type BellSlice = {
  readonly conversation: string;
  /** The newest entry that it announces, and when that landed. */
  readonly seq: number;
  readonly at: number;
  /** The doorbell as it is posted: at most `limits.pushFrame` bytes. */
  readonly frame: string;
  /** Not rung where the entry after `seq` landed before this time: that one rings instead. */
  readonly coalesceUntil?: number;
  /** At most 200, and so many that the slice as JSON has less than 128 KiB. */
  readonly targets: readonly BellTarget[];
};

export interface BellQueue {
  /** Throws where it was not taken: then nobody is rung, for a bell has no promise. */
  send(slices: readonly BellSlice[], delaySeconds: number): Promise<void>;
}

/** `staging` is for a day, `kept` for as long as entries live, the one of an account's backup until that names it no more. */
export type BlobPlace = "staging" | "kept" | { readonly backupOf: string };

export interface Blobs {
  stat(place: BlobPlace, hash: string): Promise<{ size: number; modified: number } | undefined>;
  /** Copies the blob, also onto itself: its life starts anew. */
  copy(from: BlobPlace, to: BlobPlace, hash: string): Promise<void>;
  /** Deletes the blob; one that is not there is fine. */
  remove(place: BlobPlace, hash: string): Promise<void>;
  /** The URL takes these bytes and no others, by length and checksum, into `staging`. */
  uploadUrl(blob: BlobReference): Promise<{ url: string; headers: Record<string, string>; expires: number }>;
  downloadUrl(place: BlobPlace, hash: string): Promise<{ url: string; expires: number }>;
}

/** The identity provider. */
export interface Tokens {
  /** The claims, if the signature is the issuer's. Throws where the issuer cannot be reached. */
  open(token: string): Promise<Readonly<Record<string, unknown>> | undefined>;
}

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  sleep(milliseconds: number): Promise<void>;
}

export interface Random {
  /** base64url of this many random bytes. */
  id(bytes: number): string;
  /** At least 0 and below 1. */
  fraction(): number;
}

export interface Verify {
  ed25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
  sha256(bytes: Uint8Array): Uint8Array;
}

/** Where what nobody expected is told to the operator, without a word of what users sent. */
export interface Reports {
  unexpected(error: unknown, context: { readonly operation: string; readonly requestId?: string }): void;
}
