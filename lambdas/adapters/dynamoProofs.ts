/** Proofs that were shown, in the Directory: `proof#<device>#<jti>` of an account, until nobody could show them again. */
import { PutItemCommand, type DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type { Proofs, Random } from "../ports.ts";
import { number, readText, text } from "./attributes.ts";
import { attempt } from "./conditions.ts";

/** Nobody showed it before. */
const isFirst = "attribute_not_exists(#record)";

export function dynamoProofs(client: DynamoDBClient, table: string, random: Random): Proofs {
  return {
    async firstUse(account, device, jti, ttl) {
      // Tells this write from another's, where the database's client repeats it after a lost answer.
      const by = random.id(16);
      const outcome = await attempt(
        client.send(
          new PutItemCommand({
            TableName: table,
            Item: { account: text(account), record: text(`proof#${device}#${jti}`), by: text(by), ttl: number(ttl) },
            ConditionExpression: isFirst,
            ExpressionAttributeNames: { "#record": "record" },
            ReturnValuesOnConditionCheckFailure: "ALL_OLD",
          }),
        ),
      );
      return outcome.done || (outcome.found !== undefined && readText(outcome.found, "by") === by);
    },
  };
}
