/** The modules of dynalite that the local DynamoDB stands on; it ships no types. */

declare module "dynalite/db/index.js" {
  import type { Readable } from "node:stream";

  export type AttributeValue = Readonly<Record<string, unknown>>;
  export type Item = Readonly<Record<string, AttributeValue>>;
  export type Callback<T> = (error: DynaliteError | null, value: T) => void;

  export interface DynaliteError extends Error {
    readonly statusCode?: number;
    readonly body?: { readonly __type: string; readonly message?: string };
  }

  export interface ItemDb {
    get(key: string, callback: Callback<Item | undefined>): void;
    put(key: string, item: Item, callback: Callback<void>): void;
    del(key: string, callback: Callback<void>): void;
    lock(key: string, run: (release: <T>(callback: T) => T) => void): void;
    createValueStream(options: Readonly<Record<string, unknown>>): Readable;
  }

  export interface TableDescription {
    readonly TableName: string;
    readonly TableStatus: "ACTIVE";
    readonly KeySchema: readonly { readonly AttributeName: string; readonly KeyType: string }[];
    readonly AttributeDefinitions: readonly { readonly AttributeName: string; readonly AttributeType: string }[];
  }

  export interface Store {
    readonly options: Readonly<Record<string, unknown>>;
    readonly db: {
      batch(
        operations: readonly { readonly type: "put" | "del"; readonly key: string; readonly value?: Item }[],
        callback: Callback<void>,
      ): void;
      close(callback: (error?: Error | null) => void): void;
    };
    readonly tableDb: { put(name: string, table: TableDescription, callback: Callback<void>): void };
    getTable(name: string, callback: Callback<TableDescription>): void;
    getItemDb(name: string): ItemDb;
  }

  export function create(options: Readonly<Record<string, unknown>>): Store;
  export function createKey(item: Item, table: TableDescription): string;
  export function validateKey(key: Item, table: TableDescription): DynaliteError | null | undefined;
  export function checkConditional(data: object, existing: Item | undefined): DynaliteError | null | undefined;
}

declare module "dynalite/validations/index.js" {
  export function checkTypes(data: object, types: object): object;
  export function checkValidations(data: object, types: object, custom: unknown, store: object): void;
}

declare module "dynalite/actions/*.js" {
  import type { Callback, Store } from "dynalite/db/index.js";
  const action: (store: Store, data: object, callback: Callback<Record<string, unknown>>) => void;
  export = action;
}

declare module "dynalite/validations/*.js" {
  export const types: object;
  export const custom: unknown;
}
