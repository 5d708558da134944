/** Doorbells on their way into SQS, against a service that takes them, or not. */
import { sqsBellQueue } from "../../lambdas/adapters/sqsBellQueue.ts";
import type { BellSlice } from "../../lambdas/ports.ts";
import { scriptedService, type Reply, type ScriptedService } from "../support/scriptedService.ts";

const queueUrl = "https://sqs.eu-west-1.amazonaws.com/123456789012/bells";
type Entry = { readonly Id: string; readonly MessageBody: string; readonly DelaySeconds: number };

let service: ScriptedService;
/** Milliseconds that were slept, which nobody waits for. */
let pauses: number[];
let queue: ReturnType<typeof sqsBellQueue>;

beforeAll(async () => {
  service = await scriptedService();
  Object.assign(process.env, {
    AWS_ACCESS_KEY_ID: "AKIDEXAMPLE",
    AWS_SECRET_ACCESS_KEY: "secret",
    AWS_SESSION_TOKEN: "session",
  });
});
afterAll(() => service.close());
beforeEach(() => {
  pauses = [];
  queue = sqsBellQueue({
    queueUrl,
    region: "eu-west-1",
    endpoint: service.endpoint,
    clock: {
      now: () => Date.UTC(2026, 10, 23),
      sleep: (milliseconds) => Promise.resolve(void pauses.push(milliseconds)),
    },
    random: { id: () => "", fraction: () => 0 },
  });
});

const slice = (seq: number, bytes = 10): BellSlice => ({
  conversation: "g-1",
  seq,
  at: 1,
  frame: "x".repeat(bytes),
  targets: [{ account: "bob", device: "d", connection: "c", lease: 2 }],
});
const slices = (count: number, bytes?: number) => Array.from({ length: count }, (_, i) => slice(i, bytes));
const taken: Reply = { body: { Successful: [] } };
const failed = (...entries: readonly { Id: string; SenderFault?: boolean; Code?: string }[]): Reply => ({
  body: { Failed: entries.map((entry) => ({ Code: "InternalError", SenderFault: false, ...entry })) },
});
const error = (type: string, status = 400): Reply => ({ status, body: { __type: `com.amazonaws.sqs#${type}` } });
const entriesOf = (request: number): readonly Entry[] => service.asked[request]!.body["Entries"] as Entry[];

test("slices travel as they are, signed, with their delay", async () => {
  service.script(taken);
  await queue.send([slice(7)], 1);
  expect(service.asked).toHaveLength(1);
  const [{ target, authorization, body } = service.asked[0]!] = service.asked;
  expect(target).toBe("AmazonSQS.SendMessageBatch");
  expect(authorization).toMatch(
    /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/20261123\/eu-west-1\/sqs\/aws4_request, SignedHeaders=.*x-amz-target/,
  );
  expect(body["QueueUrl"]).toBe(queueUrl);
  const [entry] = entriesOf(0);
  expect(entry).toMatchObject({ Id: "0", DelaySeconds: 1 });
  expect(JSON.parse(entry!.MessageBody)).toEqual(slice(7));
});

test.each([
  ["ten in a request", slices(23), [10, 10, 3]],
  ["a mebibyte in a request", slices(10, 120_000), [8, 2]],
  ["nothing at all", [], []],
])("%s", async (_, given, sizes) => {
  service.script(taken);
  await queue.send(given, 0);
  const sent = service.asked.map((__, i) => entriesOf(i));
  // They go at the same time.
  expect(sent).toHaveLength(sizes.length);
  expect(sent.map(({ length }) => length)).toEqual(expect.arrayContaining([...sizes]));
  expect(sent.flat()).toHaveLength(given.length);
  for (const entries of sent) {
    expect(entries.map(({ Id }) => Id)).toEqual(entries.map((___, i) => String(i)));
    expect(entries.reduce((sum, { MessageBody }) => sum + MessageBody.length, 0)).toBeLessThanOrEqual(1_048_576);
  }
});

test("what was not taken is sent again, and nothing else", async () => {
  service.script(failed({ Id: "1" }, { Id: "3" }), failed({ Id: "3" }), taken);
  await queue.send(slices(5), 0);
  expect(service.asked.map((_, i) => entriesOf(i).map(({ Id }) => Id))).toEqual([
    ["0", "1", "2", "3", "4"],
    ["1", "3"],
    ["3"],
  ]);
  expect(pauses).toEqual([60, 120]);
});

test.each<[string, Reply]>([
  ["throttled", error("RequestThrottled")],
  ["an outage", error("ServiceUnavailable", 503)],
  ["an outage that says nothing", { status: 500, body: "<html>" }],
  ["too many requests", { status: 429, body: "" }],
  ["a connection that breaks", "break"],
])("%s: it is tried again", async (_, reply) => {
  service.script(reply, reply, taken);
  await queue.send([slice(1)], 0);
  expect(service.asked).toHaveLength(3);
});

test.each<[string, Reply, number, string]>([
  ["after three attempts", error("RequestThrottled"), 3, "RequestThrottled"],
  ["after three attempts in part", failed({ Id: "0", Code: "ServiceUnavailable" }), 3, "ServiceUnavailable"],
  ["at once where it may not send", error("AccessDeniedException", 403), 1, "AccessDeniedException"],
  ["at once where the queue is gone", error("QueueDoesNotExist"), 1, "QueueDoesNotExist"],
  [
    "at once where a slice is at fault",
    failed({ Id: "0", SenderFault: true, Code: "InvalidMessage" }),
    1,
    "InvalidMessage",
  ],
])("it gives up %s, with the service's own word", async (_, reply, attempts, code) => {
  service.script(reply);
  await expect(queue.send([slice(1)], 0)).rejects.toMatchObject({ name: "SqsError", code, message: `sqs: ${code}` });
  expect(service.asked).toHaveLength(attempts);
});

test("a service that does not answer is given up", async () => {
  service.script("hang");
  await expect(queue.send([slice(1)], 0)).rejects.toMatchObject({ code: "TimeoutError" });
  expect(service.asked).toHaveLength(3);
}, 9_000);
