/** What the client needs from outside, as small interfaces. Every port has a contract suite in test/contract. */

/** One value to write; without `value`, the key is deleted. */
export interface Write {
  readonly key: string;
  readonly value?: Uint8Array;
}

export interface ScanOptions {
  /** Keys greater than this one. */
  readonly after?: string;
  readonly limit?: number;
  /** From the greatest key down; `after` then means keys smaller than this one. */
  readonly reverse?: boolean;
}

/**
 * A transactional map of strings to bytes. Keys are printable ASCII and ordered by code unit. It sees sealed values alone, and is
 * strictly consistent: what `commit` wrote, the next call reads.
 */
export interface Store {
  /** Values in the order of `keys`. */
  get(keys: readonly string[]): Promise<readonly (Uint8Array | undefined)[]>;
  /** Pairs whose key starts with `prefix`, in order. */
  scan(prefix: string, options?: ScanOptions): Promise<readonly (readonly [key: string, value: Uint8Array])[]>;
  /** All of it or nothing; durable when the promise resolves. @throws TacitError `store_failed` */
  commit(writes: readonly Write[]): Promise<void>;
  /** Gives up the lock. */
  close(): Promise<void>;
  /** Where the key to this store is kept unless `connect` is told otherwise. */
  readonly vault?: Vault;
}

/** Keeps the one key that opens a store. It wraps 32 bytes and never sees data. */
export interface Vault {
  /** Seals a key for the store to keep. */
  wrap(key: Uint8Array): Promise<Uint8Array>;
  /** @throws TacitError `vault_failed` where the key was not wrapped by this vault */
  unwrap(wrapped: Uint8Array): Promise<Uint8Array>;
}

export interface SocketEvents {
  readonly opened: () => void;
  readonly message: (text: string) => void;
  /** Once, also where the socket never opened; nothing follows. `status`: HTTP's, of a refused upgrade, where it can be seen. */
  readonly closed: (code: number, status?: number) => void;
}

export interface Socket {
  /** Never throws: what cannot be sent any more is followed by `closed`. */
  send(text: string): void;
  close(): void;
}

/** Opens WebSockets (RFC 6455) for text frames. */
export interface Transport {
  open(url: string, protocols: readonly string[], events: SocketEvents): Socket;
  /**
   * Whether anything answers HTTP at `url`. Tells a refused upgrade from a network that is down, where neither shows a status.
   * Absent: cannot be told.
   */
  readonly reachable?: (url: string) => Promise<boolean>;
}

/**
 * What the platform says about the device. Hints hasten and spare; nothing relies on them, and any of them may be wrong.
 *
 * `foreground`, `background`: somebody looks at the app, nobody does. `suspending`: this process is about to be stopped where it
 * is. `networkUp`, `networkDown`: there is a network, there is none. `networkChanged`: it is another one than before.
 */
export type DeviceHint = "foreground" | "background" | "suspending" | "networkUp" | "networkDown" | "networkChanged";

export interface DeviceHints {
  /** Calls `listener` with each hint, at once with what differs from a device in use that has a network. The answer ends it. */
  watch(listener: (hint: DeviceHint) => void): () => void;
  /** Milliseconds in the background after which the connection is let go, unless `connect` is told otherwise. */
  readonly restAfter: number;
}

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Runs `run` once, `milliseconds` from now; the answer cancels. Does not keep a process alive. */
  after(milliseconds: number, run: () => void): () => void;
}

/** Fills and returns a new array of `length` bytes, unpredictable. */
export type Random = (length: number) => Uint8Array;

/** What goes wrong inside, without user content. */
export interface Logger {
  warn(event: string, details: Readonly<Record<string, string | number | boolean>>): void;
}

/** The two verbs of a blob's presigned URLs. */
export interface BlobTransfer {
  /** @throws when it was not stored */
  put(url: string, headers: Readonly<Record<string, string>>, body: Uint8Array): Promise<void>;
  /** Undefined: there is none (any more). @throws on anything that may pass */
  get(url: string, maxBytes: number): Promise<Uint8Array | undefined>;
}
