/** What one device sends to another: who may, how much, and who reads it. */
import { limits, type Request } from "@tacit/protocol";
import { deviceIdOf, newIdentity, newKey, randomId, sha256 } from "../../bench/rawDevice.ts";
import {
  ask,
  commitOf,
  creation,
  group,
  hour,
  newStage,
  payload,
  person,
  pushes,
  sibling,
  socketOf,
  welcomeFor,
  type Device,
} from "./stage.ts";

async function pair() {
  const stage = newStage();
  const alice = await person(stage, "alice");
  const bob = await person(stage, "bob");
  const conversation = await group([alice, bob]);
  return { stage, alice, bob, conversation };
}

/** A device of `owner`'s account that has a token and nothing else. */
const newcomer = (owner: Device): Device => {
  const deviceKey = newKey();
  const identity = { ...owner.identity, deviceKey, device: deviceIdOf(deviceKey) };
  return socketOf(owner.stage, identity, { scope: "register" });
};

const send = (from: Device, to: Device, more: Partial<Request<"sendInbox">> = {}) =>
  ask(from, "sendInbox", {
    account: to.caller.account,
    device: to.caller.device,
    message: randomId(),
    payload: payload(5),
    ...more,
  });
const read = async (device: Device) => (await ask(device, "readInbox", {})).ok!.items;

test("between two who share a conversation: it rings, says who sent it, and goes when it is acknowledged", async () => {
  const { stage, alice, bob, conversation } = await pair();
  // The Welcome.
  await ask(bob, "acknowledgeInbox", { ids: (await read(bob)).map(({ id }) => id) });
  expect((await send(alice, bob, { conversation })).ok).toEqual({});
  const { account, device } = alice.caller;
  const [item] = await read(bob);
  expect(item).toEqual({
    kind: "message",
    id: expect.stringMatching(/^[0-9a-f]{12}[A-Za-z0-9_-]{22}$/) as string,
    account,
    device,
    payload: payload(5),
    at: stage.now,
  });
  expect(pushes(bob, "inbox").length).toBeGreaterThan(0);
  expect(await read(alice)).toEqual([]);
  await ask(alice, "acknowledgeInbox", { ids: [item!.id] });
  expect(await read(bob)).toHaveLength(1);
  await ask(bob, "acknowledgeInbox", { ids: [item!.id] });
  expect(await read(bob)).toEqual([]);
});

test("the same again, also an hour later, is one message; another id is another", async () => {
  const { stage, alice, bob, conversation } = await pair();
  const before = (await read(bob)).length;
  const message = randomId();
  await send(alice, bob, { conversation, message });
  stage.now += hour / 2;
  await send(alice, bob, { conversation, message, payload: payload(6) });
  const items = await read(bob);
  expect(items).toHaveLength(before + 1);
  expect(items.find(({ kind }) => kind === "message")).toMatchObject({ payload: payload(6) });
  await send(alice, bob, { conversation });
  // Another device's id is its own.
  const tablet = await sibling(alice);
  await send(tablet, bob, { conversation, message });
  expect(await read(bob)).toHaveLength(before + 3);
});

test("messages lie in the order in which they were sent, among the Welcomes", async () => {
  const { stage, alice, bob, conversation } = await pair();
  for (let fill = 1; fill <= 3; fill++) {
    stage.now += 1_000;
    await send(alice, bob, { conversation, payload: payload(fill) });
  }
  const items = await read(bob);
  expect(items.map(({ kind }) => kind)).toEqual(["welcome", "message", "message", "message"]);
  expect(items.slice(1).map((item) => item.payload)).toEqual([payload(1), payload(2), payload(3)]);
});

