/** The Conversations table. */
import { GetItemCommand, UpdateItemCommand, type DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type { Conversations } from "../ports.ts";
import { number, readNumber, text } from "./attributes.ts";
import { attempt } from "./conditions.ts";
import { readConversation } from "./conversationItem.ts";

/** Nobody raised it meanwhile: it never comes down, and never goes up twice on one reading. */
const ceilingIsAsRead = "ceiling = :from";

export function dynamoConversations(client: DynamoDBClient, table: string): Conversations {
  return {
    async get(conversation) {
      const { Item } = await client.send(
        new GetItemCommand({ TableName: table, ConsistentRead: true, Key: { conversation: text(conversation) } }),
      );
      return Item && readConversation(Item);
    },
    async raiseCeiling(conversation, from, to) {
      const outcome = await attempt(
        client.send(
          new UpdateItemCommand({
            TableName: table,
            Key: { conversation: text(conversation) },
            UpdateExpression: "SET ceiling = :to",
            ConditionExpression: ceilingIsAsRead,
            ExpressionAttributeValues: { ":from": number(from), ":to": number(to) },
            ReturnValuesOnConditionCheckFailure: "ALL_OLD",
          }),
        ),
      );
      // One's own first attempt, or another's equal one: the ceiling is where it should be.
      return outcome.done || (outcome.found !== undefined && readNumber(outcome.found, "ceiling") === to);
    },
  };
}
