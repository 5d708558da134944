/** The DynamoDB adapters: the contract, and what only a database behind a network does. */
import { limits } from "@tacit/protocol";
import { randomId } from "../../bench/rawDevice.ts";
import { dynamoBackups } from "../../lambdas/adapters/dynamoBackups.ts";
import { dynamoConnections } from "../../lambdas/adapters/dynamoConnections.ts";
import { dynamoConversations } from "../../lambdas/adapters/dynamoConversations.ts";
import { dynamoCounters } from "../../lambdas/adapters/dynamoCounters.ts";
import { dynamoDirectory } from "../../lambdas/adapters/dynamoDirectory.ts";
import { dynamoInbox } from "../../lambdas/adapters/dynamoInbox.ts";
import { dynamoKeyPackages } from "../../lambdas/adapters/dynamoKeyPackages.ts";
import { dynamoLanding } from "../../lambdas/adapters/dynamoLanding.ts";
import { dynamoLog } from "../../lambdas/adapters/dynamoLog.ts";
import { dynamoProofs } from "../../lambdas/adapters/dynamoProofs.ts";
import { dynamoStages } from "../../lambdas/adapters/dynamoStages.ts";
import type { LandingWrite, StoredEntry } from "../../lambdas/ports.ts";
import { DynamoDbError } from "../../local/src/dynamodb/dynamoDbError.ts";
import { embeddedDynamo, type Meddle } from "../support/embeddedDynamo.ts";
import { seededRandom } from "../support/memoryPorts.ts";
import type { StatefulPorts } from "./relay/ports.ts";
import { relayContract } from "./relay/relayContract.ts";

let dynamo: Awaited<ReturnType<typeof embeddedDynamo>>;
let ports: StatefulPorts;

beforeAll(async () => {
  dynamo = await embeddedDynamo(() => 0);
  const { client } = dynamo;
  const random = seededRandom("dynamo");
  const clock = { now: () => 0, sleep: () => Promise.resolve() };
  ports = {
    log: dynamoLog(client, "Log"),
    conversations: dynamoConversations(client, "Conversations"),
    landing: dynamoLanding(client, { log: "Log", conversations: "Conversations", inbox: "Inbox" }),
    inbox: dynamoInbox(client, "Inbox", clock),
    stages: dynamoStages(client, "Inbox"),
    directory: dynamoDirectory(client, "Directory"),
    backups: dynamoBackups(client, "Directory"),
    keyPackages: dynamoKeyPackages(client, "Directory", random, clock),
    proofs: dynamoProofs(client, "Directory", random),
    counters: dynamoCounters(client, "Directory"),
    connections: dynamoConnections(client, "Connections", clock),
  };
});
afterAll(() => dynamo.close());
afterEach(() => dynamo.meddle());

relayContract(() => ports);

const entryAt = (seq: number): StoredEntry => ({
  kind: "commit",
  seq,
  prev: seq - 1,
  id: randomId(),
  turn: 0,
  at: 1,
  expires: 2,
  ttl: 3,
  payload: { inline: "AA" },
  account: "ann",
  roster: { add: ["ann"], remove: [] },
});

function creation(): LandingWrite {
  const entry = entryAt(1);
  const lastCommit = { id: entry.id, seq: 1, at: 1, by: "ann" };
  const base = { roster: ["ann"], dropped: new Map(), lastCommit, generation: 0, predecessor: undefined };
  return {
    conversation: `g-${randomId()}`,
    entry,
    expected: undefined,
    next: { turn: 1, ceiling: 64, ...base },
    welcomes: [],
  };
}

/** The write happens, its answer is lost, and the SDK tries again. */
function loseFirstAnswer(operation: string): void {
  let lost = false;
  dynamo.meddle(async (called, input, call) => {
    const output = await call(called, input);
    if (called !== operation || lost) return output;
    lost = true;
    throw Object.assign(new Error("socket hang up"), { name: "TimeoutError", code: "ECONNRESET" });
  });
}

