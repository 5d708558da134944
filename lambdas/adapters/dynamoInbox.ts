/** The Inbox table. */
import { DeleteItemCommand, PutItemCommand, QueryCommand, type DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type { InboxItem } from "@tacit/protocol";
import type { Inbox } from "../ports.ts";
import { readText, text } from "./attributes.ts";
import { attempt } from "./conditions.ts";
import { inboxKey, readWelcome, reservationItem } from "./inboxItem.ts";

/** A reservation stays: the device cannot make somebody else's commit fail by acknowledging what has not come. */
const isWelcome = "s = :welcome";

/** Places that one query looks at, and queries that one page takes: so many reservations cost one call. */
const places = 200;
const queries = 10;

export function dynamoInbox(client: DynamoDBClient, table: string): Inbox {
  return {
    async reserve(reservation) {
      await client.send(new PutItemCommand({ TableName: table, Item: reservationItem(reservation) }));
    },
    async page(device, after, limit) {
      const items: InboxItem[] = [];
      let next = after;
      for (let count = 0; count < queries && items.length < limit; count++) {
        const { Items = [], LastEvaluatedKey } = await client.send(
          new QueryCommand({
            TableName: table,
            ConsistentRead: true,
            KeyConditionExpression: "device = :device" + (next === undefined ? "" : " AND id > :after"),
            FilterExpression: isWelcome,
            ExpressionAttributeValues: {
              ":device": text(device),
              ":welcome": text("welcome"),
              ...(next !== undefined && { ":after": text(next) }),
            },
            Limit: places,
          }),
        );
        items.push(...Items.map(readWelcome));
        next = LastEvaluatedKey && readText(LastEvaluatedKey, "id");
        if (next === undefined) break;
      }
      return items.length > limit ? { items: items.slice(0, limit), next: items[limit - 1]!.id } : { items, next };
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
