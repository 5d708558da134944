/** Whatever is sent, by whomever: a typed refusal, never a crash, and never a changed table. */
import { errorCodes, limits, operations, parseServerFrame, type Operation } from "@tacit/protocol";
import fc from "fast-check";
import { newIdentity, randomId } from "../../bench/rawDevice.ts";
import { dispatch } from "../../lambdas/core/dispatch.ts";
import { photograph } from "../support/memoryPorts.ts";
import {
  commitOf,
  creation,
  group,
  keyPackage,
  message,
  newStage,
  payload,
  person,
  socketOf,
  type Device,
} from "./stage.ts";

const names = Object.keys(operations) as Operation[];

type Cast = { readonly [who: string]: Device };

async function cast() {
  const stage = newStage();
  const alice = await person(stage, "alice");
  const bob = await person(stage, "bob");
  const mallory = await person(stage, "mallory");
  const conversation = await group([alice, bob]);
  const people: Cast = {
    "a member": alice,
    "a stranger": mallory,
    "a socket that has not said hello": socketOf(stage, bob.identity),
    "a device that is not registered": socketOf(stage, newIdentity("carol"), { scope: "register" }),
    "another device of a member's account": socketOf(stage, newIdentity("alice"), { scope: "register" }),
    "a socket that is over": socketOf(stage, bob.identity, { expires: stage.now }),
    "a socket of no scope": socketOf(stage, bob.identity, { scope: "none", reason: "clock_skew" }),
  };
  return { stage, people, conversation };
}

/** One request of each operation, of the right shape. */
function wellFormed(conversation: string): Record<Operation, Record<string, unknown>> {
  return {
    hello: {},
    putAccount: { record: { payload: "e30", signature: "A".repeat(86) } },
    getAccount: { account: "alice" },
    publishKeyPackages: { keyPackages: [keyPackage(1)] },
    countKeyPackages: {},
    claimKeyPackages: { account: "nobody" },
    createConversation: { ...creation([]), roster: ["somebody"] },
    commit: { ...commitOf(conversation), add: ["dave"] },
    propose: { conversation, turn: 1, entry: randomId(), payload: payload(), leave: false },
    append: { conversation, turn: 1, entries: [message()] },
    read: { conversation, after: 0 },
    stageWelcomes: {
      conversation,
      entry: randomId(),
      welcomes: [{ device: "A".repeat(43), claim: "0".repeat(34), payload: payload() }],
    },
    readInbox: {},
    acknowledgeInbox: { ids: ["0".repeat(34)] },
    sendInbox: { account: "bob", device: "A".repeat(43), conversation, message: randomId(), payload: payload() },
    putBackup: { expected: 0, manifest: "AA", blobs: [{ hash: "A".repeat(43), size: 10 }] },
    getBackup: {},
    signal: { conversation, payload: payload().inline },
    uploadBlob: { hash: "A".repeat(43), size: 10 },
    downloadBlob: { hash: "A".repeat(43) },
  };
}

async function requireRefusal(device: Device, text: string): Promise<void> {
  const { stage, caller } = device;
  const before = photograph(stage.memory.tables);
  const { frame } = await dispatch(stage.relay, caller, text);
  const parsed = parseServerFrame(frame);
  if (parsed.kind !== "error") throw new Error(`accepted: ${text.slice(0, 300)} -> ${frame.slice(0, 300)}`);
  expect(errorCodes[parsed.error.code].retryable).toBe(parsed.error.retryable);
  expect(parsed.error.code).not.toBe("internal");
  expect(stage.memory.unexpected).toEqual([]);
  expect(photograph(stage.memory.tables)).toBe(before);
}

const who = fc.constantFrom(
  "a member",
  "a stranger",
  "a socket that has not said hello",
  "a device that is not registered",
  "another device of a member's account",
  "a socket that is over",
  "a socket of no scope",
);
const wrong = fc.oneof(
  fc.constantFrom<unknown>(null, true, -1, 0.5, 1e308, "", "=", "é", [], {}, [[]], { inline: 1 }, "A".repeat(100_000)),
  fc.jsonValue({ maxDepth: 2 }),
);

test.each(names)("%s: missing, extra, oversized and mistyped fields", async (op) => {
  const { people, conversation } = await cast();
  const request = wellFormed(conversation)[op];
  const fields = Object.keys(request);
  const damage = fc.oneof(
    ...(fields.length === 0
      ? []
      : [
          fc.constantFrom(...fields).map((field) => {
            const { [field]: _, ...rest } = request;
            return rest;
          }),
          fc
            .tuple(fc.constantFrom(...fields), wrong)
            // What has the right shape by chance is for the other tests.
            .filter(
              ([field, value]) => JSON.stringify(value) !== JSON.stringify(request[field]) && !mayFit(op, field, value),
            )
            .map(([field, value]) => ({ ...request, [field]: value })),
        ]),
    fc
      .tuple(fc.string({ minLength: 1, maxLength: 20 }), wrong)
      .filter(
        ([name]) =>
          !["id", "op", "after", "limit", "lastResort", "predecessor", "staged", "backup", "__proto__"].includes(
            name,
          ) && !fields.includes(name),
      )
      .map(([name, value]) => ({ ...request, [name]: value })),
  );
  await fc.assert(
    fc.asyncProperty(who, damage, async (name, damaged) => {
      await requireRefusal(people[name]!, JSON.stringify({ id: "1", op, ...damaged }));
    }),
    { numRuns: 150, seed: 7 },
  );
});

