import type { Call, LocalCloud } from "@tacit/local";
import { connectSample, startSample, type SampleClient } from "./sampleCloud.ts";

const is = (operation: string) => (call: Call) => call.operation === operation;

describe("faults", () => {
  let cloud: LocalCloud;
  let client: SampleClient;
  let TableName: string;
  beforeAll(async () => {
    cloud = await startSample();
    client = await connectSample(cloud);
    TableName = String((await client.ask("env", { name: "ENTRIES" }))["value"]);
  });
  afterAll(() => cloud.close());
  afterEach(() => cloud.faults.clear());

  let lastSeq = 0;
  const item = (more = {}) => ({ log: { S: "a" }, seq: { N: String(++lastSeq) }, ...more });
  const put = (Item: object, more = {}) => client.call("dynamodb", "putItem", { TableName, Item, ...more });
  const stored = async () => (await cloud.tables()).find(({ name }) => name === TableName)?.items.length ?? 0;

  test("a throttled table is retried by the SDK until it gives way", async () => {
    const fault = cloud.faults.inject({ when: is("PutItem"), effect: { kind: "throttle" }, times: 2 });
    expect(await put(item())).toMatchObject({ attempts: 3 });
    expect(fault.count).toBe(2);
  });

  test("a write whose answer is lost meets itself in its retry", async () => {
    cloud.faults.inject({ when: is("PutItem"), effect: { kind: "loseAnswer" }, times: 1 });
    const mine = item({ id: { S: "mine" } });
    const { error } = await put(mine, {
      ConditionExpression: "attribute_not_exists(seq)",
      ReturnValuesOnConditionCheckFailure: "ALL_OLD",
    });
    expect(error).toMatchObject({ name: "ConditionalCheckFailedException", Item: mine });
  });

  test("a request that is lost is made again", async () => {
    const before = await stored();
    cloud.faults.inject({ when: is("PutItem"), effect: { kind: "loseRequest" }, times: 1 });
    expect(await put(item())).toMatchObject({ attempts: 2 });
    expect(await stored()).toBe(before + 1);
  });

  test("conflicts hit plain writes and transactions", async () => {
    cloud.faults.inject({ when: ({ service }) => service === "dynamodb", effect: { kind: "conflict" } });
    expect((await put(item())).error).toMatchObject({ name: "TransactionConflictException" });
    const TransactItems = [{ Put: { TableName, Item: item() } }, { Put: { TableName, Item: item() } }];
    const { error } = await client.call("dynamodb", "transactWriteItems", { TransactItems });
    expect(error).toMatchObject({ name: "TransactionCanceledException" });
    expect(error?.CancellationReasons?.map(({ Code }) => Code)).toEqual(["TransactionConflict", "None"]);
  });

  test("any other refusal can be had by its name", async () => {
    const effect = { kind: "fail", statusCode: 400, type: "ItemCollectionSizeLimitExceededException" } as const;
    cloud.faults.inject({ when: is("PutItem"), effect });
    expect((await put(item())).error).toMatchObject({ name: "ItemCollectionSizeLimitExceededException" });
  });

  test("batches leave keys unprocessed", async () => {
    const items = [item(), item(), item()];
    for (const Item of items) await put(Item);
    cloud.faults.inject({ when: is("BatchGetItem"), effect: { kind: "unprocessed" }, times: 1 });
    const Keys = items;
    const { output } = await client.call("dynamodb", "batchGetItem", { RequestItems: { [TableName]: { Keys } } });
    expect(output).toMatchObject({ Responses: { [TableName]: [expect.anything(), expect.anything()] } });
    expect(output?.["UnprocessedKeys"]).toEqual({ [TableName]: { Keys: [Keys[1]] } });
  });

  test("eventual reads may be stale", async () => {
    const first = item({ text: { S: "old" } });
    await put(first);
    await put({ ...first, text: { S: "new" } });
    cloud.faults.inject({ when: is("GetItem"), effect: { kind: "stale" } });
    const get = (ConsistentRead: boolean) =>
      client.call("dynamodb", "getItem", { TableName, Key: { log: first.log, seq: first.seq }, ConsistentRead });
    expect((await get(false)).output?.["Item"]).toMatchObject({ text: { S: "old" } });
    expect((await get(true)).output?.["Item"]).toMatchObject({ text: { S: "new" } });
  });

  test("a push may be lost, and its sender told that it went", async () => {
    const bob = await connectSample(cloud);
    const { event } = await bob.ask("event");
    const { connectionId: ConnectionId } = (event as { requestContext: { connectionId: string } }).requestContext;
    const push = (Data: string) => client.call("sockets", "postToConnection", { ConnectionId, Data });
    cloud.faults.inject({ when: is("PostToConnection"), effect: { kind: "drop" }, times: 1 });
    expect((await push("lost")).error).toBeUndefined();
    await push("heard");
    expect(await bob.next()).toBe("heard");
    bob.close();
  });

  test("a socket may be throttled: the SDK tries again", async () => {
    cloud.faults.inject({ when: is("PostToConnection"), effect: { kind: "throttle" }, times: 1 });
    const { event } = await client.ask("event");
    const { connectionId: ConnectionId } = (event as { requestContext: { connectionId: string } }).requestContext;
    expect(await client.call("sockets", "postToConnection", { ConnectionId, Data: "ding" })).toMatchObject({
      attempts: 2,
    });
    expect(await client.next()).toBe("ding");
  });

  test("$disconnect may never come", async () => {
    const bob = await connectSample(cloud);
    await cloud.settled();
    const before = cloud.logs("Disconnect").length;
    cloud.faults.inject({ when: is("$disconnect"), effect: { kind: "drop" } });
    bob.close();
    await bob.closed();
    await cloud.settled();
    expect(cloud.logs("Disconnect")).toHaveLength(before);
  });

  test.each([
    ["before", 0],
    ["after", 1],
  ] as const)("a function may die %s its call is done", async (when, written) => {
    const before = await stored();
    cloud.faults.inject({
      when: ({ function: id, nth, operation }) => id === "Relay" && nth === 1 && operation === "PutItem",
      effect: { kind: "kill", when },
      times: 1,
    });
    client.socket.send(
      JSON.stringify({ task: "call", service: "dynamodb", operation: "putItem", input: { TableName, Item: item() } }),
    );
    expect(JSON.parse(await client.next())).toMatchObject({ message: "Internal server error" });
    expect(await stored()).toBe(before + written);
  });

  test("expiry may come late", async () => {
    const before = await stored();
    await put(item({ ttl: { N: String(Math.floor(cloud.now() / 1000) + 60) } }));
    cloud.faults.inject({ when: is("TimeToLive"), effect: { kind: "drop" }, times: 1 });
    await cloud.advance(120_000);
    expect(await stored()).toBe(before + 1);
    await cloud.advance(1_000);
    expect(await stored()).toBe(before);
  });

  test("those who watch see writes and expiries", async () => {
    const seen: unknown[] = [];
    const stop = cloud.onWrite(({ table, cause, after }) => seen.push([table, cause, after !== undefined]));
    await put(item({ ttl: { N: String(Math.floor(cloud.now() / 1000) + 60) } }));
    await cloud.advance(120_000);
    stop();
    await put(item());
    expect(seen).toEqual([
      ["Entries", "request", true],
      ["Entries", "timeToLive", false],
    ]);
  });
});
