/**
 * A view of a dynalite store for one operation: reads go through and are remembered, writes are kept back until the
 * operation, or the whole transaction that it is part of, is known to succeed.
 */
import { createKey, type Item, type ItemDb, type Store, type TableDescription } from "dynalite/db/index.js";
import { itemSize } from "./itemSize.ts";
import type { ItemHistory } from "./itemHistory.ts";

export interface ItemChange {
  readonly table: string;
  readonly key: string;
  readonly before: Item | undefined;
  readonly after: Item | undefined;
}

export interface StagedStore {
  readonly store: Store;
  changes(): readonly ItemChange[];
  /** Every item that was looked up by key, with its table and storage key. */
  lookups(): readonly { readonly table: string; readonly key: string; readonly item: Item | undefined }[];
  /** Sizes of the items that a query or scan streamed, in its order; it may stream more than it returns. */
  streamed(): readonly number[];
}

/** With `history`, reads see the state before the last write of each item. */
export function stageStore(store: Store, history: ItemHistory | null = null): StagedStore {
  const changes: ItemChange[] = [];
  const lookups: { table: string; key: string; item: Item | undefined }[] = [];
  const streamed: number[] = [];
  return {
    store: { ...store, getItemDb: (table) => stagedItemDb(table) },
    changes: () => changes,
    lookups: () => lookups,
    streamed: () => streamed,
  };

  function stagedItemDb(table: string): ItemDb {
    const itemDb = store.getItemDb(table);
    const before = (key: string) => lookups.find((lookup) => lookup.table === table && lookup.key === key)?.item;
    return {
      get: (key, callback) =>
        itemDb.get(key, (error, value) => {
          if (error && error.name !== "NotFoundError") return callback(error, undefined);
          const item = history ? history.before(table, key, value ?? undefined) : (value ?? undefined);
          lookups.push({ table, key, item });
          // The action may change what it is given in place.
          callback(null, item && structuredClone(item));
        }),
      put(key, item, callback) {
        changes.push({ table, key, before: before(key), after: item });
        setImmediate(callback, null);
      },
      del(key, callback) {
        changes.push({ table, key, before: before(key), after: undefined });
        setImmediate(callback, null);
      },
      // The layer above holds the lock of every key that is touched.
      lock: (_key, run) => run((callback) => callback),
      createValueStream(options) {
        const stream = history?.streamBefore(itemDb, table, options) ?? itemDb.createValueStream(options);
        stream.on("data", (item: Item) => streamed.push(itemSize(item)));
        return stream;
      },
    };
  }
}

/** Puts the staged changes of one or more operations into the store, all or none. */
export function applyChanges(store: Store, changes: readonly ItemChange[]): Promise<void> {
  if (changes.length === 0) return Promise.resolve();
  return new Promise((resolve, reject) => {
    store.db.batch(
      changes.map(({ table, key, after }) =>
        after === undefined
          ? { type: "del", key: `item-${table}~${key}` }
          : { type: "put", key: `item-${table}~${key}`, value: after },
      ),
      (error) => (error ? reject(error) : resolve()),
    );
  });
}

export function storageKey(key: Item, table: TableDescription): string {
  const own = Object.fromEntries(table.KeySchema.map(({ AttributeName: name }) => [name, key[name] ?? {}]));
  return createKey(own, table);
}