/** Values that the schema allows in this field. */
function mayFit(op: Operation, field: string, value: unknown): boolean {
  const request = wellFormed("g-AAAAAAAAAAAAAAAAAAAAAA")[op];
  return operations[op].request["~standard"].validate({ ...request, [field]: value }) instanceof Promise
    ? false
    : !("issues" in Object(operations[op].request["~standard"].validate({ ...request, [field]: value })));
}

test("random text", async () => {
  const { people } = await cast();
  const text = fc.oneof(
    fc.string({ maxLength: 200 }),
    fc.json(),
    fc
      .record({ id: fc.string(), op: fc.oneof(fc.string(), fc.constantFrom("toString", "__proto__", "constructor")) })
      .map((frame) => JSON.stringify(frame)),
    fc.constant("x".repeat(limits.requestFrame + 1)),
    fc.constant("["),
  );
  await fc.assert(
    fc.asyncProperty(who, text, (name, frame) => requireRefusal(people[name]!, frame)),
    { numRuns: 500, seed: 7 },
  );
});

describe("well-formed, from the wrong side", () => {
  const open: Record<string, readonly Operation[]> = {
    "a stranger": [
      "hello",
      "getAccount",
      "publishKeyPackages",
      "countKeyPackages",
      "readInbox",
      "acknowledgeInbox",
      "getBackup",
      "uploadBlob",
    ],
    "a socket that has not said hello": ["hello", "append"],
    "a device that is not registered": ["hello", "readInbox", "acknowledgeInbox", "getBackup"],
    "another device of a member's account": ["hello", "getAccount", "readInbox", "acknowledgeInbox", "getBackup"],
    "a socket that is over": [],
    "a socket of no scope": [],
  };
  const table = Object.entries(open).flatMap(([name, allowed]) =>
    names.filter((op) => !allowed.includes(op)).map((op) => [name, op] as const),
  );
  test.each(table)("%s: %s", async (name, op) => {
    const { people, conversation } = await cast();
    await requireRefusal(people[name]!, JSON.stringify({ id: "1", op, ...wellFormed(conversation)[op] }));
  });
});

test("fields nested in a request are as strict", async () => {
  const { people, conversation } = await cast();
  const alice = people["a member"]!;
  const request = wellFormed(conversation);
  const nested: [Operation, Record<string, unknown>][] = [
    ["append", { ...request.append, entries: [{ ...message(), extra: 1 }] }],
    ["append", { ...request.append, entries: [{ ...message(), payload: { inline: "AA", blob: {} } }] }],
    ["append", { ...request.append, entries: Array.from({ length: limits.appendEntries + 1 }, () => message()) }],
    ["append", { ...request.append, entries: [] }],
    ["append", { ...request.append, entries: [{ ...message(), payload: payload(1, limits.inlinePayload + 1) }] }],
    [
      "append",
      {
        ...request.append,
        entries: [
          { id: "A".repeat(22), payload: payload() },
          { id: "A".repeat(22), payload: payload() },
        ],
      },
    ],
    [
      "append",
      { ...request.append, entries: [{ ...message(), payload: { blob: { hash: "A".repeat(43), size: 5 } } }] },
    ],
    ["commit", { ...request.commit, add: ["dave", "dave"] }],
    ["commit", { ...request.commit, add: ["bob"] }],
    ["commit", { ...request.commit, add: [], remove: ["dave"] }],
    ["commit", { ...request.commit, add: [], remove: ["alice"] }],
    [
      "commit",
      { ...request.commit, welcomes: [{ device: "A".repeat(43), claim: "0".repeat(34), payload: payload() }] },
    ],
    ["publishKeyPackages", { keyPackages: [{ ...keyPackage(1), hash: keyPackage(2).hash }] }],
    ["publishKeyPackages", { keyPackages: [keyPackage(1)], lastResort: keyPackage(1) }],
    ["createConversation", { ...creation([alice]), generation: 1 }],
    ["createConversation", { ...creation([alice]), predecessor: conversation }],
    ["createConversation", { ...creation([alice]), roster: ["alice", "alice"] }],
    ["createConversation", { ...creation([alice]), conversation: `d-${"A".repeat(43)}`, roster: ["alice", "bob"] }],
  ];
  for (const [op, fields] of nested) await requireRefusal(alice, JSON.stringify({ id: "1", op, ...fields }));
});
