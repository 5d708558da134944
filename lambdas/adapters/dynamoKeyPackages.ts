/**
 * Key packages in the Directory: `kp#<device>#<hash>` for single use, `lr#<device>` for the last resort. One that was taken
 * leaves its key behind for a day, so that a write that is repeated, by the database's client or by a device, does not
 * bring it back. The table forgets those whose time is over, some days late; until then they are passed over.
 */
import {
  DeleteItemCommand,
  GetItemCommand,
  PutItemCommand,
  UpdateItemCommand,
  type DynamoDBClient,
} from "@aws-sdk/client-dynamodb";
import type { Clock, KeyPackage, KeyPackages, Random } from "../ports.ts";
import { binary, number, readBinary, readNumber, readText, text, type Item } from "./attributes.ts";
import { attempt } from "./conditions.ts";
import { queryPages } from "./queryPages.ts";

/** Looked at in one go. With more than that many claims at once, one may be told that there is none left. */
const candidates = 10;
/** Places that one query for them looks at. */
const places = 100;
/** Seconds that the key of a taken one stays. */
const takenLife = 24 * 60 * 60;

/** Nothing is, or lately was, under this key. */
const isNew = "attribute_not_exists(#record)";
/** It was not taken. */
const isThere = "attribute_exists(#data)";
/** Nor is its time over. */
const isLeft = `${isThere} AND #ttl >= :now`;

const single = (device: string, hash: string): string => `kp#${device}#${hash}`;

export function dynamoKeyPackages(client: DynamoDBClient, table: string, random: Random, clock: Clock): KeyPackages {
  const keyOf = (account: string, record: string): Item => ({ account: text(account), record: text(record) });

  const now = (): number => Math.floor(clock.now() / 1_000);

  const put = (account: string, record: string, { hash, data, notAfter }: KeyPackage) => ({
    TableName: table,
    Item: { ...keyOf(account, record), hash: binary(hash), data: binary(data), ttl: number(notAfter) },
  });

  /** Records of single-use packages, all or at least `limit` of them. */
  async function records(
    account: string,
    device: string,
    filter: typeof isLeft | typeof isThere,
    limit = Infinity,
  ): Promise<readonly string[]> {
    const found: string[] = [];
    const isTimed = filter === isLeft;
    const pages = queryPages(client, {
      TableName: table,
      ConsistentRead: true,
      KeyConditionExpression: "account = :account AND begins_with(#record, :prefix)",
      ExpressionAttributeValues: {
        ":account": text(account),
        ":prefix": text(single(device, "")),
        ...(isTimed ? { ":now": number(now()) } : {}),
      },
      FilterExpression: filter,
      ProjectionExpression: "#record",
      ExpressionAttributeNames: { "#record": "record", "#data": "data", ...(isTimed ? { "#ttl": "ttl" } : {}) },
      ...(limit === Infinity ? {} : { Limit: places }),
    });
    for await (const items of pages) {
      found.push(...items.map((item) => readText(item, "record")));
      if (found.length >= limit) break;
    }
    return found;
  }

  /** Whoever gets the old item back is the only one to. */
  async function takeRecord(account: string, record: string): Promise<KeyPackage | undefined> {
    const outcome = await attempt(
      client.send(
        new UpdateItemCommand({
          TableName: table,
          Key: keyOf(account, record),
          UpdateExpression: "SET #ttl = :ttl REMOVE #data, #hash",
          ConditionExpression: isLeft,
          ExpressionAttributeNames: { "#ttl": "ttl", "#data": "data", "#hash": "hash" },
          ExpressionAttributeValues: { ":ttl": number(now() + takenLife), ":now": number(now()) },
          ReturnValues: "ALL_OLD",
        }),
      ),
    );
    return outcome.done && outcome.output.Attributes ? readKeyPackage(outcome.output.Attributes) : undefined;
  }

  return {
    async add(account, device, keyPackage) {
      const { done } = await attempt(
        client.send(
          new PutItemCommand({
            ...put(account, single(device, keyPackage.hash), keyPackage),
            ConditionExpression: isNew,
            ExpressionAttributeNames: { "#record": "record" },
          }),
        ),
      );
      return done;
    },
    async setLastResort(account, device, keyPackage) {
      await client.send(new PutItemCommand(put(account, `lr#${device}`, keyPackage)));
    },
    async lastResort(account, device) {
      const { Item } = await client.send(
        new GetItemCommand({ TableName: table, ConsistentRead: true, Key: keyOf(account, `lr#${device}`) }),
      );
      // One that does not say when it ends is of a relay before this one.
      if (Item?.["ttl"] === undefined) return undefined;
      const kept = readKeyPackage(Item);
      return kept.notAfter >= now() ? kept : undefined;
    },
    count: async (account, device) => (await records(account, device, isLeft)).length,
    async take(account, device) {
      const left = (await records(account, device, isLeft, candidates)).slice(0, candidates);
      // Those who claim at once begin at different ones.
      const from = Math.floor(random.fraction() * left.length);
      for (const record of [...left.slice(from), ...left.slice(0, from)]) {
        const taken = await takeRecord(account, record);
        if (taken !== undefined) return taken;
      }
      return undefined;
    },
    async clear(account, device) {
      const all = [...(await records(account, device, isThere)), `lr#${device}`];
      await Promise.all(
        all.map((record) => client.send(new DeleteItemCommand({ TableName: table, Key: keyOf(account, record) }))),
      );
    },
  };
}

function readKeyPackage(item: Item): KeyPackage {
  return { hash: readBinary(item, "hash"), data: readBinary(item, "data"), notAfter: readNumber(item, "ttl") };
}
