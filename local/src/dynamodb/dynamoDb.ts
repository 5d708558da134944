/**
 * DynamoDB in this process: dynalite, and on top of it what it lacks: transactions, the old item of a failed condition,
 * expiry by TTL, and the capacity units of each operation.
 *
 * https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/
 */
import { create, type Item, type Store, type TableDescription } from "dynalite/db/index.js";
import type { TableModel } from "../cloudformation/deployment.ts";
import { DynamoDbError, errorAnswer, errorType } from "./dynamoDbError.ts";
import { createItemHistory } from "./itemHistory.ts";
import { itemSize, readUnits, writeUnits } from "./itemSize.ts";
import { createKeyedLock } from "./keyedLock.ts";
import { act, validate } from "./operations.ts";
import { applyChanges, stageStore, storageKey, type ItemChange } from "./stagedStore.ts";
import { createTransactions } from "./transactions.ts";

export interface Units {
  readonly read: number;
  readonly write: number;
}

export interface Answer {
  readonly output: Readonly<Record<string, unknown>>;
  readonly units: Units;
}

export type WriteListener = (change: ItemChange, cause: "request" | "timeToLive") => void;

export interface DynamoDb {
  /** Runs one operation. Throws an error with an {@link errorAnswer}; `stale` makes eventual reads see the past. */
  call(operation: string, input: object, options?: { readonly stale?: boolean }): Promise<Answer>;
  items(table: string): Promise<readonly Item[]>;
  /** Deletes expired items in the order given by `shuffle`, save those that `keep` holds back. */
  expire(options: ExpireOptions): Promise<void>;
  close(): Promise<void>;
}

export interface ExpireOptions {
  readonly now: number;
  readonly shuffle: <T>(items: readonly T[]) => readonly T[];
  readonly keep: (table: string, item: Item) => boolean;
}

export interface DynamoDbOptions {
  readonly tables: readonly TableModel[];
  /** Directory of the data; in memory when null. */
  readonly directory: string | null;
  readonly now: () => number;
  readonly onWrite: WriteListener;
}

const NO_UNITS: Units = { read: 0, write: 0 };
/** DynamoDB leaves items alone whose time lies further back: it takes them for mistakes. */
const OLDEST_EXPIRY_SECONDS = 5 * 365 * 86_400;

