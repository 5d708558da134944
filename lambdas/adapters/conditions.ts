/** How a conditional write failed. */
import { ConditionalCheckFailedException, TransactionConflictException } from "@aws-sdk/client-dynamodb";
import type { Item } from "./attributes.ts";

export type Attempt<T> =
  | { readonly done: true; readonly output: T }
  /** `found` is what was there; undefined where nothing was, or where a transaction was in the way. */
  | { readonly done: false; readonly found: Item | undefined };

/** Runs a conditional write that asks for the old item (`ReturnValuesOnConditionCheckFailure`). Rethrows the rest. */
export async function attempt<T>(write: Promise<T>): Promise<Attempt<T>> {
  try {
    return { done: true, output: await write };
  } catch (error) {
    if (error instanceof ConditionalCheckFailedException) return { done: false, found: error.Item };
    if (error instanceof TransactionConflictException) return { done: false, found: undefined };
    throw error;
  }
}
