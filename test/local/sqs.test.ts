import type { Call, LocalCloud } from "@tacit/local";
import { connectSample, startSample, type SampleClient } from "./sampleCloud.ts";

interface SqsAnswer {
  readonly status: number;
  readonly answer: {
    readonly __type?: string;
    readonly message?: string;
    readonly MessageId?: string;
    readonly Successful?: readonly { readonly Id: string }[];
    readonly Failed?: readonly { readonly Id: string; readonly SenderFault: boolean }[];
  };
}

interface Delivery {
  readonly body: string;
  readonly messageId: string;
  readonly eventSourceARN: string;
  readonly attributes: { readonly ApproximateReceiveCount: string; readonly SentTimestamp: string };
}

let cloud: LocalCloud;
let client: SampleClient;
const start = async (options: Parameters<typeof startSample>[0] = {}) => {
  cloud = await startSample(options);
  client = await connectSample(cloud);
};
/** One cloud for each test of a group: what waits in a queue would come to the next. */
function freshClouds(): void {
  beforeEach(() => start());
  afterEach(() => cloud.close());
}

const call = async (operation: string, input: object, queue = "QUEUE") => {
  const { value: QueueUrl } = await client.ask("env", { name: queue });
  return (await client.ask("sqs", { operation, input: { QueueUrl, ...input } })) as unknown as SqsAnswer;
};
const send = (MessageBody: string, more: object = {}) => call("SendMessage", { MessageBody, ...more });
const sendAll = (...bodies: readonly string[]) =>
  call("SendMessageBatch", { Entries: bodies.map((MessageBody, i) => ({ Id: `m${i}`, MessageBody })) });
/** What each invocation got, in the order of their logs. */
const batches = (): readonly (readonly Delivery[])[] =>
  cloud
    .logs("Ring")
    .filter((line) => line.startsWith("[{"))
    .map((line) => JSON.parse(line) as Delivery[]);
const bodies = () => batches().map((batch) => batch.map(({ body }) => body));
const queue = (id: string) => cloud.queues().find(({ logicalId }) => logicalId === id)!.messages;
const isMessage =
  (operation: string, body?: string) =>
  (it: Call): boolean =>
    it.service === "sqs" && it.operation === operation && (body === undefined || (it.input as Delivery).body === body);

describe("sending", () => {
  freshClouds();

  test("a message reaches the function, once, and is gone", async () => {
    const before = cloud.now();
    const { status, answer } = await send("hello");
    expect(status).toBe(200);
    await cloud.settled();
    const [[delivery] = []] = batches();
    expect(batches()).toHaveLength(1);
    expect(delivery).toMatchObject({
      body: "hello",
      messageId: answer.MessageId,
      eventSource: "aws:sqs",
      awsRegion: "eu-central-1",
      attributes: { ApproximateReceiveCount: "1" },
    });
    expect(delivery!.eventSourceARN).toMatch(/^arn:aws:sqs:eu-central-1:123456789012:Sample-Bells-/);
    expect(Number(delivery!.attributes.SentTimestamp)).toBeGreaterThanOrEqual(before);
    expect(queue("Bells")).toEqual([]);
  });

  test("batches are as large as the mapping says", async () => {
    await sendAll("1", "2", "3", "4", "5", "6", "7");
    await cloud.settled();
    expect(bodies().flat().sort()).toEqual(["1", "2", "3", "4", "5", "6", "7"]);
    expect(new Set(bodies().map(({ length }) => length))).toEqual(new Set([3, 1]));
  });

  test("is metered in units of 64 KB, and so is what Lambda does", async () => {
    await client.ask("sqsOfSize", { sizes: [65_536, 1] });
    await cloud.settled();
    const { usage, operations } = cloud.meter.snapshot();
    expect(operations["sqs:SendMessageBatch"]).toEqual({ requests: 1, units: 2 });
    expect(operations["sqs:ReceiveMessage"]).toEqual({ requests: 1, units: 2 });
    expect(operations["sqs:DeleteMessage"]).toEqual({ requests: 1, units: 1 });
    expect(usage.sqsRequests).toBe(5);
    expect(operations["lambda:Ring"]).toMatchObject({ requests: 1 });
  });
});

