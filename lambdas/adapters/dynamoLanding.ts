/** The transactions over Log, Conversations and Inbox. */
import {
  TransactionCanceledException,
  TransactWriteItemsCommand,
  type DynamoDBClient,
  type TransactWriteItem,
} from "@aws-sdk/client-dynamodb";
import type { Landing, LandingOutcome, LandingWrite, WelcomeWrite } from "../ports.ts";
import { number, readBinary, text } from "./attributes.ts";
import { conversationAttributes } from "./conversationItem.ts";
import { placeIsFree } from "./dynamoLog.ts";
import { inboxKey, welcomeAttributes } from "./inboxItem.ts";
import { logItem } from "./logItem.ts";
import { setting } from "./setting.ts";
import { headKey, inForceAttributes } from "./stageItem.ts";

export type LandingTables = { readonly log: string; readonly conversations: string; readonly inbox: string };

/** There is no such conversation yet. */
const isNew = "attribute_not_exists(conversation)";
/** No commit ended the turn meanwhile, and nobody revived the log or raised its ceiling. */
const isAsRead = "turn = :expectedTurn AND ceiling = :expectedCeiling";
/** The place was claimed, no Welcome came yet, and the claim is the committer's own. */
const isOwnClaim = "s = :claimed AND #by = :by";
/** Something was staged, lately, and neither abandoned nor landed with another entry. */
const isOpenStage = "#ttl >= :now AND attribute_not_exists(x) AND attribute_not_exists(q)";

const logAt = 0;
const welcomesFrom = 2;

export function dynamoLanding(client: DynamoDBClient, tables: LandingTables): Landing {
  return {
    async land(write) {
      // The SDK adds a token, so a repetition of its own after a lost answer is no second transaction.
      const command = new TransactWriteItemsCommand({
        TransactItems: [
          putEntry(tables, write),
          writeConversation(tables, write),
          ...write.welcomes.map((welcome) => fillReservation(tables, write, welcome)),
          ...(write.stage === undefined ? [] : [bringIntoForce(tables, write, write.stage)]),
          ...(write.copy === undefined ? [] : [putCopy(tables, write.entry, write.copy)]),
        ],
      });
      try {
        await client.send(command);
        return { kind: "landed" };
      } catch (error) {
        if (error instanceof TransactionCanceledException) return judge(write, error);
        throw error;
      }
    },
  };
}

function putEntry({ log }: LandingTables, { conversation, entry }: LandingWrite): TransactWriteItem {
  return {
    Put: {
      TableName: log,
      Item: logItem(conversation, entry),
      ConditionExpression: placeIsFree,
      ReturnValuesOnConditionCheckFailure: "ALL_OLD",
    },
  };
}

function putCopy(
  { log }: LandingTables,
  entry: LandingWrite["entry"],
  { name, ttl }: NonNullable<LandingWrite["copy"]>,
): TransactWriteItem {
  return { Put: { TableName: log, Item: logItem(name, { ...entry, ttl }) } };
}

function writeConversation(
  { conversations }: LandingTables,
  { conversation, expected, next }: LandingWrite,
): TransactWriteItem {
  const attributes = conversationAttributes(next);
  const Key = { conversation: text(conversation) };
  if (expected === undefined) {
    return { Put: { TableName: conversations, Item: { ...Key, ...attributes }, ConditionExpression: isNew } };
  }
  const { expression, names, values } = setting(attributes);
  return {
    Update: {
      TableName: conversations,
      Key,
      UpdateExpression: expression,
      ConditionExpression: isAsRead,
      ExpressionAttributeNames: names,
      ExpressionAttributeValues: {
        ...values,
        ":expectedTurn": number(expected.turn),
        ":expectedCeiling": number(expected.ceiling),
      },
    },
  };
}

function fillReservation({ inbox }: LandingTables, write: LandingWrite, welcome: WelcomeWrite): TransactWriteItem {
  const { expression, names, values } = setting(welcomeAttributes(write, welcome));
  return {
    Update: {
      TableName: inbox,
      Key: inboxKey(welcome.device, welcome.claim),
      UpdateExpression: `${expression} REMOVE #by`,
      ConditionExpression: isOwnClaim,
      ExpressionAttributeNames: { ...names, "#by": "by" },
      ExpressionAttributeValues: { ...values, ":claimed": text("claimed"), ":by": text(welcome.by) },
    },
  };
}

function bringIntoForce(
  { inbox }: LandingTables,
  write: LandingWrite,
  { name, now, ttl }: NonNullable<LandingWrite["stage"]>,
): TransactWriteItem {
  const { expression, names, values } = setting(inForceAttributes(write, ttl));
  return {
    Update: {
      TableName: inbox,
      Key: headKey(name),
      UpdateExpression: expression,
      ConditionExpression: isOpenStage,
      ExpressionAttributeNames: names,
      ExpressionAttributeValues: { ...values, ":now": number(now) },
    },
  };
}

/** Each part has its reason; `None` for one that would have been fine. */
function judge(write: LandingWrite, error: TransactionCanceledException): LandingOutcome {
  const reasons = error.CancellationReasons ?? [];
  const failed = (index: number) => reasons[index]?.Code === "ConditionalCheckFailed";
  // The entry that is there may be this very one: its transaction landed, and its answer was lost.
  const found = reasons[logAt]?.Item;
  if (failed(logAt) && found && readBinary(found, "i") === write.entry.id) return { kind: "landed" };
  const expected = new Set(["None", "ConditionalCheckFailed", "TransactionConflict"]);
  if (reasons.length === 0 || reasons.some(({ Code }) => !expected.has(Code ?? ""))) throw error;
  // Somebody else's landing comes first: the claims are judged again on the next try.
  if (failed(logAt) || failed(logAt + 1)) return { kind: "conflict" };
  const index = write.welcomes.findIndex((_, at) => failed(welcomesFrom + at));
  if (index >= 0) return { kind: "notClaimed", index };
  return failed(welcomesFrom + write.welcomes.length) ? { kind: "notStaged" } : { kind: "conflict" };
}
