/** Counters of rate limits, in the Directory: `limit#<name>` of an account. */
import { UpdateItemCommand, type DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type { Counters } from "../ports.ts";
import { number, readNumber, text } from "./attributes.ts";
import { attempt } from "./conditions.ts";

/** Adding keeps within the limit. */
const fits = "attribute_not_exists(n) OR n <= :room";

export function dynamoCounters(client: DynamoDBClient, table: string): Counters {
  return {
    async add(account, name, amount, ttl, limit) {
      if (limit !== undefined && amount > limit) return undefined;
      const outcome = await attempt(
        client.send(
          new UpdateItemCommand({
            TableName: table,
            Key: { account: text(account), record: text(`limit#${name}`) },
            UpdateExpression: "ADD n :amount SET #ttl = :ttl",
            ExpressionAttributeNames: { "#ttl": "ttl" },
            ExpressionAttributeValues: {
              ":amount": number(amount),
              ":ttl": number(ttl),
              ...(limit !== undefined && { ":room": number(limit - amount) }),
            },
            ...(limit !== undefined && { ConditionExpression: fits }),
            ReturnValues: "UPDATED_NEW",
          }),
        ),
      );
      if (!outcome.done) return undefined;
      return readNumber(outcome.output.Attributes ?? {}, "n");
    },
  };
}