describe("a lost answer", () => {
  test("of a put: what is there is one's own entry", async () => {
    const conversation = `g-${randomId()}`;
    const entry = entryAt(1);
    loseFirstAnswer("PutItem");
    expect(await ports.log.put(conversation, entry)).toEqual({ landed: false, found: entry });
  });

  test("of a transaction, also where its token was forgotten", async () => {
    const write = creation();
    loseFirstAnswer("TransactWriteItems");
    expect(await ports.landing.land(write)).toEqual({ kind: "landed" });
    // A new token each time: the second is another transaction, whose conditions fail by the first.
    expect(await ports.landing.land(write)).toEqual({ kind: "landed" });
  });

  test("of a proof: it is not taken for a replay", async () => {
    loseFirstAnswer("PutItem");
    expect(await ports.proofs.firstUse("ann", "phone", randomId(), 9)).toBe(true);
  });

  test("of a key package: one that was claimed before the second try does not come back", async () => {
    const [account, device] = [randomId(), randomId(32)];
    const one = { hash: randomId(32), data: randomId(100), notAfter: 9 };
    let tries = 0;
    dynamo.meddle(async (operation, input, call) => {
      const output = await call(operation, input);
      if (operation !== "PutItem" || tries++ > 0) return output;
      expect(await ports.keyPackages.take(account, device)).toEqual(one);
      throw Object.assign(new Error("socket hang up"), { name: "TimeoutError", code: "ECONNRESET" });
    });
    await ports.keyPackages.add(account, device, one);
    dynamo.meddle();
    expect(tries).toBeGreaterThan(0);
    expect(await ports.keyPackages.take(account, device)).toBeUndefined();
  });

  test("of a receipt: it is one's own", async () => {
    const account = randomId();
    const signed = { payload: randomId(40), signature: randomId(64) };
    await ports.directory.put(
      account,
      { signed, version: 1, accountKey: randomId(32), devices: [], revoked: [] },
      undefined,
    );
    loseFirstAnswer("UpdateItem");
    const receipt = { payload: randomId(90), signature: randomId(64) };
    expect(await ports.directory.setReceipt(account, 1, receipt)).toEqual(receipt);
  });

  test("of a staged Welcome, taken from another stage, and of its commit", async () => {
    const [device, claim] = [randomId(32), `0${randomId()}`];
    const { stages, inbox, landing } = ports;
    await inbox.reserve({ device, id: claim, by: "ann", keyPackage: randomId(32), ttl: 99 });
    const write = creation();
    const { conversation, entry } = write;
    const [old, stage] = [randomId(), entry.id].map((id) => ({ conversation, entry: id, by: "ann" }));
    const welcome = { device, claim, payload: { inline: "AQ" }, at: 7, ttl: 99 };
    loseFirstAnswer("UpdateItem");
    expect(await stages.lay(old!, welcome)).toEqual({ laid: true });
    loseFirstAnswer("UpdateItem");
    expect(await stages.abandon(old!, 99)).toBe(true);
    loseFirstAnswer("UpdateItem");
    expect(await stages.lay(stage!, welcome, old)).toEqual({ laid: true });
    loseFirstAnswer("UpdateItem");
    expect(await stages.note(stage!, [device], 99)).toBe(true);
    loseFirstAnswer("TransactWriteItems");
    expect(await landing.land({ ...write, stage: { name: stage!, now: 0, ttl: 99 } })).toEqual({ kind: "landed" });
    expect((await inbox.page("cid", device, undefined, 10)).items).toHaveLength(1);
  });

  test("of a backup: what is there is one's own", async () => {
    const account = randomId();
    const backup = { version: 1, at: 1, manifest: randomId(20), blobs: [], removed: [] };
    loseFirstAnswer("PutItem");
    expect(await ports.backups.put(account, backup)).toEqual({ landed: false, found: backup });
  });

  test("of the ceiling: it is where it should be", async () => {
    const write = creation();
    await ports.landing.land(write);
    loseFirstAnswer("UpdateItem");
    expect(await ports.conversations.raiseCeiling(write.conversation, 64, 128)).toBe(true);
  });
});

test("a message whose function was killed between its two writes goes where it would have gone", async () => {
  const [device, mark] = [randomId(32), randomId(32)];
  const from = { account: "dan", device: randomId(32) };
  const message = { account: "cid", device, mark, from, payload: { inline: "AQ" }, at: 7, ttl: 99 };
  dynamo.meddle((operation, input, call) => {
    if (operation === "PutItem") throw new DynamoDbError("ValidationException", "killed");
    return call(operation, input);
  });
  const first = `0${randomId()}`;
  await expect(ports.inbox.send({ ...message, id: first })).rejects.toThrow("killed");
  dynamo.meddle();
  await ports.inbox.send({ ...message, id: `1${randomId()}` });
  expect((await ports.inbox.page("cid", device, undefined, 10)).items.map(({ id }) => id)).toEqual([first]);
});

test("a conversation of the longest thousand names, with as many dropped, is one item", async () => {
  const names = (letter: string) =>
    Array.from({ length: limits.roster }, (_, i) => `${letter}${i}`.padEnd(128, letter));
  const write = creation();
  const dropped = new Map(names("d").map((account) => [account, { seq: 2 ** 40, turn: 2 ** 40, left: true as const }]));
  const next = { ...write.next, roster: names("r"), dropped };
  const roster = { add: names("r").slice(0, limits.rosterDelta), remove: names("d").slice(0, limits.rosterDelta) };
  const entry = { ...write.entry, payload: { inline: randomId(limits.inlinePayload) }, roster } as StoredEntry;
  expect(await ports.landing.land({ ...write, entry, next })).toEqual({ kind: "landed" });
  expect(await ports.conversations.get(write.conversation)).toEqual(next);
  expect(await ports.log.newest(write.conversation)).toEqual(entry);
});

