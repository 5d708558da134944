/** Account records in the Directory: the item `record` of an account. */
import {
  GetItemCommand,
  PutItemCommand,
  UpdateItemCommand,
  type AttributeValue,
  type DynamoDBClient,
} from "@aws-sdk/client-dynamodb";
import type { Signed } from "@tacit/protocol";
import type { Directory, StoredAccount } from "../ports.ts";
import { binary, list, number, readBinary, readList, readMap, readNumber, text, type Item } from "./attributes.ts";
import { attempt } from "./conditions.ts";

/** The account has no record yet. */
const isNew = "attribute_not_exists(version)";
/** The record is still the one that the new one follows, or that the receipt is for. */
const isAsRead = "version = :expected";
/** Each version has one receipt. */
const hasNoReceipt = "attribute_not_exists(receipt)";

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
    async setReceipt(account, version, receipt) {
      const outcome = await attempt(
        client.send(
          new UpdateItemCommand({
            TableName: table,
            Key: key(account),
            UpdateExpression: "SET receipt = :receipt",
            ConditionExpression: `${isAsRead} AND ${hasNoReceipt}`,
            ExpressionAttributeValues: { ":expected": number(version), ":receipt": receiptAttribute(receipt) },
            ReturnValuesOnConditionCheckFailure: "ALL_OLD",
          }),
        ),
      );
      if (outcome.done) return receipt;
      const found = outcome.found && readAccount(outcome.found);
      return found?.version === version ? found.receipt : undefined;
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

/** Of its own, so that a put of the next version leaves none behind. */
function receiptAttribute({ payload, signature }: Signed): AttributeValue {
  return { M: { payload: binary(payload), signature: binary(signature) } };
}

function readAccount(item: Item): StoredAccount {
  return {
    signed: readSigned(item),
    version: readNumber(item, "version"),
    accountKey: readBinary(item, "accountKey"),
    devices: readList(item, "devices"),
    revoked: readList(item, "revoked"),
    ...(item["receipt"] && { receipt: readSigned(readMap(item, "receipt")) }),
  };
}

function readSigned(item: Item): Signed {
  return { payload: readBinary(item, "payload"), signature: readBinary(item, "signature") };
}
