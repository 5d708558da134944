/**
 * TransactWriteItems and TransactGetItems: all keys locked, every condition judged before anything is written.
 *
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html
 */
import { createHash } from "node:crypto";
import { checkConditional, validateKey, type Item, type Store, type TableDescription } from "dynalite/db/index.js";
import type { Answer } from "./dynamoDb.ts";
import { DynamoDbError, errorAnswer, errorType } from "./dynamoDbError.ts";
import { itemSize, readUnits, writeUnits } from "./itemSize.ts";
import type { KeyedLock } from "./keyedLock.ts";
import { act, validate } from "./operations.ts";
import { stageStore, storageKey, type ItemChange } from "./stagedStore.ts";

const LARGEST_TRANSACTION = 100;
const LARGEST_TRANSACTION_BYTES = 4 * 1024 * 1024;
const TOKEN_LIFETIME_MS = 10 * 60_000;

export interface Transactions {
  write(input: object): Promise<Answer>;
  get(input: object): Promise<Answer>;
}

interface Environment {
  readonly store: Store;
  readonly lock: KeyedLock;
  readonly now: () => number;
  readonly describe: (table: unknown) => TableDescription;
  readonly commit: (changes: readonly ItemChange[], cause: "request") => Promise<void>;
}

type Kind = "Put" | "Update" | "Delete" | "ConditionCheck" | "Get";

interface Part {
  readonly kind: Kind;
  readonly data: object;
  readonly table: TableDescription;
  readonly key: string;
  readonly returnsItem: boolean;
}

interface Reason {
  readonly Code: string;
  readonly Message?: string;
  readonly Item?: Item;
}

/** Who made a request with a token, so that its repetition is answered without being done again. */
interface Remembered {
  readonly parameters: string;
  readonly at: number;
}

const OPERATIONS = {
  Put: "PutItem",
  Update: "UpdateItem",
  Delete: "DeleteItem",
  ConditionCheck: "DeleteItem",
  Get: "GetItem",
} as const;

