/**
 * The Connections table: one item for each account, so that one read finds all of its devices, with an attribute
 * `d#<device>` for each: `c` connection, `a` connectedAt, `l` lease. `b#<device>` is until when the device may not append: of
 * its own, so that a new registration does not end it.
 */
import {
  BatchGetItemCommand,
  UpdateItemCommand,
  type BatchGetItemCommandOutput,
  type DynamoDBClient,
} from "@aws-sdk/client-dynamodb";
import type { Clock, Connections, Registration } from "../ports.ts";
import { number, readNumber, readText, text, type Item } from "./attributes.ts";
import { attempt } from "./conditions.ts";

/** Keys in one BatchGetItem. */
const batch = 100;
/** Milliseconds before keys that were left over are asked for again; it doubles. */
const firstPause = 20;
const tries = 6;

/** No socket of the device is registered. */
const isFirst = "attribute_not_exists(#device)";
/** The registered one connected before. */
const isNewer = "#device.a < :at";
/** Both connected in the same millisecond: the order of names is as good as any, and the same for everybody. */
const winsTie = "(#device.a = :at AND #device.c < :connection)";
/** The same socket renews its lease. */
const isSame = "#device.c = :connection";

/** There is such an item, so one that the table deletes in the end. */
const isThere = "attribute_exists(account)";

const prefix = "d#";
const blockPrefix = "b#";

export function dynamoConnections(client: DynamoDBClient, table: string, clock: Clock): Connections {
  async function read(accounts: readonly string[]): Promise<readonly Item[]> {
    let keys: Item[] | undefined = accounts.map((account) => ({ account: text(account) }));
    const items: Item[] = [];
    for (let attempts = 0; keys !== undefined && keys.length > 0; attempts++) {
      if (attempts === tries) throw new Error("connections: keys left over");
      if (attempts > 0) await clock.sleep(firstPause * 2 ** (attempts - 1));
      const answer: BatchGetItemCommandOutput = await client.send(
        new BatchGetItemCommand({ RequestItems: { [table]: { Keys: keys, ConsistentRead: true } } }),
      );
      items.push(...(answer.Responses?.[table] ?? []));
      keys = answer.UnprocessedKeys?.[table]?.Keys;
    }
    return items;
  }

  const update = (account: string, device: string) => ({
    TableName: table,
    Key: { account: text(account) },
    ExpressionAttributeNames: { "#device": prefix + device },
  });

  return {
    async of(accounts) {
      const distinct = [...new Set(accounts)];
      const batches = [];
      for (let from = 0; from < distinct.length; from += batch) batches.push(read(distinct.slice(from, from + batch)));
      const items = (await Promise.all(batches)).flat();
      return new Map(items.map((item) => [readText(item, "account"), devicesOf(item)]));
    },
    async register(account, device, { connection, connectedAt, lease }, ttl) {
      const { ExpressionAttributeNames, ...rest } = update(account, device);
      const outcome = await attempt(
        client.send(
          new UpdateItemCommand({
            ...rest,
            UpdateExpression: "SET #device = :registration, #ttl = :ttl",
            ConditionExpression: `${isFirst} OR ${isNewer} OR ${winsTie} OR ${isSame}`,
            ExpressionAttributeNames: { ...ExpressionAttributeNames, "#ttl": "ttl" },
            ExpressionAttributeValues: {
              ":registration": { M: { c: text(connection), a: number(connectedAt), l: number(lease) } },
              ":at": number(connectedAt),
              ":connection": text(connection),
              ":ttl": number(ttl),
            },
            ReturnValues: "UPDATED_OLD",
          }),
        ),
      );
      if (!outcome.done) return { registered: false };
      return { registered: true, replaced: devicesOf(outcome.output.Attributes ?? {}).get(device) };
    },
    async unregister(account, device, connection) {
      await attempt(
        client.send(
          new UpdateItemCommand({
            ...update(account, device),
            UpdateExpression: "REMOVE #device",
            ConditionExpression: isSame,
            ExpressionAttributeValues: { ":connection": text(connection) },
          }),
        ),
      );
    },
    async block(account, device, until) {
      await attempt(
        client.send(
          new UpdateItemCommand({
            TableName: table,
            Key: { account: text(account) },
            UpdateExpression: "SET #block = :until",
            ConditionExpression: isThere,
            ExpressionAttributeNames: { "#block": blockPrefix + device },
            ExpressionAttributeValues: { ":until": number(until) },
          }),
        ),
      );
    },
  };
}

function devicesOf(item: Item): ReadonlyMap<string, Registration> {
  const devices = new Map<string, Registration>();
  for (const [name, { M }] of Object.entries(item)) {
    if (!name.startsWith(prefix) || M === undefined) continue;
    const device = name.slice(prefix.length);
    devices.set(device, {
      connection: readText(M, "c"),
      connectedAt: readNumber(M, "a"),
      lease: readNumber(M, "l"),
      ...(item[blockPrefix + device] && { blockedUntil: readNumber(item, blockPrefix + device) }),
    });
  }
  return devices;
}
