/** Stages, in the Inbox table (stageItem.ts). */
import { createHash } from "node:crypto";
import { PutItemCommand, UpdateItemCommand, type DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type { Stages } from "../ports.ts";
import { list, number, readList, readNumber, readText, text, type Item } from "./attributes.ts";
import { attempt } from "./conditions.ts";
import { inboxKey, isStaged, readStageName, stagedAttributes } from "./inboxItem.ts";
import { setting } from "./setting.ts";
import { devicesKey, headId, headKey, isInForce, isVoid, stagePartition } from "./stageItem.ts";
import { queryPages } from "./queryPages.ts";

/** The claim is the account's own. */
const isOwn = "#by = :by";
/** Nothing lies there yet, or what this stage laid. */
const isFree = "(s = :claimed OR (s = :staged AND c = :conversation AND e = :entry))";
/** What the other stage laid, or, where this write is a repetition, what this one did. */
const isOfEither =
  "(s = :staged AND ((c = :conversation AND e = :entry) OR (c = :fromConversation AND e = :fromEntry)))";

/** It may still land. */
const isOpen = "attribute_not_exists(x) AND attribute_not_exists(q)";
/** It has not landed. */
const hasNotLanded = "attribute_not_exists(q)";

export function dynamoStages(client: DynamoDBClient, table: string): Stages {
  return {
    async lay(stage, { device, claim, ...welcome }, from) {
      const { expression, names, values } = setting(stagedAttributes(stage, welcome));
      const outcome = await attempt(
        client.send(
          new UpdateItemCommand({
            TableName: table,
            Key: inboxKey(device, claim),
            UpdateExpression: expression,
            ConditionExpression: `${isOwn} AND ${from === undefined ? isFree : isOfEither}`,
            ExpressionAttributeNames: { ...names, "#by": "by" },
            ExpressionAttributeValues: {
              ...values,
              ":by": text(stage.by),
              ":staged": text("staged"),
              ":conversation": text(stage.conversation),
              ":entry": text(stage.entry),
              ...(from === undefined
                ? { ":claimed": text("claimed") }
                : { ":fromConversation": text(from.conversation), ":fromEntry": text(from.entry) }),
            },
            ReturnValuesOnConditionCheckFailure: "ALL_OLD",
          }),
        ),
      );
      if (outcome.done) return { laid: true };
      const { found } = outcome;
      const isOwnStaged = found !== undefined && isStaged(found) && readText(found, "by") === stage.by;
      return { laid: false, heldBy: isOwnStaged ? readStageName(found) : undefined };
    },
    async note(stage, devices, ttl) {
      const { done } = await attempt(client.send(touchHead("SET #ttl = :ttl", isOpen, headKey(stage), ttl)));
      if (!done) return false;
      const hash = createHash("sha256").update(devices.join()).digest("base64url");
      const item = { ...devicesKey(stage, hash), d: list(devices), ttl: number(ttl) };
      await client.send(new PutItemCommand({ TableName: table, Item: item }));
      return true;
    },
    async get(stage, now) {
      const items: Item[] = [];
      const pages = queryPages(client, {
        TableName: table,
        ConsistentRead: true,
        KeyConditionExpression: "device = :stage",
        ExpressionAttributeValues: { ":stage": text(stagePartition(stage)) },
      });
      for await (const page of pages) items.push(...page);
      // What is in force stands until the table deletes it.
      const left = items.filter((item) => isInForce(item) || readNumber(item, "ttl") >= now);
      const head = left.find((item) => readText(item, "id") === headId);
      if (head === undefined) return undefined;
      const devices = new Set(left.flatMap((item) => readList(item, "d")));
      return { state: isInForce(head) ? "inForce" : isVoid(head) ? "void" : "open", devices };
    },
    async abandon(stage, ttl) {
      const { done } = await attempt(
        client.send(touchHead("SET #ttl = :ttl, x = :one", hasNotLanded, headKey(stage), ttl)),
      );
      return done;
    },
  };

  function touchHead(expression: string, condition: string, key: Item, ttl: number): UpdateItemCommand {
    return new UpdateItemCommand({
      TableName: table,
      Key: key,
      UpdateExpression: expression,
      ConditionExpression: condition,
      ExpressionAttributeNames: { "#ttl": "ttl" },
      ExpressionAttributeValues: { ":ttl": number(ttl), ...(expression.includes(":one") && { ":one": number(1) }) },
    });
  }
}
