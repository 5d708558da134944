/** DynamoDB as its clients see it: the JSON protocol, permissions by item action, faults and the meter. */
import type { Deployment } from "../cloudformation/deployment.ts";
import type { AccessControl, Caller } from "../iam/accessControl.ts";
import type { Kms } from "../kms/kms.ts";
import type { Meter } from "../meter.ts";
import { jsonResponse, ServiceError, type Service } from "../service.ts";
import { unitsOfError, type DynamoDb } from "./dynamoDb.ts";
import { errorAnswer } from "./dynamoDbError.ts";

const CONTENT_TYPE = "application/x-amz-json-1.0";

export interface DynamoDbServiceOptions {
  readonly deployment: Deployment;
  readonly database: DynamoDb;
  readonly access: AccessControl;
  readonly kms: Kms;
  readonly meter: Meter;
}

/** What one request touches: an IAM action on a table. */
interface Touch {
  readonly action: string;
  readonly table: string;
}

export function createDynamoDbService({ deployment, database, access, kms, meter }: DynamoDbServiceOptions): Service {
  const tables = new Map(deployment.tables.map((table) => [table.name, table]));
  const byArn = new Map(deployment.tables.map((table) => [table.arn, table]));

  return {
    read({ headers, body }) {
      const [api, operation] = String(headers["x-amz-target"] ?? "").split(".");
      if (api !== "DynamoDB_20120810" || operation === undefined) {
        throw new ServiceError(400, "UnknownOperationException", "");
      }
      return { operation, input: withTableNames(JSON.parse(body.toString("utf8"))) };
    },
    async perform({ caller }, operation, input, effects) {
      authorize(caller, operation, input as Input);
      if (effects.has("conflict")) throw conflict(input as Input);
      const { now, later } = effects.has("unprocessed")
        ? splitBatch(input as Input)
        : { now: input as Input, later: null };
      try {
        const { output, units } = effects.has("drop")
          ? { output: {}, units: { read: 0, write: 0 } }
          : await database.call(operation, now, { stale: effects.has("stale") });
        meter.add(`dynamodb:${operation}`, { readUnits: units.read, writeUnits: units.write });
        const unprocessed = later && { [operation === "BatchGetItem" ? "UnprocessedKeys" : "UnprocessedItems"]: later };
        return jsonResponse(200, CONTENT_TYPE, { ...output, ...unprocessed });
      } catch (error) {
        const answer = errorAnswer(error);
        if (!answer) throw error;
        const units = unitsOfError(error);
        meter.add(`dynamodb:${operation}`, { readUnits: units.read, writeUnits: units.write });
        return jsonResponse(answer.statusCode, CONTENT_TYPE, answer.body);
      }
    },
    answerError: ({ statusCode, type, message, details }) =>
      jsonResponse(statusCode === 403 ? 400 : statusCode, CONTENT_TYPE, {
        __type: `com.amazonaws.dynamodb.v20120810#${type === "AccessDenied" ? "AccessDeniedException" : type}`,
        message,
        ...details,
      }),
    throttled: new ServiceError(400, "ThrottlingException", "Throughput exceeds the current capacity of your table."),
  };

  /** Tables may be named by ARN. */
  function withTableNames(input: unknown): unknown {
    const name = (input as { TableName?: unknown }).TableName;
    const table = typeof name === "string" ? byArn.get(name) : undefined;
    return table ? { ...(input as object), TableName: table.name } : input;
  }

  function authorize(caller: Caller, operation: string, input: Input): void {
    const distinct = new Map(touches(operation, input).map((touch) => [`${touch.action} ${touch.table}`, touch]));
    for (const { action, table: name } of distinct.values()) {
      const table = tables.get(name);
      const resource = table?.arn ?? `arn:aws:dynamodb:${deployment.region}:${deployment.account}:table/${name}`;
      const denial = access.check(caller, { action: `dynamodb:${action}`, resource });
      if (denial !== null) throw new ServiceError(400, "AccessDeniedException", denial);
      // DynamoDB unwraps the table's key in the caller's name, for reads and writes alike.
      if (table?.kmsKeyArn) kms.authorizeVia("dynamodb", caller, table.kmsKeyArn, ["kms:Decrypt"]);
    }
  }
}

interface Input {
  readonly TableName?: string;
  readonly TransactItems?: readonly Readonly<Record<string, Input | undefined>>[];
  readonly RequestItems?: Batch;
}

/** Of a table, the keys to read or the writes to do. */
type Batch = Readonly<Record<string, { readonly Keys?: readonly unknown[] } | BatchWrites>>;
type BatchWrites = readonly unknown[];

function isWrites(requests: Batch[string]): requests is BatchWrites {
  return Array.isArray(requests);
}

const TRANSACTION_ACTIONS: Readonly<Record<string, string>> = {
  Put: "PutItem",
  Update: "UpdateItem",
  Delete: "DeleteItem",
  ConditionCheck: "ConditionCheckItem",
  Get: "GetItem",
};

/** A transaction has no action of its own: it needs those of its parts. */
function touches(operation: string, input: Input): readonly Touch[] {
  if (input.TransactItems) {
    return input.TransactItems.flatMap((item) =>
      Object.entries(item).flatMap(([kind, part]) =>
        part ? [{ action: TRANSACTION_ACTIONS[kind] ?? kind, table: part.TableName ?? "" }] : [],
      ),
    );
  }
  const names = input.RequestItems ? Object.keys(input.RequestItems) : [input.TableName ?? ""];
  return names.map((table) => ({ action: operation, table }));
}

function conflict(input: Input): Error {
  if (!input.TransactItems)
    return new ServiceError(400, "TransactionConflictException", "Transaction is ongoing for the item");
  const reasons = input.TransactItems.map((_, index) =>
    index === 0 ? { Code: "TransactionConflict", Message: "Transaction is ongoing for the item" } : { Code: "None" },
  );
  const message = `Transaction cancelled, please refer cancellation reasons for specific reasons [${reasons.map(({ Code }) => Code).join(", ")}]`;
  return new ServiceError(400, "TransactionCanceledException", message, {
    Message: message,
    CancellationReasons: reasons,
  });
}

/** Every second request of a batch is left for later. */
function splitBatch(input: Input): { readonly now: Input; readonly later: Batch } {
  const half = (parity: number): Batch => {
    const every = <T>(list: readonly T[]) => list.filter((_, index) => index % 2 === parity);
    const entries = Object.entries(input.RequestItems ?? {}).flatMap(
      ([table, requests]): readonly [string, Batch[string]][] => {
        if (isWrites(requests)) return every(requests).length === 0 ? [] : [[table, every(requests)]];
        const Keys = every(requests.Keys ?? []);
        return Keys.length === 0 ? [] : [[table, { ...requests, Keys }]];
      },
    );
    return Object.fromEntries(entries);
  };
  return { now: { ...input, RequestItems: half(0) }, later: half(1) };
}
