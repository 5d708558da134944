/** A store that lasts as long as its object: for tests, demos, and bots that may forget. */
import { TacitError } from "../errors.ts";
import type { ScanOptions, Store, Write } from "../ports.ts";
import { memoryVault } from "./memoryVault.ts";

export interface MemoryStore extends Store {
  /** Opens it again after `close`, as a restarted process would open a file. @throws TacitError `store_locked` while it is open */
  reopen(): MemoryStore;
}

/** Opened, empty. */
export function memoryStore(): MemoryStore {
  return opened({ items: new Map(), keys: undefined, open: false }, memoryVault());
}

interface Memory {
  readonly items: Map<string, Uint8Array>;
  /** Sorted; rebuilt after the set of keys changed. */
  keys: readonly string[] | undefined;
  open: boolean;
}

function opened(memory: Memory, vault: ReturnType<typeof memoryVault>): MemoryStore {
  if (memory.open) throw new TacitError("store_locked", "this store is open already");
  memory.open = true;
  let closed = false;

  function use(): Memory {
    if (closed) throw new TacitError("closed", "the store was closed");
    return memory;
  }
  function sortedKeys(): readonly string[] {
    return (memory.keys ??= [...memory.items.keys()].sort());
  }

  return {
    vault,
    async get(keys) {
      const { items } = use();
      return keys.map((key) => items.get(key)?.slice());
    },
    async scan(prefix, { after, limit = Infinity, reverse = false }: ScanOptions = {}) {
      const { items } = use();
      const found = sortedKeys().filter(
        (key) => key.startsWith(prefix) && (after === undefined || (reverse ? key < after : key > after)),
      );
      if (reverse) found.reverse();
      return found.slice(0, limit).map((key) => [key, items.get(key)!.slice()] as const);
    },
    async commit(writes: readonly Write[]) {
      const { items } = use();
      for (const { key, value } of writes) {
        if (!items.has(key) || value === undefined) memory.keys = undefined;
        if (value === undefined) items.delete(key);
        else items.set(key, value.slice());
      }
    },
    async close() {
      if (closed) return;
      closed = true;
      memory.open = false;
    },
    reopen: () => opened(memory, vault),
  };
}
