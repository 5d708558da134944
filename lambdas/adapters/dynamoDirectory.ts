/** Account records in the Directory: the item `record` of an account. */
import { GetItemCommand, PutItemCommand, type DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type { Directory, StoredAccount } from "../ports.ts";
import { binary, list, number, readBinary, readList, readNumber, text, type Item } from "./attributes.ts";
import { attempt } from "./conditions.ts";

/** The account has no record yet. */
const isNew = "attribute_not_exists(version)";
/** The record is still the one that the new one follows. */
const isAsRead = "version = :expected";

const key = (account: string): Item => ({ account: text(account), record: text("record") });

export function dynamoDirectory(client: DynamoDBClient, table: string): Directory {
  return {
    async get(account) {
      const { Item } = await client.send(
        new GetItemCommand({ TableName: table, ConsistentRead: true, Key: key(account) }),
      );
      return Item && readAccount(Item);
    },
    async put(account, next, expected) {
      const outcome = await attempt(
        client.send(
          new PutItemCommand({
            TableName: table,
            Item: { ...key(account), ...accountAttributes(next) },
            ReturnValuesOnConditionCheckFailure: "ALL_OLD",
            ...(expected === undefined
              ? { ConditionExpression: isNew }
              : { ConditionExpression: isAsRead, ExpressionAttributeValues: { ":expected": number(expected) } }),
          }),
        ),
      );
      if (outcome.done) return { landed: true };
      return { landed: false, found: outcome.found && readAccount(outcome.found) };
    },
  };
}

function accountAttributes({ signed, version, accountKey, devices, revoked }: StoredAccount): Item {
  return {
    payload: binary(signed.payload),
    signature: binary(signed.signature),
    version: number(version),
    accountKey: binary(accountKey),
    // Also in the payload; here so that connecting parses no JSON.
    devices: list(devices),
    revoked: list(revoked),
  };
}

function readAccount(item: Item): StoredAccount {
  return {
    signed: { payload: readBinary(item, "payload"), signature: readBinary(item, "signature") },
    version: readNumber(item, "version"),
    accountKey: readBinary(item, "accountKey"),
    devices: readList(item, "devices"),
    revoked: readList(item, "revoked"),
  };
}