test("linking: a device without a certificate and its siblings reach each other", async () => {
  const { stage, alice, bob, conversation } = await pair();
  const phone = newcomer(alice);
  expect((await send(phone, alice, { payload: payload(1, limits.inboxPayload) })).ok).toEqual({});
  expect(pushes(alice, "inbox")).toHaveLength(1);
  expect(await read(alice)).toMatchObject([{ kind: "message", account: "alice", device: phone.caller.device }]);
  expect((await send(alice, phone)).ok).toEqual({});
  const [answer] = await read(phone);
  expect(answer).toMatchObject({ kind: "message", device: alice.caller.device });
  // Nothing rings it: it is never registered, whatever it says.
  expect((await ask(phone, "hello", {})).ok?.scope).toBe("register");
  expect((await stage.relay.connections.of(["alice"])).get("alice")?.has(phone.caller.device)).toBe(false);
  expect((await ask(phone, "acknowledgeInbox", { ids: [answer!.id] })).ok).toEqual({});
  expect(await read(phone)).toEqual([]);
  // And it reaches nobody else.
  expect((await send(phone, bob)).error?.code).toBe("out_of_scope");
  expect((await send(phone, bob, { conversation })).error?.code).toBe("out_of_scope");
  expect((await send(phone, newcomer(alice))).error?.code).toBe("unknown_account");
  const blob = { hash: sha256("x"), size: 10 };
  stage.memory.tables.blobs.set(`staging/${blob.hash}`, { size: 10, modified: stage.now });
  expect((await send(phone, alice, { payload: { blob } })).error?.code).toBe("out_of_scope");
});

test("a device that was revoked while it was being linked is sent away", async () => {
  const { stage, alice } = await pair();
  const tablet = await sibling(alice);
  const old = socketOf(stage, tablet.identity, { scope: "register" });
  expect(await read(old)).toEqual([]);
  const stored = stage.memory.tables.accounts.get("alice")!;
  const revoked = { ...stored, devices: [alice.caller.device], revoked: [tablet.caller.device] };
  stage.memory.tables.accounts.set("alice", revoked);
  for (const op of ["readInbox", "getBackup"] as const) {
    expect(await ask(old, op, {})).toMatchObject({ error: { code: "device_revoked" }, closes: "device_revoked" });
  }
  expect((await send(old, alice)).error?.code).toBe("device_revoked");
});

describe("nobody else:", () => {
  test("a stranger, with or without a conversation that it is not in", async () => {
    const { stage, alice, bob, conversation } = await pair();
    const mallory = await person(stage, "mallory");
    const before = await read(bob);
    expect((await send(mallory, bob)).error?.code).toBe("malformed");
    expect((await send(mallory, bob, { conversation })).error?.code).toBe("not_a_member");
    expect((await send(mallory, bob, { conversation: `g-${randomId()}` })).error?.code).toBe("not_a_member");
    const own = await group([mallory]);
    expect((await send(mallory, bob, { conversation: own })).error?.code).toBe("unknown_account");
    // Nor to a member's device under the account of another member.
    const wrong = { conversation, account: "alice" };
    expect((await send(alice, bob, { ...wrong, account: "bob", device: alice.caller.device })).error?.code).toBe(
      "unknown_account",
    );
    expect(await read(bob)).toEqual(before);
    expect(stage.memory.tables.messages.size).toBe(0);
    // What is refused is not counted.
    expect([...stage.memory.tables.counters.keys()].filter((name) => name.includes("inbox#"))).toEqual([]);
  });

  test("an account that names somebody else's device as its own fills no inbox that anybody reads", async () => {
    const { stage, bob } = await pair();
    const mallory = await person(stage, "mallory");
    const before = await read(bob);
    expect((await send(mallory, mallory, { device: bob.caller.device })).ok).toEqual({});
    expect(await read(bob)).toEqual(before);
    // Not even a place in the partition that bob's device reads.
    expect(stage.memory.tables.inbox.get(bob.caller.device)?.size).toBe(before.length);
    expect([...stage.memory.tables.messages.keys()]).toEqual([`mallory ${bob.caller.device}`]);
  });

  test("whom a commit dropped, though it might mend the roster", async () => {
    const { alice, bob, conversation } = await pair();
    expect((await ask(alice, "commit", commitOf(conversation, { remove: ["bob"] }))).ok).toBeDefined();
    expect((await send(bob, alice, { conversation })).error?.code).toBe("not_a_member");
    expect((await send(alice, bob, { conversation })).error?.code).toBe("unknown_account");
    const restoring = commitOf(conversation, { turn: 2, add: ["bob"] });
    expect((await ask(bob, "commit", restoring)).ok).toBeDefined();
    expect((await send(bob, alice, { conversation })).ok).toEqual({});
  });

  test("a member sends another so much a day, and all others so much an hour", async () => {
    const { stage, alice, bob, conversation } = await pair();
    let sent = 0;
    for (; (await send(alice, bob, { conversation })).ok; sent++);
    expect(sent).toBe(300);
    const { error } = await send(alice, bob, { conversation });
    expect(error).toMatchObject({ code: "rate_limited", retryable: true });
    // Bob is not kept from answering, nor alice from talking to her own devices.
    expect((await send(bob, alice, { conversation })).ok).toEqual({});
    let own = 0;
    for (; (await send(alice, alice)).ok; own++);
    expect(own).toBe(1_000 - sent);
    stage.now += hour;
    const later = { ...alice, caller: { ...alice.caller, expires: Infinity } };
    expect((await send(later, alice)).ok).toEqual({});
  });

  test("a thief with a token alone is counted apart: the account's devices still reach each other", async () => {
    const { stage, alice } = await pair();
    const tablet = await sibling(alice);
    // With as many devices as it likes.
    let sent = 0;
    for (; (await send(newcomer(alice), alice)).ok; sent++);
    expect(sent).toBe(300);
    expect((await send(tablet, alice)).ok).toEqual({});
    const later = { ...newcomer(alice), stage };
    expect((await send(later, alice)).error?.code).toBe("rate_limited");
  });
});