export function createTransactions({ store, lock, now, describe, commit }: Environment): Transactions {
  const tokens = new Map<string, Remembered>();

  return {
    async write(input) {
      const { TransactItems: items, ClientRequestToken: token } = input as WriteInput;
      const parts = parse(items, ["Put", "Update", "Delete", "ConditionCheck"]);
      return locked(parts, async () => {
        const parameters = createHash("sha256").update(JSON.stringify(items)).digest("hex");
        if (token !== undefined && isRepetition(token, parameters)) return repeated(parts);

        const staged = stageStore(store);
        const reasons: Reason[] = [];
        for (const part of parts) reasons.push(await judge(part, staged.store));
        const units = billed(parts, staged.lookups(), staged.changes());
        if (reasons.some(({ Code }) => Code !== "None")) throw Object.assign(cancelled(reasons), { units });
        if (staged.changes().reduce((sum, { after }) => sum + itemSize(after), 0) > LARGEST_TRANSACTION_BYTES) {
          throw invalid("Transaction request exceeds the limit of 4 MB");
        }
        await commit(staged.changes(), "request");
        if (token !== undefined) tokens.set(token, { parameters, at: now() });
        return { output: {}, units };
      });
    },
    async get(input) {
      const parts = parse((input as WriteInput).TransactItems, ["Get"]);
      return locked(parts, async () => {
        const staged = stageStore(store);
        const responses: unknown[] = [];
        for (const part of parts) {
          const { Item: item } = await act("GetItem", staged.store, part.data);
          responses.push(item === undefined ? {} : { Item: item });
        }
        const read = staged.lookups().reduce((sum, { item }) => sum + readUnits(itemSize(item), "transactional"), 0);
        return { output: { Responses: responses }, units: { read, write: 0 } };
      });
    },
  };

  function parse(items: WriteInput["TransactItems"], kinds: readonly Kind[]): readonly Part[] {
    if (!Array.isArray(items) || items.length === 0 || items.length > LARGEST_TRANSACTION) {
      throw invalid(`TransactItems must hold between 1 and ${LARGEST_TRANSACTION} actions`);
    }
    const parts = (items as NonNullable<WriteInput["TransactItems"]>).map((item): Part => {
      const [entry, more] = Object.entries(item).filter(([, value]) => value !== undefined && value !== null);
      const kind = kinds.find((candidate) => candidate === entry?.[0]);
      if (!entry || !kind || more) throw invalid(`TransactItems can only contain one of ${kinds.join(", ")}`);
      const request = entry[1];
      if (kind === "ConditionCheck" && request.ConditionExpression === undefined) {
        throw invalid("The expression of a ConditionCheck is missing");
      }
      const data = validate(OPERATIONS[kind], request, store);
      const table = describe(request.TableName);
      const key = request.Item ?? request.Key ?? {};
      const wrong = kind === "Put" ? null : validateKey(key, table);
      if (wrong) throw wrong;
      return {
        kind,
        data,
        table,
        key: storageKey(key, table),
        returnsItem: request.ReturnValuesOnConditionCheckFailure === "ALL_OLD",
      };
    });
    if (new Set(parts.map(lockKey)).size < parts.length) {
      throw invalid("Transaction request cannot include multiple operations on one item");
    }
    return parts;
  }

  function locked<T>(parts: readonly Part[], task: () => Promise<T>): Promise<T> {
    return lock.run(parts.map(lockKey), task);
  }

  /** Stages one part's write; the reason why it would cancel the transaction, or `None`. */
  async function judge(part: Part, staged: Store): Promise<Reason> {
    const itemDb = staged.getItemDb(part.table.TableName);
    const existing = await new Promise<Item | undefined>((resolve, reject) =>
      itemDb.get(part.key, (error, item) => (error ? reject(error) : resolve(item))),
    );
    try {
      if (part.kind === "ConditionCheck") {
        const failure = checkConditional(part.data, existing);
        if (failure) throw failure;
      } else {
        await act(OPERATIONS[part.kind], staged, part.data);
      }
      return { Code: "None" };
    } catch (error) {
      const answer = errorAnswer(error);
      if (!answer) throw error;
      const message = answer.body.message ?? "";
      if (errorType(error) !== "ConditionalCheckFailedException") return { Code: "ValidationError", Message: message };
      return {
        Code: "ConditionalCheckFailed",
        Message: message,
        ...(part.returnsItem && existing !== undefined && { Item: existing }),
      };
    }
  }

  function isRepetition(token: string, parameters: string): boolean {
    for (const [old, { at }] of tokens) if (now() - at > TOKEN_LIFETIME_MS) tokens.delete(old);
    const first = tokens.get(token);
    if (!first) return false;
    if (first.parameters === parameters) return true;
    throw new DynamoDbError(
      "IdempotentParameterMismatchException",
      "The request uses the same client token as a previous, but non-identical request",
    );
  }

  /** A repetition only reads, and is billed so. */
  async function repeated(parts: readonly Part[]): Promise<Answer> {
    const staged = stageStore(store);
    for (const { table, key } of parts) {
      await new Promise<void>((resolve, reject) =>
        staged.store.getItemDb(table.TableName).get(key, (error) => (error ? reject(error) : resolve())),
      );
    }
    const read = staged.lookups().reduce((sum, { item }) => sum + readUnits(itemSize(item), "transactional"), 0);
    return { output: {}, units: { read, write: 0 } };
  }
}

interface WriteInput {
  readonly TransactItems?: readonly Readonly<Record<string, PartRequest>>[];
  readonly ClientRequestToken?: string;
}

interface PartRequest {
  readonly TableName?: string;
  readonly Item?: Item;
  readonly Key?: Item;
  readonly ConditionExpression?: string;
  readonly ReturnValuesOnConditionCheckFailure?: string;
}

/** Every part is billed twice a write, a condition check as a write of the item that it looked at. */
function billed(
  parts: readonly Part[],
  lookups: readonly { readonly table: string; readonly key: string; readonly item: Item | undefined }[],
  changes: readonly ItemChange[],
): Answer["units"] {
  const write = parts.reduce((sum, { table, key }) => {
    const change = changes.find((candidate) => candidate.table === table.TableName && candidate.key === key);
    const looked = lookups.find((candidate) => candidate.table === table.TableName && candidate.key === key);
    return sum + writeUnits(change?.before ?? looked?.item, change?.after, true);
  }, 0);
  return { read: 0, write };
}

function cancelled(reasons: readonly Reason[]): DynamoDbError {
  const codes = reasons.map(({ Code }) => Code).join(", ");
  const message = `Transaction cancelled, please refer cancellation reasons for specific reasons [${codes}]`;
  // This exception spells its message with a capital letter.
  return new DynamoDbError("TransactionCanceledException", message, { Message: message, CancellationReasons: reasons });
}

function invalid(message: string): DynamoDbError {
  return new DynamoDbError("ValidationException", message);
}

function lockKey({ table, key }: Part): string {
  return `${table.TableName}~${key}`;
}
