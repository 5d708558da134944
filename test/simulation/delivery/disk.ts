/**
 * What a device keeps when its client is gone: a store that takes its time, in the order of the calls. Whoever opens it anew finds what
 * was committed; a commit that was on its way when the client stopped may be there or not.
 */
import { TacitError, type ScanOptions, type Store, type Write } from "@tacit/client";

export class Disk {
  readonly #items = new Map<string, Uint8Array>();
  /** Sorted. */
  readonly #keys: string[] = [];

  get(keys: readonly string[]): readonly (Uint8Array | undefined)[] {
    return keys.map((key) => this.#items.get(key)?.slice());
  }

  scan(prefix: string, { after, limit = Infinity, reverse = false }: ScanOptions = {}) {
    const found: (readonly [string, Uint8Array])[] = [];
    const keys = this.#keys;
    const step = reverse ? -1 : 1;
    let at = this.#place(reverse ? `${prefix}\x7f` : prefix);
    if (after !== undefined) {
      const place = this.#place(after);
      const past = keys[place] === after && !reverse ? place + 1 : place;
      at = reverse ? Math.min(at, past) : Math.max(at, past);
    }
    if (reverse) at--;
    for (; found.length < limit && keys[at]?.startsWith(prefix) === true; at += step) {
      const key = keys[at] as string;
      found.push([key, this.#items.get(key)!.slice()]);
    }
    return found;
  }

  commit(writes: readonly Write[]): void {
    for (const { key, value } of writes) {
      const place = value === undefined || !this.#items.has(key) ? this.#place(key) : -1;
      if (value === undefined) {
        if (this.#items.delete(key)) this.#keys.splice(place, 1);
      } else {
        if (place >= 0) this.#keys.splice(place, 0, key);
        this.#items.set(key, value.slice());
      }
    }
  }

  /** Where `key` is or belongs. */
  #place(key: string): number {
    let [low, high] = [0, this.#keys.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#keys[middle] as string) < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

export interface DiskUse {
  /** Runs `effect` when its turn has come. Never settles where the client is gone by then. */
  readonly around: <T>(what: string, effect: () => T) => Promise<T>;
  readonly fails: () => boolean;
  /** Planted: says that a commit is done before it is. */
  readonly lies: boolean;
}

/** The disk as one client opens it. */
export function openDisk(disk: Disk, { around, fails, lies }: DiskUse): Store {
  let closed = false;
  function requireOpen(): void {
    if (closed) throw new TacitError("closed", "the store was closed");
  }
  async function use<T>(what: string, effect: () => T): Promise<T> {
    requireOpen();
    return around(what, () => {
      requireOpen();
      return effect();
    });
  }
  return {
    vault: { wrap: async (key) => key.slice(), unwrap: async (wrapped) => wrapped.slice() },
    get: (keys) => use("store.get", () => disk.get(keys)),
    scan: (prefix, options) => use("store.scan", () => disk.scan(prefix, options)),
    async commit(writes) {
      const done = use("store.commit", () => {
        if (fails()) throw new TacitError("store_failed", "the disk is full");
        disk.commit(writes);
      });
      if (!lies) return done;
      done.catch(() => {});
    },
    async close() {
      closed = true;
    },
  };
}