test("what a message refers to is kept", async () => {
  const { stage, alice, bob, conversation } = await pair();
  const { blobs } = stage.memory.tables;
  const blob = { hash: sha256("history"), size: 10 };
  expect((await send(alice, bob, { conversation, payload: { blob } })).error?.code).toBe("blob_missing");
  blobs.set(`staging/${blob.hash}`, { size: 10, modified: stage.now });
  expect((await send(alice, bob, { conversation, payload: { blob } })).ok).toEqual({});
  expect(blobs.has(`kept/${blob.hash}`)).toBe(true);
});

test("reading: many pages, each fits its frame, and nothing is left out or shown twice", async () => {
  const { stage, alice, bob, conversation } = await pair();
  const long = await person(stage, `${'"'.repeat(127)}a`);
  const welcomes = [welcomeFor(bob, long)];
  const shared = { ...creation([long]), roster: [long.caller.account, "bob"], welcomes };
  expect((await ask(long, "createConversation", shared)).ok).toBeDefined();
  for (let i = 0; i < 120; i++) {
    stage.now += 1;
    const [from, into] = i % 2 === 0 ? [alice, conversation] : [long, shared.conversation];
    await send(from, bob, { conversation: into, payload: payload(i, i < 30 ? limits.inboxPayload : 40) });
  }
  const seen: string[] = [];
  let after: string | undefined;
  do {
    const answer: Awaited<ReturnType<typeof ask<"readInbox">>> = await ask(
      bob,
      "readInbox",
      after === undefined ? {} : { after },
    );
    expect(JSON.stringify(answer).length).toBeLessThan(limits.answerFrame);
    seen.push(...answer.ok!.items.map(({ id }) => id));
    after = answer.ok!.next;
  } while (after !== undefined);
  expect(seen).toHaveLength(122);
  expect(new Set(seen).size).toBe(122);
  expect(seen).toEqual([...seen].sort());
});

test("a bell that fails does not fail the message", async () => {
  const { stage, alice, bob, conversation } = await pair();
  const before = (await read(bob)).length;
  const connections = { ...stage.relay.connections };
  const failing = { ...connections, of: (accounts: readonly string[]) => rejecting(accounts) };
  const rejecting = (accounts: readonly string[]) =>
    accounts.includes("bob") ? Promise.reject(new Error("throttled")) : connections.of(accounts);
  const deaf = { ...alice, stage: { ...stage, relay: { ...stage.relay, connections: failing } } };
  expect((await send(deaf, bob, { conversation })).ok).toEqual({});
  expect(stage.memory.unexpected).toHaveLength(1);
  expect(await read(bob)).toHaveLength(before + 1);
});

test("the first device of an account that is not there yet sends to nobody", async () => {
  const stage = newStage();
  const identity = newIdentity("carol");
  const first = socketOf(stage, identity, { scope: "register" });
  expect((await send(first, first)).error?.code).toBe("unknown_account");
  expect(await read(first)).toEqual([]);
});
