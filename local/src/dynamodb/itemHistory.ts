/** The state before the last write of each item that was written lately: what an eventually consistent read may see. */
import { Readable } from "node:stream";
import type { Item, ItemDb } from "dynalite/db/index.js";
import type { ItemChange } from "./stagedStore.ts";

/** Replicas lag for moments, so old writes need not be remembered. */
const REMEMBERED_WRITES = 1_000;

export interface ItemHistory {
  record(changes: readonly ItemChange[]): void;
  before(table: string, key: string, current: Item | undefined): Item | undefined;
  /** The values of a range as they were, for a query or scan. */
  streamBefore(itemDb: ItemDb, table: string, options: Readonly<Record<string, unknown>>): Readable;
}

/** `keyOf` is the storage key of an item. */
export function createItemHistory(keyOf: (table: string, item: Item) => string): ItemHistory {
  const previous = new Map<string, { readonly table: string; readonly key: string; readonly item: Item | undefined }>();
  return {
    record(changes) {
      for (const { table, key, before } of changes) {
        previous.delete(`${table}~${key}`);
        previous.set(`${table}~${key}`, { table, key, item: before });
        const [oldest] = previous.keys();
        if (previous.size > REMEMBERED_WRITES && oldest !== undefined) previous.delete(oldest);
      }
    },
    before(table, key, current) {
      const found = previous.get(`${table}~${key}`);
      return found ? found.item : current;
    },
    streamBefore(itemDb, table, options) {
      const { limit, reverse, ...range } = options;
      return Readable.from(
        (async function* () {
          const items = new Map<string, Item>();
          for await (const item of itemDb.createValueStream(range)) items.set(keyOf(table, item as Item), item as Item);
          for (const { table: owner, key, item } of previous.values()) {
            if (owner !== table || !inRange(key, range)) continue;
            if (item) items.set(key, item);
            else items.delete(key);
          }
          const keys = [...items.keys()].sort();
          if (reverse === true) keys.reverse();
          for (const key of typeof limit === "number" && limit >= 0 ? keys.slice(0, limit) : keys) yield items.get(key);
        })(),
      );
    },
  };
}

function inRange(key: string, range: Readonly<Record<string, unknown>>): boolean {
  const { gte, gt, lte, lt } = range as Readonly<Record<string, string | undefined>>;
  return (
    (gte === undefined || key >= gte) &&
    (gt === undefined || key > gt) &&
    (lte === undefined || key <= lte) &&
    (lt === undefined || key < lt)
  );
}