describe("refused is", () => {
  beforeAll(() => start());
  afterAll(() => cloud.close());

  test.each<[string, object, string]>([
    ["no entry", { Entries: [] }, "EmptyBatchRequest"],
    ["eleven entries", { Entries: "abcdefghijk".split("").map((Id) => ({ Id, MessageBody: "x" })) }, "TooManyEntries"],
    ["two of one id", { Entries: [1, 2].map(() => ({ Id: "a", MessageBody: "x" })) }, "BatchEntryIdsNotDistinct"],
    ["an id of other characters", { Entries: [{ Id: "a/b", MessageBody: "x" }] }, "InvalidBatchEntryId"],
    ["an empty message", { Entries: [{ Id: "a", MessageBody: "" }] }, "MissingParameter"],
    ["characters that XML has not", { Entries: [{ Id: "a", MessageBody: "\u0000" }] }, "InvalidMessageContents"],
    ["half a surrogate pair", { Entries: [{ Id: "a", MessageBody: "\ud800" }] }, "InvalidMessageContents"],
    ["more than 15 minutes", { Entries: [{ Id: "a", MessageBody: "x", DelaySeconds: 901 }] }, "InvalidParameterValue"],
    ["a group", { Entries: [{ Id: "a", MessageBody: "x", MessageGroupId: "g" }] }, "UnsupportedOperation"],
  ])("%s", async (_, input, type) => {
    const { status, answer } = await call("SendMessageBatch", input);
    expect([status, answer.__type]).toEqual([400, expect.stringContaining(`com.amazonaws.sqs#${type}`)]);
    expect(queue("Bells")).toEqual([]);
  });

  test("a batch of more than a mebibyte", async () => {
    const big = (bytes: number) => client.ask("sqsOfSize", { sizes: [bytes, bytes] });
    expect(await big(524_289)).toMatchObject({ answer: { __type: "com.amazonaws.sqs#BatchRequestTooLong" } });
    expect(await big(524_288)).toMatchObject({ status: 200 });
  });

  test("another queue, or another operation", async () => {
    expect((await call("SendMessage", { QueueUrl: "https://sqs/nobody", MessageBody: "x" })).answer.__type).toContain(
      "QueueDoesNotExist",
    );
    expect((await call("ReceiveMessage", {})).answer.__type).toContain("UnsupportedOperation");
  });
});

describe("what fails", () => {
  freshClouds();

  test("comes again alone when its visibility timeout is over, and ends among the dead letters", async () => {
    await sendAll("one", "fail", "two");
    await cloud.settled();
    expect(bodies()).toEqual([["one", "fail", "two"]]);
    expect(queue("Bells")).toMatchObject([{ body: "fail", receiveCount: 1 }]);

    await cloud.advance(31_000);
    await cloud.settled();
    expect(bodies().at(-1)).toEqual(["fail"]);
    expect(batches().at(-1)![0]!.attributes.ApproximateReceiveCount).toBe("2");

    await cloud.advance(31_000);
    await cloud.settled();
    expect(batches()).toHaveLength(2);
    expect(queue("Bells")).toEqual([]);
    expect(queue("DeadBells")).toMatchObject([{ body: "fail", receiveCount: 2 }]);

    // The age of a dead letter is counted from when it was sent.
    await cloud.advance(86_400_000 - 600_000);
    expect(queue("DeadBells")).toHaveLength(1);
    await cloud.advance(600_000);
    expect(queue("DeadBells")).toHaveLength(0);
  });

  test.each(["throw", "nonsense"])("a whole batch comes again after %s", async (body) => {
    await sendAll("one", body);
    await cloud.settled();
    expect(queue("Bells").map((message) => message.body)).toEqual(["one", body]);
    await cloud.advance(31_000);
    await cloud.settled();
    expect(bodies()).toEqual([
      ["one", body],
      ["one", body],
    ]);
  });

  test("what is too old is forgotten", async () => {
    await send("late", { DelaySeconds: 700 });
    await cloud.advance(701_000);
    await cloud.settled();
    expect([batches(), queue("Bells"), queue("DeadBells")]).toEqual([[], [], []]);
  });
});

describe("delays", () => {
  freshClouds();

  test("are a matter of the cloud's clock", async () => {
    await send("later", { DelaySeconds: 300 });
    await send("now");
    await cloud.settled();
    await cloud.advance(150_000);
    await cloud.settled();
    expect(bodies().flat()).toEqual(["now"]);
    await cloud.advance(150_000);
    await cloud.settled();
    expect(bodies().flat()).toEqual(["now", "later"]);
  });

  test("of a moment are waited for until all is settled", async () => {
    await send("in a second", { DelaySeconds: 1 });
    await cloud.settled();
    expect(bodies()).toEqual([["in a second"]]);
  });
});