export async function openDynamoDb({ tables, directory, now, onWrite }: DynamoDbOptions): Promise<DynamoDb> {
  const store = create(directory === null ? {} : { path: directory });
  const descriptions = new Map<string, TableDescription>();
  for (const table of tables) descriptions.set(table.name, await ensureTable(store, table));

  const lock = createKeyedLock();
  const history = createItemHistory((table, item) => storageKey(item, describe(table)));
  const commit = async (changes: readonly ItemChange[], cause: "request" | "timeToLive") => {
    await applyChanges(store, changes);
    history.record(changes);
    for (const change of changes) onWrite(change, cause);
  };
  const transactions = createTransactions({ store, lock, now, describe, commit });

  return {
    call(operation, input, { stale = false } = {}) {
      switch (operation) {
        case "PutItem":
        case "UpdateItem":
        case "DeleteItem":
          return write(operation, input as WriteInput);
        case "GetItem":
          return getItem(input, stale);
        case "BatchGetItem":
          return batchGetItem(input as BatchGetInput, stale);
        case "BatchWriteItem":
          return batchWriteItem(input as BatchWriteInput);
        case "Query":
        case "Scan":
          return queryOrScan(operation, input, stale);
        case "TransactWriteItems":
          return transactions.write(input);
        case "TransactGetItems":
          return transactions.get(input);
        default:
          throw new DynamoDbError("UnknownOperationException", `${operation} is not hosted`);
      }
    },
    items: (table) => allItems(table),
    async expire({ now: time, shuffle, keep }) {
      const seconds = time / 1000;
      for (const { name, timeToLiveAttribute: attribute } of tables) {
        if (attribute === null) continue;
        const isExpired = (item: Item | undefined) => {
          const expiry = Number(item?.[attribute]?.["N"] ?? Number.NaN);
          return expiry < seconds && expiry > seconds - OLDEST_EXPIRY_SECONDS;
        };
        for (const item of shuffle((await allItems(name)).filter(isExpired))) {
          if (!keep(name, item)) await deleteIf(name, item, isExpired);
        }
      }
    },
    close: () => new Promise((resolve, reject) => store.db.close((error) => (error ? reject(error) : resolve()))),
  };

  async function write(operation: "PutItem" | "UpdateItem" | "DeleteItem", input: WriteInput): Promise<Answer> {
    const data = validate(operation, input, store);
    const table = describe(input.TableName);
    const key = storageKey(input.Item ?? input.Key ?? {}, table);
    return lock.run([`${table.TableName}~${key}`], async () => {
      const staged = stageStore(store);
      try {
        const output = await act(operation, staged.store, data);
        const changes = staged.changes();
        await commit(changes, "request");
        const change = changes[0];
        return { output, units: { read: 0, write: writeUnits(change?.before, change?.after) } };
      } catch (error) {
        const answer = errorAnswer(error);
        if (!answer || errorType(error) !== "ConditionalCheckFailedException") throw error;
        const existing = staged.lookups()[0]?.item;
        const withItem = input.ReturnValuesOnConditionCheckFailure === "ALL_OLD" && existing !== undefined;
        throw Object.assign(
          new DynamoDbError("ConditionalCheckFailedException", "The conditional request failed", {
            ...(withItem && { Item: existing }),
          }),
          { units: { read: 0, write: writeUnits(existing, undefined) } },
        );
      }
    });
  }

  async function getItem(input: ReadInput, stale: boolean): Promise<Answer> {
    const data = validate("GetItem", input, store);
    const staged = stageStore(store, stale && !input.ConsistentRead ? history : null);
    const output = await act("GetItem", staged.store, data);
    const bytes = itemSize(staged.lookups()[0]?.item);
    return { output, units: { read: readUnits(bytes, consistencyOf(input)), write: 0 } };
  }

  async function batchGetItem(input: BatchGetInput, stale: boolean): Promise<Answer> {
    const data = validate("BatchGetItem", input, store);
    const mayBeStale = stale && Object.values(input.RequestItems).every((request) => !request.ConsistentRead);
    const staged = stageStore(store, mayBeStale ? history : null);
    const output = await act("BatchGetItem", staged.store, data);
    const read = staged
      .lookups()
      .reduce(
        (sum, { table, item }) => sum + readUnits(itemSize(item), consistencyOf(input.RequestItems[table] ?? {})),
        0,
      );
    return { output, units: { read, write: 0 } };
  }

  async function queryOrScan(operation: "Query" | "Scan", input: ReadInput, stale: boolean): Promise<Answer> {
    const data = validate(operation, input, store);
    const staged = stageStore(store, stale && !input.ConsistentRead ? history : null);
    const output = await act(operation, staged.store, data);
    const looked = staged.streamed().slice(0, Number(output["ScannedCount"] ?? 0));
    const bytes = looked.reduce((sum, size) => sum + size, 0);
    return { output, units: { read: readUnits(bytes, consistencyOf(input)), write: 0 } };
  }

  /** A batch is no transaction: each write stands alone. */
  async function batchWriteItem(input: BatchWriteInput): Promise<Answer> {
    validate("BatchWriteItem", input, store);
    const writes = Object.entries(input.RequestItems).flatMap(([TableName, requests]) =>
      requests.map(({ PutRequest, DeleteRequest }) => {
        const table = describe(TableName);
        const key = PutRequest?.Item ?? DeleteRequest?.Key ?? {};
        return {
          id: `${TableName}~${storageKey(key, table)}`,
          run: () =>
            PutRequest
              ? write("PutItem", { TableName, Item: PutRequest.Item })
              : write("DeleteItem", { TableName, Key: key }),
        };
      }),
    );
    if (new Set(writes.map(({ id }) => id)).size < writes.length) {
      throw new DynamoDbError("ValidationException", "Provided list of item keys contains duplicates");
    }
    const answers = await Promise.all(writes.map(({ run }) => run()));
    return {
      output: { UnprocessedItems: {} },
      units: { read: 0, write: answers.reduce((sum, { units }) => sum + units.write, 0) },
    };
  }

  async function deleteIf(
    tableName: string,
    item: Item,
    condition: (item: Item | undefined) => boolean,
  ): Promise<void> {
    const table = describe(tableName);
    const Key = Object.fromEntries(table.KeySchema.map(({ AttributeName: name }) => [name, item[name] ?? {}]));
    await lock.run([`${tableName}~${storageKey(item, table)}`], async () => {
      const staged = stageStore(store);
      await act("DeleteItem", staged.store, { TableName: tableName, Key });
      if (condition(staged.changes()[0]?.before)) await commit(staged.changes(), "timeToLive");
    });
  }

  async function allItems(table: string): Promise<readonly Item[]> {
    describe(table);
    const items: Item[] = [];
    for await (const item of store.getItemDb(table).createValueStream({})) items.push(item as Item);
    return items;
  }

  function describe(name: unknown): TableDescription {
    const table = descriptions.get(String(name));
    if (!table) throw new DynamoDbError("ResourceNotFoundException", "Requested resource not found");
    return table;
  }
}

interface WriteInput {
  readonly TableName: string;
  readonly Item?: Item;
  readonly Key?: Item;
  readonly ReturnValuesOnConditionCheckFailure?: string;
}

interface ReadInput {
  readonly ConsistentRead?: boolean;
}

interface BatchGetInput {
  readonly RequestItems: Readonly<Record<string, ReadInput>>;
}

interface BatchWriteInput {
  readonly RequestItems: Readonly<
    Record<
      string,
      readonly { readonly PutRequest?: { readonly Item: Item }; readonly DeleteRequest?: { readonly Key: Item } }[]
    >
  >;
}

function consistencyOf({ ConsistentRead }: ReadInput): "strong" | "eventual" {
  return ConsistentRead ? "strong" : "eventual";
}

/** The units that a failed operation was billed for. */
export function unitsOfError(error: unknown): Units {
  return (error as { readonly units?: Units }).units ?? NO_UNITS;
}

async function ensureTable(store: Store, table: TableModel): Promise<TableDescription> {
  const existing = await new Promise<TableDescription | null>((resolve, reject) =>
    store.getTable(table.name, (error, found) =>
      error ? (errorAnswer(error) ? resolve(null) : reject(error)) : resolve(found),
    ),
  );
  if (existing) return existing;
  const description: TableDescription = {
    TableName: table.name,
    TableStatus: "ACTIVE",
    KeySchema: table.keySchema,
    AttributeDefinitions: table.attributeDefinitions,
  };
  await new Promise<void>((resolve, reject) =>
    store.tableDb.put(table.name, description, (error) => (error ? reject(error) : resolve())),
  );
  return description;
}
