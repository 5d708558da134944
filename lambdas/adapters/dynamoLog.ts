/** The Log table. */
import { PutItemCommand, QueryCommand, type DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type { Log, PutOutcome } from "../ports.ts";
import { number, text } from "./attributes.ts";
import { attempt } from "./conditions.ts";
import { logItem, readLogItem } from "./logItem.ts";

/** The place is free: two who read the same head cannot both take it. */
export const placeIsFree = "attribute_not_exists(seq)";

export function dynamoLog(client: DynamoDBClient, table: string): Log {
  return {
    async newest(conversation) {
      const { Items = [] } = await client.send(
        new QueryCommand({
          TableName: table,
          ConsistentRead: true,
          KeyConditionExpression: "conversation = :conversation",
          ExpressionAttributeValues: { ":conversation": text(conversation) },
          ScanIndexForward: false,
          Limit: 1,
        }),
      );
      return Items[0] && readLogItem(Items[0]);
    },
    async page(conversation, after, limit) {
      const { Items = [], LastEvaluatedKey } = await client.send(
        new QueryCommand({
          TableName: table,
          ConsistentRead: true,
          KeyConditionExpression: "conversation = :conversation AND seq > :after",
          ExpressionAttributeValues: { ":conversation": text(conversation), ":after": number(after) },
          Limit: limit,
        }),
      );
      return { entries: Items.map(readLogItem), more: LastEvaluatedKey !== undefined };
    },
    async put(conversation, entry): Promise<PutOutcome> {
      const outcome = await attempt(
        client.send(
          new PutItemCommand({
            TableName: table,
            Item: logItem(conversation, entry),
            ConditionExpression: placeIsFree,
            ReturnValuesOnConditionCheckFailure: "ALL_OLD",
          }),
        ),
      );
      if (outcome.done) return { landed: true };
      return { landed: false, found: outcome.found && readLogItem(outcome.found) };
    },
  };
}