describe("faults", () => {
  freshClouds();

  test("a message may be delivered twice", async () => {
    cloud.faults.inject({ when: isMessage("ReceiveMessage", "twice"), effect: { kind: "repeat" } });
    await sendAll("twice", "once");
    await cloud.settled();
    expect(bodies().flat().sort()).toEqual(["once", "twice", "twice"]);
    expect(queue("Bells")).toEqual([]);
  });

  test("or because nobody heard that it was deleted", async () => {
    cloud.faults.inject({ when: isMessage("DeleteMessage"), effect: { kind: "drop" }, times: 1 });
    await send("deleted");
    await cloud.settled();
    await cloud.advance(31_000);
    await cloud.settled();
    expect(bodies()).toEqual([["deleted"], ["deleted"]]);
    expect(queue("Bells")).toEqual([]);
  });

  test("late", async () => {
    const effect = { kind: "delay", milliseconds: 400_000 } as const;
    cloud.faults.inject({ when: isMessage("ReceiveMessage", "late"), effect });
    await sendAll("late", "in time");
    await cloud.settled();
    await cloud.advance(200_000);
    await cloud.settled();
    expect(bodies().flat()).toEqual(["in time"]);
    await cloud.advance(200_000);
    await cloud.settled();
    expect(bodies().flat()).toEqual(["in time", "late"]);
  });

  test("and out of order", async () => {
    cloud.faults.inject({ when: isMessage("ReceiveMessage"), effect: { kind: "reorder" } });
    await sendAll("1", "2", "3");
    await cloud.settled();
    expect(bodies()).toEqual([["3", "2", "1"]]);
  });

  test("a batch may be taken in part, a request be throttled, and its answer be lost", async () => {
    const isSending = ({ operation }: Call) => operation === "SendMessageBatch";
    cloud.faults.inject({ when: isSending, effect: { kind: "unprocessed" }, times: 1 });
    const { answer } = await sendAll("1", "2", "3");
    expect(answer.Successful?.map(({ Id }) => Id)).toEqual(["m0", "m2"]);
    expect(answer.Failed).toMatchObject([{ Id: "m1", SenderFault: false }]);
    cloud.faults.inject({ when: isSending, effect: { kind: "throttle" }, times: 1 });
    expect((await sendAll("4")).answer.__type).toBe("com.amazonaws.sqs#RequestThrottled");
    cloud.faults.inject({ when: isSending, effect: { kind: "loseAnswer" }, times: 1 });
    expect(await sendAll("5")).toMatchObject({ error: { name: "TypeError" } });
    await cloud.settled();
    expect(bodies().flat().sort()).toEqual(["1", "3", "5"]);
  });
});

describe("permissions", () => {
  freshClouds();

  const without = async (name: string, action: string, statement?: string) => {
    const isIt = (grant: { function: string; action: string; statement: string }) =>
      grant.function === name &&
      grant.action === action &&
      (statement === undefined || grant.statement.endsWith(statement));
    const withoutGrants = cloud.iam.granted().filter(isIt);
    expect(withoutGrants).toHaveLength(1);
    await cloud.close();
    await start({ withoutGrants });
  };

  test.each([
    ["sqs:SendMessage", "#Send"],
    ["kms:GenerateDataKey", "#BellsKey"],
    ["kms:Decrypt", "#BellsKey"],
  ])("whoever sends needs %s", async (action, statement) => {
    await without("Relay", action, statement);
    const { status, answer } = await send("hello");
    expect(status).toBeGreaterThanOrEqual(400);
    expect(answer.message).toContain(action);
    expect(queue("Bells")).toEqual([]);
  });

  test("each queue has its own grant", async () => {
    expect(await call("SendMessage", { MessageBody: "x" }, "DEAD_QUEUE")).toMatchObject({
      status: 403,
      answer: { __type: "com.amazonaws.sqs#AccessDeniedException" },
    });
  });

  test.each(["sqs:ReceiveMessage", "sqs:GetQueueAttributes", "kms:Decrypt"])(
    "Lambda polls in the name of the function's role, which needs %s",
    async (action) => {
      await without("Ring", action);
      await send("hello");
      await cloud.settled();
      expect(queue("Bells")).toMatchObject([{ body: "hello", receiveCount: 0 }]);
      expect(cloud.iam.denied()).toContainEqual({ function: "Ring", action, resource: expect.any(String) });
    },
  );

  test("and sqs:DeleteMessage, or it gets everything again", async () => {
    await without("Ring", "sqs:DeleteMessage");
    await send("hello");
    await cloud.settled();
    expect(queue("Bells")).toMatchObject([{ body: "hello", receiveCount: 1 }]);
  });

  test("all that is granted to the function is used", async () => {
    await send("hello");
    await cloud.settled();
    const of = (grants: readonly { function: string; action: string }[]) =>
      grants.flatMap((grant) => (grant.function === "Ring" ? [grant.action] : [])).sort();
    expect(of(cloud.iam.used())).toEqual(of(cloud.iam.granted()));
  });
});
