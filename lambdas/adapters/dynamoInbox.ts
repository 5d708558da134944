/** The Inbox table. */
import { DeleteItemCommand, PutItemCommand, QueryCommand, type DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type { Inbox } from "../ports.ts";
import { readText, text } from "./attributes.ts";
import { attempt } from "./conditions.ts";
import { inboxKey, readInboxItem, reservationItem } from "./inboxItem.ts";

/** A reservation stays: the device cannot make somebody else's commit fail by acknowledging what has not come. */
const isWelcome = "s = :welcome";

export function dynamoInbox(client: DynamoDBClient, table: string): Inbox {
  return {
    async reserve(reservation) {
      await client.send(new PutItemCommand({ TableName: table, Item: reservationItem(reservation) }));
    },
    async page(device, after, limit) {
      const { Items = [], LastEvaluatedKey } = await client.send(
        new QueryCommand({
          TableName: table,
          ConsistentRead: true,
          KeyConditionExpression: "device = :device" + (after === undefined ? "" : " AND id > :after"),
          ExpressionAttributeValues: { ":device": text(device), ...(after !== undefined && { ":after": text(after) }) },
          Limit: limit,
        }),
      );
      return {
        items: Items.flatMap((item) => readInboxItem(item) ?? []),
        next: LastEvaluatedKey && readText(LastEvaluatedKey, "id"),
      };
    },
    async remove(device, id) {
      await attempt(
        client.send(
          new DeleteItemCommand({
            TableName: table,
            Key: inboxKey(device, id),
            ConditionExpression: isWelcome,
            ExpressionAttributeValues: { ":welcome": text("welcome") },
          }),
        ),
      );
    },
  };
}
