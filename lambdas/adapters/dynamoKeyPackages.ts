/** Key packages in the Directory: `kp#<device>#<hash>` for single use, `lr#<device>` for the last resort. */
import {
  DeleteItemCommand,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  type DynamoDBClient,
} from "@aws-sdk/client-dynamodb";
import type { KeyPackage, KeyPackages, Random } from "../ports.ts";
import { binary, readBinary, readText, text, type Item } from "./attributes.ts";

/** Looked at in one go. With more than that many claims at once, one may be told that there is none left. */
const candidates = 10;

const single = (device: string, hash: string): string => `kp#${device}#${hash}`;

export function dynamoKeyPackages(client: DynamoDBClient, table: string, random: Random): KeyPackages {
  const keyOf = (account: string, record: string): Item => ({ account: text(account), record: text(record) });

  async function put(account: string, record: string, { hash, data }: KeyPackage): Promise<void> {
    const attributes = { hash: binary(hash), data: binary(data) };
    await client.send(new PutItemCommand({ TableName: table, Item: { ...keyOf(account, record), ...attributes } }));
  }

  /** Records of single-use packages. */
  async function records(account: string, device: string, limit?: number): Promise<readonly string[]> {
    const found: string[] = [];
    let start: Item | undefined;
    do {
      const page = await client.send(
        new QueryCommand({
          TableName: table,
          ConsistentRead: true,
          KeyConditionExpression: "account = :account AND begins_with(#record, :prefix)",
          ExpressionAttributeValues: { ":account": text(account), ":prefix": text(single(device, "")) },
          ProjectionExpression: "#record",
          ExpressionAttributeNames: { "#record": "record" },
          ...(limit === undefined ? {} : { Limit: limit }),
          ...(start && { ExclusiveStartKey: start }),
        }),
      );
      found.push(...(page.Items ?? []).map((item) => readText(item, "record")));
      start = limit === undefined ? page.LastEvaluatedKey : undefined;
    } while (start !== undefined);
    return found;
  }

  /** Whoever gets the old item back is the only one to. */
  async function takeRecord(account: string, record: string): Promise<KeyPackage | undefined> {
    const { Attributes } = await client.send(
      new DeleteItemCommand({ TableName: table, Key: keyOf(account, record), ReturnValues: "ALL_OLD" }),
    );
    return Attributes && readKeyPackage(Attributes);
  }

  return {
    add: (account, device, keyPackage) => put(account, single(device, keyPackage.hash), keyPackage),
    setLastResort: (account, device, keyPackage) => put(account, `lr#${device}`, keyPackage),
    async lastResort(account, device) {
      const { Item } = await client.send(
        new GetItemCommand({ TableName: table, ConsistentRead: true, Key: keyOf(account, `lr#${device}`) }),
      );
      return Item && readKeyPackage(Item);
    },
    count: async (account, device) => (await records(account, device)).length,
    async take(account, device) {
      const left = await records(account, device, candidates);
      // Those who claim at once begin at different ones.
      const from = Math.floor(random.fraction() * left.length);
      for (const record of [...left.slice(from), ...left.slice(0, from)]) {
        const taken = await takeRecord(account, record);
        if (taken !== undefined) return taken;
      }
      return undefined;
    },
    async clear(account, device) {
      const all = [...(await records(account, device)), `lr#${device}`];
      await Promise.all(
        all.map((record) => client.send(new DeleteItemCommand({ TableName: table, Key: keyOf(account, record) }))),
      );
    },
  };
}

function readKeyPackage(item: Item): KeyPackage {
  return { hash: readBinary(item, "hash"), data: readBinary(item, "data") };
}
