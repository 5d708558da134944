/** The item operations that dynalite brings: its validation and action modules by operation name. */
import type { Callback, Store } from "dynalite/db/index.js";
import { checkTypes, checkValidations } from "dynalite/validations/index.js";
import batchGetItem from "dynalite/actions/batchGetItem.js";
import deleteItem from "dynalite/actions/deleteItem.js";
import getItem from "dynalite/actions/getItem.js";
import putItem from "dynalite/actions/putItem.js";
import query from "dynalite/actions/query.js";
import scan from "dynalite/actions/scan.js";
import updateItem from "dynalite/actions/updateItem.js";
import * as validateBatchGetItem from "dynalite/validations/batchGetItem.js";
import * as validateBatchWriteItem from "dynalite/validations/batchWriteItem.js";
import * as validateDeleteItem from "dynalite/validations/deleteItem.js";
import * as validateGetItem from "dynalite/validations/getItem.js";
import * as validatePutItem from "dynalite/validations/putItem.js";
import * as validateQuery from "dynalite/validations/query.js";
import * as validateScan from "dynalite/validations/scan.js";
import * as validateUpdateItem from "dynalite/validations/updateItem.js";

type Action = (store: Store, data: object, callback: Callback<Record<string, unknown>>) => void;

const ACTIONS = {
  BatchGetItem: batchGetItem,
  DeleteItem: deleteItem,
  GetItem: getItem,
  PutItem: putItem,
  Query: query,
  Scan: scan,
  UpdateItem: updateItem,
} satisfies Readonly<Record<string, Action>>;

const VALIDATIONS = {
  BatchGetItem: validateBatchGetItem,
  BatchWriteItem: validateBatchWriteItem,
  DeleteItem: validateDeleteItem,
  GetItem: validateGetItem,
  PutItem: validatePutItem,
  Query: validateQuery,
  Scan: validateScan,
  UpdateItem: validateUpdateItem,
} satisfies Readonly<Record<string, { readonly types: object; readonly custom: unknown }>>;

type ActionName = keyof typeof ACTIONS;
type ValidatedName = keyof typeof VALIDATIONS;

/** Checks the input of an operation and parses its expressions; throws what DynamoDB would answer. */
export function validate(operation: ValidatedName, input: object, store: Store): object {
  const { types, custom } = VALIDATIONS[operation];
  // Both functions change what they are given.
  const data = checkTypes(structuredClone(input), types);
  checkValidations(data, types, custom, store);
  return data;
}

/** Runs a validated operation. */
export function act(operation: ActionName, store: Store, data: object): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    ACTIONS[operation](store, data, (error, output) => (error ? reject(error) : resolve(output)));
  });
}
