/** The function that rings from the queue: what it could not do it names, and the rest does not come again. */
import type { Context, SQSBatchResponse, SQSEvent } from "aws-lambda";
import { sliceOf } from "../../lambdas/handlers/bellEvent.ts";
import type { BellSlice } from "../../lambdas/ports.ts";

const slice: BellSlice = {
  conversation: "g-1",
  seq: 5,
  at: 1_000,
  frame: `{"push":"entries"}`,
  coalesceUntil: 2_000,
  targets: [{ account: "bob", device: "d", connection: "c", lease: 3_000, inbox: true }],
};

test("a slice is what was sent", () => {
  expect(sliceOf(JSON.stringify(slice))).toEqual(slice);
  const { coalesceUntil: _, ...plain } = slice;
  expect(sliceOf(JSON.stringify(plain))).toEqual(plain);
});

const target = slice.targets[0]!;
test("what is not JSON is none either", () => {
  expect(() => sliceOf("secret")).toThrow(/^not a slice of doorbells$/);
});

test.each<[string, unknown]>([
  ["no object", null],
  ["a list", []],
  ["no conversation", { ...slice, conversation: undefined }],
  ["a seq that is text", { ...slice, seq: "5" }],
  ["no time", { ...slice, at: null }],
  ["no frame", { ...slice, frame: undefined }],
  ["a window that is text", { ...slice, coalesceUntil: "soon" }],
  ["no targets", { ...slice, targets: undefined }],
  ["a target without a connection", { ...slice, targets: [{ ...target, connection: undefined }] }],
  ["a target without a lease", { ...slice, targets: [target, { ...target, lease: null }] }],
  ["an inbox that is no flag", { ...slice, targets: [{ ...target, inbox: "yes" }] }],
])("%s is none, and its error quotes nothing", (_, value) => {
  expect(() => sliceOf(JSON.stringify(value))).toThrow(/^not a slice of doorbells$/);
});

describe("the function", () => {
  let handler: (event: SQSEvent, context: Context) => Promise<SQSBatchResponse>;
  const lines: string[] = [];
  beforeAll(async () => {
    Object.assign(process.env, {
      AWS_REGION: "eu-west-1",
      TACIT_LOG_TABLE: "log",
      TACIT_CONNECTIONS_TABLE: "connections",
      TACIT_CALLBACK_ENDPOINT: "https://callback.invalid/v1",
      POWERTOOLS_DEV: "true",
    });
    jest.spyOn(console, "error").mockImplementation((line: string) => void lines.push(line));
    ({ handler } = await import("../../lambdas/handlers/ringBells.ts"));
  });
  afterAll(() => {
    delete process.env["POWERTOOLS_DEV"];
    jest.restoreAllMocks();
  });

  const run = (bodies: readonly string[], remaining: number) => {
    const Records = bodies.map((body, i) => ({ messageId: `m${i}`, body }));
    const context = { awsRequestId: "r", getRemainingTimeInMillis: () => remaining } as Context;
    return handler({ Records } as unknown as SQSEvent, context);
  };
  /** Nobody to ring: no service is asked. */
  const silent = JSON.stringify({ ...slice, coalesceUntil: undefined, targets: [] });

  test("names what is no slice, and reports it without quoting it", async () => {
    const outcome = await run([silent, `{"secret":"word"}`, silent, "secret word"], 30_000);
    expect(outcome).toEqual({ batchItemFailures: [{ itemIdentifier: "m1" }, { itemIdentifier: "m3" }] });
    expect(lines).toHaveLength(2);
    expect(lines.join()).toContain("ringBells");
    expect(lines.join()).not.toContain("secret");
  });

  test("leaves for another time what it has no time for, but always does one", async () => {
    expect(await run([silent, silent, silent], 5_000)).toEqual({
      batchItemFailures: [{ itemIdentifier: "m1" }, { itemIdentifier: "m2" }],
    });
    expect(await run([silent, silent, silent], 30_000)).toEqual({ batchItemFailures: [] });
  });
});
