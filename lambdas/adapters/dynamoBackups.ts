/** Backups, in the Directory: the item `backup` of an account. */
import { GetItemCommand, PutItemCommand, type AttributeValue, type DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type { BlobReference } from "@tacit/protocol";
import type { Backups, StoredBackup } from "../ports.ts";
import { binary, number, readBinary, readNumber, text, UnreadableItem, type Item } from "./attributes.ts";
import { attempt } from "./conditions.ts";

/** The account has none yet. */
const isNew = "attribute_not_exists(version)";
/** It is still the one that the new one follows. */
const isAsRead = "version = :before";

const key = (account: string): Item => ({ account: text(account), record: text("backup") });

export function dynamoBackups(client: DynamoDBClient, table: string): Backups {
  return {
    async get(account) {
      const { Item } = await client.send(
        new GetItemCommand({ TableName: table, ConsistentRead: true, Key: key(account) }),
      );
      return Item && readBackup(Item);
    },
    async put(account, next) {
      const outcome = await attempt(
        client.send(
          new PutItemCommand({
            TableName: table,
            Item: { ...key(account), ...backupAttributes(next) },
            ReturnValuesOnConditionCheckFailure: "ALL_OLD",
            ...(next.version === 1
              ? { ConditionExpression: isNew }
              : {
                  ConditionExpression: isAsRead,
                  ExpressionAttributeValues: { ":before": number(next.version - 1) },
                }),
          }),
        ),
      );
      if (outcome.done) return { landed: true };
      return { landed: false, found: outcome.found && readBackup(outcome.found) };
    },
  };
}

function backupAttributes({ version, at, manifest, blobs, removed }: StoredBackup): Item {
  return {
    version: number(version),
    at: number(at),
    manifest: binary(manifest),
    blobs: { L: blobs.map(({ hash, size }) => ({ M: { hash: binary(hash), size: number(size) } })) },
    removed: { L: removed.map(binary) },
  };
}

function readBackup(item: Item): StoredBackup {
  return {
    version: readNumber(item, "version"),
    at: readNumber(item, "at"),
    manifest: readBinary(item, "manifest"),
    blobs: (item["blobs"]?.L ?? []).map(readReference),
    removed: (item["removed"]?.L ?? []).map((hash) => readBinary({ removed: hash }, "removed")),
  };
}

function readReference({ M }: AttributeValue): BlobReference {
  if (M === undefined) throw new UnreadableItem("blobs");
  return { hash: readBinary(M, "hash"), size: readNumber(M, "size") };
}
