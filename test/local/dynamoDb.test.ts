import { openDynamoDb, type DynamoDb, type Units } from "../../local/src/dynamodb/dynamoDb.ts";
import type { TableModel } from "../../local/src/cloudformation/deployment.ts";
import type { ItemChange } from "../../local/src/dynamodb/stagedStore.ts";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const DAY = 86_400_000;

const table: TableModel = {
  where: "Test/Entries",
  logicalId: "Entries",
  name: "entries",
  arn: "arn:aws:dynamodb:eu-central-1:123456789012:table/entries",
  keySchema: [
    { AttributeName: "log", KeyType: "HASH" },
    { AttributeName: "seq", KeyType: "RANGE" },
  ],
  attributeDefinitions: [
    { AttributeName: "log", AttributeType: "S" },
    { AttributeName: "seq", AttributeType: "N" },
  ],
  timeToLiveAttribute: "ttl",
  kmsKeyArn: null,
};

const key = (seq: number, log = "a") => ({ log: { S: log }, seq: { N: String(seq) } });
const entry = (seq: number, text: string) => ({ ...key(seq), text: { S: text } });
const put = (seq: number, text: string) => ({ Put: { TableName: "entries", Item: entry(seq, text) } });
const absent = { ConditionExpression: "attribute_not_exists(seq)" };

interface Failure {
  readonly body: {
    readonly __type: string;
    readonly message: string;
    readonly Item?: unknown;
    readonly CancellationReasons?: readonly { readonly Code: string; readonly Item?: unknown }[];
  };
  readonly units?: Units;
}