describe("a transaction in the way", () => {
  const conflict = (): Meddle => {
    let met = false;
    return async (operation, input, call) => {
      if (met) return call(operation, input);
      met = true;
      if (operation !== "TransactWriteItems") throw new DynamoDbError("TransactionConflictException", "ongoing");
      throw new DynamoDbError("TransactionCanceledException", "cancelled", {
        CancellationReasons: [{ Code: "TransactionConflict" }, { Code: "None" }],
      });
    };
  };

  test("of a put is a conflict that tells nothing", async () => {
    dynamo.meddle(conflict());
    expect(await ports.log.put(`g-${randomId()}`, entryAt(1))).toEqual({ landed: false, found: undefined });
  });

  test("of a landing is a conflict", async () => {
    const write = creation();
    dynamo.meddle(conflict());
    expect(await ports.landing.land(write)).toEqual({ kind: "conflict" });
    expect(await ports.landing.land(write)).toEqual({ kind: "landed" });
  });

  test("a reason that nobody expects is thrown", async () => {
    dynamo.meddle(() => {
      throw new DynamoDbError("TransactionCanceledException", "cancelled", {
        CancellationReasons: [{ Code: "ValidationError" }, { Code: "None" }],
      });
    });
    await expect(ports.landing.land(creation())).rejects.toThrow("cancelled");
  });
});

test("keys that a batch left over are asked for again, until it is enough", async () => {
  const accounts = Array.from({ length: 4 }, () => randomId());
  for (const account of accounts) {
    await ports.connections.register(account, "d", { connection: account, connectedAt: 1, lease: 2 }, 9);
  }
  type Batch = { RequestItems: Record<string, { Keys: unknown[] }> };
  dynamo.meddle(async (operation, input, call) => {
    const { Keys } = (input as Batch).RequestItems["Connections"]!;
    const one = (keys: unknown[]) => ({ Connections: { Keys: keys, ConsistentRead: true } });
    const output = await call(operation, { RequestItems: one(Keys.slice(0, 1)) });
    return { ...output, UnprocessedKeys: Keys.length > 1 ? one(Keys.slice(1)) : {} };
  });
  expect((await ports.connections.of(accounts)).size).toBe(4);
  dynamo.meddle((_operation, input) =>
    Promise.resolve({ Responses: {}, UnprocessedKeys: (input as Batch).RequestItems }),
  );
  await expect(ports.connections.of(accounts)).rejects.toThrow("left over");
});

test("a message of 352 bytes is one write unit", async () => {
  const conversation = `d-${randomId(32)}`;
  const payload = { inline: randomId(352) };
  const {
    kind: _kind,
    account: _account,
    roster: _roster,
    ...common
  } = { ...entryAt(1_000_000), roster: 0, account: 0 };
  const times = { at: 1_900_000_000_000, expires: 1_907_000_000_000, ttl: 1_907_100_000 };
  await ports.log.put(conversation, { ...common, ...times, kind: "message", payload });
  const [item] = (await dynamo.items("Log")).filter(({ conversation: { S } = { S: "" } }) => S === conversation);
  // Names and values; a number takes about a byte for two digits, and one more.
  const size = Object.entries(item!).reduce((sum, [name, value]) => {
    const [[type, of]] = Object.entries(value) as [[string, string]];
    return (
      sum + name.length + (type === "N" ? Math.ceil(of.length / 2) + 1 : type === "B" ? (of.length * 3) / 4 : of.length)
    );
  }, 0);
  expect(size).toBeLessThan(600);
});

describe("key packages that have ended", () => {
  const at = 1_700_000_000_500;
  const clock = { now: () => at, sleep: () => Promise.resolve() };
  const keyPackage = (notAfter: number) => ({ hash: randomId(32), data: randomId(10), notAfter });
  const keyPackages = () => dynamoKeyPackages(dynamo.client, "Directory", seededRandom("ended"), clock);

  test("are told by the second", async () => {
    const [account, device] = [randomId(), randomId(32)];
    const good = keyPackage(1_700_000_000);
    for (const one of [keyPackage(1_699_999_999), good]) await keyPackages().add(account, device, one);
    expect(await keyPackages().count(account, device)).toBe(1);
    expect(await keyPackages().take(account, device)).toEqual(good);
  });

  test("are passed over, however many there are before one that holds", async () => {
    const [account, device] = [randomId(), randomId(32)];
    // In the order of the table, which is that of the hashes.
    const ended = Array.from({ length: 120 }, () => ({ ...keyPackage(1), hash: `A${randomId(32).slice(1)}` }));
    const good = { ...keyPackage(1_800_000_000), hash: `_${randomId(32).slice(1)}` };
    await Promise.all([...ended, good].map((one) => keyPackages().add(account, device, one)));
    expect(await keyPackages().take(account, device)).toEqual(good);
    expect(await keyPackages().take(account, device)).toBeUndefined();
  });

  test("a last resort that does not say when it ends is none", async () => {
    const [account, device] = [randomId(), randomId(32)];
    await keyPackages().setLastResort(account, device, keyPackage(1_800_000_000));
    dynamo.meddle(async (operation, input, call) => {
      const output = (await call(operation, input)) as { Item?: Record<string, unknown> };
      delete output.Item?.["ttl"];
      return output;
    });
    expect(await keyPackages().lastResort(account, device)).toBeUndefined();
    dynamo.meddle();
    expect(await keyPackages().lastResort(account, device)).toBeDefined();
  });
});