describe("DynamoDB", () => {
  let database: DynamoDb;
  let changes: { change: ItemChange; cause: string }[];
  let now: number;

  beforeEach(async () => {
    now = Date.UTC(2026, 10, 23);
    changes = [];
    database = await openDynamoDb({
      tables: [table],
      directory: null,
      now: () => now,
      onWrite: (change, cause) => changes.push({ change, cause }),
    });
  });
  afterEach(() => database.close());

  const call = (operation: string, input: object, stale = false) =>
    database.call(operation, { TableName: "entries", ...input }, { stale });
  const transact = (items: readonly object[], token?: string) =>
    database.call("TransactWriteItems", { TransactItems: items, ClientRequestToken: token });
  const failure = async (operation: Promise<unknown>): Promise<Failure> => {
    try {
      await operation;
    } catch (error) {
      return error as Failure;
    }
    throw new Error("the operation succeeded");
  };
  const texts = async () => (await database.items("entries")).map((item) => item["text"]?.["S"]);

  describe("conditional writes", () => {
    test("a failed condition gives the old item to who asks for it", async () => {
      await call("PutItem", { Item: entry(1, "first") });
      const error = await failure(
        call("PutItem", { Item: entry(1, "second"), ...absent, ReturnValuesOnConditionCheckFailure: "ALL_OLD" }),
      );
      expect(error.body.__type).toMatch(/#ConditionalCheckFailedException$/);
      expect(error.body.Item).toEqual(entry(1, "first"));
      const unasked = await failure(call("PutItem", { Item: entry(1, "second"), ...absent }));
      expect(unasked.body.Item).toBeUndefined();
      expect(await texts()).toEqual(["first"]);
    });

    test("updates and deletes give it too, and no item where there is none", async () => {
      await call("PutItem", { Item: entry(1, "first") });
      const onFailure = { ConditionExpression: "#t = :t", ReturnValuesOnConditionCheckFailure: "ALL_OLD" };
      const names = { ExpressionAttributeNames: { "#t": "text" }, ExpressionAttributeValues: { ":t": { S: "other" } } };
      const update = call("UpdateItem", { Key: key(1), UpdateExpression: "SET #t = :t", ...onFailure, ...names });
      expect((await failure(update)).body.Item).toEqual(entry(1, "first"));
      expect((await failure(call("DeleteItem", { Key: key(1), ...onFailure, ...names }))).body.Item).toEqual(
        entry(1, "first"),
      );
      expect((await failure(call("DeleteItem", { Key: key(2), ...onFailure, ...names }))).body.Item).toBeUndefined();
    });

    test("of many that race for one key, one wins", async () => {
      const attempts = Array.from({ length: 20 }, (_, n) => call("PutItem", { Item: entry(1, String(n)), ...absent }));
      const results = await Promise.allSettled(attempts);
      expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    });

    test("counters lose no addition", async () => {
      const add = () =>
        call("UpdateItem", {
          Key: key(1),
          UpdateExpression: "ADD #n :one",
          ExpressionAttributeNames: { "#n": "count" },
          ExpressionAttributeValues: { ":one": { N: "1" } },
        });
      await Promise.all(Array.from({ length: 50 }, add));
      expect((await database.items("entries"))[0]).toMatchObject({ count: { N: "50" } });
    });
  });

  describe("transactions", () => {
    test("all parts are written, or none", async () => {
      await transact([put(1, "one"), put(2, "two")]);
      expect(await texts()).toEqual(["one", "two"]);
      const error = await failure(transact([put(3, "three"), { Put: { ...put(1, "again").Put, ...absent } }]));
      expect(error.body.__type).toMatch(/#TransactionCanceledException$/);
      expect(error.body.message).toContain("[None, ConditionalCheckFailed]");
      expect(error.body.CancellationReasons?.map(({ Code }) => Code)).toEqual(["None", "ConditionalCheckFailed"]);
      expect(await texts()).toEqual(["one", "two"]);
    });

    test("every part that fails is named, with its item where asked for", async () => {
      await transact([put(1, "one"), put(2, "two")]);
      const again = (seq: number, more = {}) => ({ Put: { ...put(seq, "x").Put, ...absent, ...more } });
      const error = await failure(
        transact([again(1, { ReturnValuesOnConditionCheckFailure: "ALL_OLD" }), again(2), again(3)]),
      );
      expect(error.body.CancellationReasons).toEqual([
        { Code: "ConditionalCheckFailed", Message: "The conditional request failed", Item: entry(1, "one") },
        { Code: "ConditionalCheckFailed", Message: "The conditional request failed" },
        { Code: "None" },
      ]);
    });

    test("updates, deletes and condition checks take part", async () => {
      await transact([put(1, "one"), put(2, "two"), put(3, "three")]);
      const names = { ExpressionAttributeNames: { "#t": "text" } };
      const check = (text: string) => ({
        ConditionCheck: {
          TableName: "entries",
          Key: key(3),
          ConditionExpression: "#t = :t",
          ...names,
          ExpressionAttributeValues: { ":t": { S: text } },
        },
      });
      const rest = [
        {
          Update: {
            TableName: "entries",
            Key: key(1),
            UpdateExpression: "SET #t = :n",
            ...names,
            ExpressionAttributeValues: { ":n": { S: "uno" } },
          },
        },
        { Delete: { TableName: "entries", Key: key(2) } },
      ];
      await failure(transact([...rest, check("four")]));
      expect(await texts()).toEqual(["one", "two", "three"]);
      await transact([...rest, check("three")]);
      expect(await texts()).toEqual(["uno", "three"]);
    });

    test("a repeated token does nothing again, for ten minutes; with other parameters it is refused", async () => {
      await transact([put(1, "one")], "token");
      await call("PutItem", { Item: entry(1, "changed since") });
      await transact([put(1, "one")], "token");
      expect(await texts()).toEqual(["changed since"]);
      const error = await failure(transact([put(1, "two")], "token"));
      expect(error.body.__type).toMatch(/#IdempotentParameterMismatchException$/);
      now += 10 * 60_000 + 1;
      await transact([put(1, "two")], "token");
      expect(await texts()).toEqual(["two"]);
    });

    test("one item twice, nothing at all, or more than a hundred parts are invalid", async () => {
      for (const items of [[put(1, "a"), put(1, "b")], [], Array.from({ length: 101 }, (_, seq) => put(seq, "x"))]) {
        expect((await failure(Promise.resolve().then(() => transact(items)))).body.__type).toMatch(
          /#ValidationException$/,
        );
      }
      expect(await texts()).toEqual([]);
    });

    test("transactions over the same items do not mix with each other or with plain writes", async () => {
      const rounds = Array.from({ length: 10 }, (_, n) => [
        transact([put(1, `t${n}`), put(2, `t${n}`)]),
        call("PutItem", { Item: entry(3, `p${n}`) }),
      ]);
      await Promise.all(rounds.flat());
      const [one, two] = await texts();
      expect(one).toBe(two);
    });

    test("reading in a transaction gives items in order, and a gap where there is none", async () => {
      await call("PutItem", { Item: entry(1, "one") });
      const get = (seq: number) => ({ Get: { TableName: "entries", Key: key(seq) } });
      const { output } = await database.call("TransactGetItems", { TransactItems: [get(2), get(1)] });
      expect(output["Responses"]).toEqual([{}, { Item: entry(1, "one") }]);
    });
  });

  describe("units", () => {
    const sized = (seq: number, bytes: number) => {
      const overhead = "log".length + 1 + "seq".length + 2 + "text".length;
      return entry(seq, "x".repeat(bytes - overhead));
    };

    test.each([
      [1024, 1],
      [1025, 2],
      [4096, 4],
    ])("a write of %i bytes is %i units", async (bytes, units) => {
      expect((await call("PutItem", { Item: sized(1, bytes) })).units).toEqual({ read: 0, write: units });
      // Replacing or deleting a large item is as dear as writing it.
      expect((await call("PutItem", { Item: entry(1, "small") })).units.write).toBe(units);
    });

    test.each([
      [4096, 0.5, 1],
      [4097, 1, 2],
    ])("a read of %i bytes is %d units, or %d when consistent", async (bytes, eventual, strong) => {
      await call("PutItem", { Item: sized(1, bytes) });
      expect((await call("GetItem", { Key: key(1) })).units.read).toBe(eventual);
      expect((await call("GetItem", { Key: key(1), ConsistentRead: true })).units.read).toBe(strong);
      expect(
        (await call("GetItem", { Key: key(1), ProjectionExpression: "seq", ConsistentRead: true })).units.read,
      ).toBe(strong);
    });

    test("a text is counted in UTF-8", async () => {
      expect((await call("PutItem", { Item: entry(1, "ü".repeat(600)) })).units.write).toBe(2);
    });

    test("an absent item is one unit to read, a failed condition one to write", async () => {
      expect((await call("GetItem", { Key: key(9), ConsistentRead: true })).units.read).toBe(1);
      await call("PutItem", { Item: entry(1, "one") });
      expect((await failure(call("PutItem", { Item: entry(1, "one"), ...absent }))).units).toEqual({
        read: 0,
        write: 1,
      });
    });

    test("a query is charged for what it looked at, all together and before filters", async () => {
      for (let seq = 1; seq <= 5; seq++) await call("PutItem", { Item: sized(seq, 1000) });
      const query = {
        KeyConditionExpression: "#l = :l",
        ExpressionAttributeNames: { "#l": "log" },
        ExpressionAttributeValues: { ":l": { S: "a" } },
        ConsistentRead: true,
      };
      expect((await call("Query", query)).units.read).toBe(2);
      expect((await call("Query", { ...query, Limit: 1 })).units.read).toBe(1);
      const filtered = {
        ...query,
        FilterExpression: "#x = :x",
        ExpressionAttributeNames: { "#l": "log", "#x": "absent" },
        ExpressionAttributeValues: { ":l": { S: "a" }, ":x": { S: "y" } },
      };
      expect(await call("Query", filtered)).toMatchObject({ output: { Count: 0 }, units: { read: 2 } });
    });

    test("a batch rounds each item by itself", async () => {
      await call("PutItem", { Item: entry(1, "one") });
      const request = { RequestItems: { entries: { Keys: [key(1), key(2), key(3)], ConsistentRead: true } } };
      expect((await database.call("BatchGetItem", request)).units.read).toBe(3);
    });

    test("transactions are double, also when cancelled; repeating one is a read", async () => {
      expect((await transact([put(1, "a"), put(2, "b")], "token")).units).toEqual({ read: 0, write: 4 });
      expect((await transact([put(1, "a"), put(2, "b")], "token")).units).toEqual({ read: 4, write: 0 });
      const error = await failure(transact([put(3, "c"), { Put: { ...put(1, "a").Put, ...absent } }]));
      expect(error.units).toEqual({ read: 0, write: 4 });
    });
  });

  describe("batches", () => {
    test("write each item alone", async () => {
      await call("PutItem", { Item: entry(1, "one") });
      const requests = [{ DeleteRequest: { Key: key(1) } }, { PutRequest: { Item: entry(2, "two") } }];
      const { output, units } = await database.call("BatchWriteItem", { RequestItems: { entries: requests } });
      expect(output).toEqual({ UnprocessedItems: {} });
      expect(units.write).toBe(2);
      expect(await texts()).toEqual(["two"]);
    });
  });

  describe("time to live", () => {
    const expiring = (seq: number, at: number) => ({
      ...entry(seq, String(seq)),
      ttl: { N: String(Math.floor(at / 1000)) },
    });
    const expire = (keep: (item: unknown) => boolean = () => false) =>
      database.expire({ now, shuffle: (items) => [...items].reverse(), keep: (_, item) => keep(item) });

    test("what expired is deleted, in the given order; the rest stays", async () => {
      for (const seq of [1, 2]) await call("PutItem", { Item: expiring(seq, now - 1_000) });
      await call("PutItem", { Item: expiring(3, now + DAY) });
      await call("PutItem", { Item: entry(4, "4") });
      await call("PutItem", { Item: expiring(5, now - 6 * 365 * DAY) });
      changes = [];
      await expire();
      expect(changes).toMatchObject([
        { cause: "timeToLive", change: { before: { seq: { N: "2" } } } },
        { cause: "timeToLive", change: { before: { seq: { N: "1" } } } },
      ]);
      expect(new Set(await texts())).toEqual(new Set(["3", "4", "5"]));
    });

    test("what is renewed just before it is deleted stays", async () => {
      await call("PutItem", { Item: expiring(1, now - 1_000) });
      let renewed: Promise<unknown> = Promise.resolve();
      await database.expire({
        now,
        shuffle(items) {
          renewed = call("PutItem", { Item: expiring(1, now + DAY) });
          return items;
        },
        keep: () => false,
      });
      await renewed;
      expect(await texts()).toEqual(["1"]);
    });

    test("it may come late", async () => {
      await call("PutItem", { Item: expiring(1, now - 1_000) });
      await expire(() => true);
      expect(await texts()).toEqual(["1"]);
      await expire();
      expect(await texts()).toEqual([]);
    });
  });

  describe("stale reads", () => {
    const query = {
      KeyConditionExpression: "#l = :l",
      ExpressionAttributeNames: { "#l": "log" },
      ExpressionAttributeValues: { ":l": { S: "a" } },
      ScanIndexForward: false,
      Limit: 1,
    };

    test("see each item before its last write, when the read is eventual", async () => {
      await call("PutItem", { Item: entry(1, "old") });
      await call("PutItem", { Item: entry(1, "new") });
      await call("PutItem", { Item: entry(2, "two") });
      expect((await call("GetItem", { Key: key(1) }, true)).output["Item"]).toEqual(entry(1, "old"));
      expect((await call("GetItem", { Key: key(2) }, true)).output["Item"]).toBeUndefined();
      expect((await call("Query", query, true)).output["Items"]).toEqual([entry(1, "old")]);
    });

    test("do not touch consistent ones", async () => {
      await call("PutItem", { Item: entry(1, "old") });
      await call("PutItem", { Item: entry(1, "new") });
      const strong = { ConsistentRead: true };
      expect((await call("GetItem", { Key: key(1), ...strong }, true)).output["Item"]).toEqual(entry(1, "new"));
      expect((await call("Query", { ...query, ...strong }, true)).output["Items"]).toEqual([entry(1, "new")]);
    });

    test("still see what was deleted a moment ago", async () => {
      await call("PutItem", { Item: entry(7, "gone") });
      await call("DeleteItem", { Key: key(7) });
      expect((await call("Query", query, true)).output["Items"]).toEqual([entry(7, "gone")]);
      expect((await call("Query", query)).output["Items"]).toEqual([]);
    });
  });

  test("an operation that is not hosted, or a table that is not there, is refused", async () => {
    const refused = async (operation: string, input: object) =>
      (await failure(Promise.resolve().then(() => database.call(operation, input)))).body.__type;
    expect(await refused("ExecuteStatement", {})).toMatch(/#UnknownOperationException$/);
    expect(await refused("GetItem", { TableName: "elsewhere", Key: key(1) })).toMatch(/#ResourceNotFoundException$/);
  });

  test("data on disk is there after the next start", async () => {
    const directory = mkdtempSync(join(tmpdir(), "local-dynamodb-"));
    const options = { tables: [table], directory: join(directory, "data"), now: () => now, onWrite: () => {} };
    try {
      const first = await openDynamoDb(options);
      await first.call("PutItem", { TableName: "entries", Item: entry(1, "kept") });
      await first.close();
      const second = await openDynamoDb(options);
      expect(await second.items("entries")).toEqual([entry(1, "kept")]);
      await second.close();
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
