/** How fast a device may write, what blobs an entry may refer to, and what happens when something breaks. */
import { dispatch } from "../../lambdas/core/dispatch.ts";
import { sha256 } from "../../bench/rawDevice.ts";
import { limits } from "@tacit/protocol";
import {
  ask,
  commitOf,
  creation,
  group,
  message,
  minute,
  newStage,
  person,
  pushes,
  socketOf,
  type Device,
} from "./stage.ts";

const day = 24 * 60 * minute;

describe("messages a minute", () => {
  async function fast() {
    const stage = newStage({ messagesPerMinute: 64 });
    const alice = await person(stage, "alice");
    const conversation = await group([alice]);
    const send = (device: Device = alice) => ask(device, "append", { conversation, turn: 1, entries: [message()] });
    /** Sends until it is refused. */
    const sendUntilRefused = async (): Promise<number> => {
      for (let sent = 0; sent < 2_000; sent++) if ((await send()).error) return sent;
      throw new Error("never refused");
    };
    return { stage, alice, send, sendUntilRefused };
  }

  test("bite after about as many as they say, and end with the minute", async () => {
    const { stage, send, sendUntilRefused } = await fast();
    const sent = await sendUntilRefused();
    expect(sent).toBeGreaterThan(2);
    expect(sent).toBeLessThan(640);
    const { error } = await send();
    expect(error).toMatchObject({ code: "rate_limited", retryable: true });
    stage.now += error!.retryAfter!;
    expect((await send()).ok).toBeDefined();
  });

  test("another instance learns of it from the next message, and from nothing but what it reads anyway", async () => {
    const { stage, alice, send, sendUntilRefused } = await fast();
    await sendUntilRefused();
    const instance = { ...stage, relay: { ...stage.relay, blocked: new Map() } };
    const elsewhere = { ...alice, stage: instance };
    expect((await send(elsewhere)).ok).toBeDefined();
    expect((await send(elsewhere)).error?.code).toBe("rate_limited");
    // One that has not seen the socket before reads its registration first.
    const fresh = { ...stage, relay: { ...stage.relay, blocked: new Map(), registered: new Set<string>() } };
    expect((await send({ ...alice, stage: fresh })).error?.code).toBe("rate_limited");
    expect((await send(elsewhere)).error?.code).toBe("rate_limited");
    // Other devices are none of its concern.
    expect((await ask(elsewhere, "readInbox", {})).ok).toBeDefined();
  });

  test("to come back through another socket does not help", async () => {
    const { stage, alice, send, sendUntilRefused } = await fast();
    await sendUntilRefused();
    const relay = { ...stage.relay, blocked: new Map(), registered: new Set<string>() };
    const again = socketOf({ ...stage, relay }, alice.identity, { connectedAt: stage.now + 1 });
    expect((await ask(again, "hello", {})).ok).toBeDefined();
    expect((await send(again)).error?.code).toBe("rate_limited");
  });

  test("commits and creations count too", async () => {
    const { alice } = await fast();
    const until = async (request: (turn: number) => Promise<{ error?: { code: string } }>): Promise<string> => {
      for (let turn = 1; turn < 2_000; turn++) {
        const { error } = await request(turn);
        if (error !== undefined) return error.code;
      }
      return "never refused";
    };
    const conversation = await group([alice]);
    expect(await until((turn) => ask(alice, "commit", commitOf(conversation, { turn })))).toBe("rate_limited");
    alice.stage.now += minute;
    expect(await until(() => ask(alice, "createConversation", creation([alice])))).toBe("rate_limited");
  });

  test("about one message in 32 costs a second write", async () => {
    const stage = newStage({ messagesPerMinute: 1_000_000 });
    const alice = await person(stage, "alice");
    const conversation = await group([alice]);
    let writes = 0;
    const { counters } = stage.relay;
    const add: typeof counters.add = (...args) => {
      writes++;
      return counters.add(...args);
    };
    const counted = { ...alice, stage: { ...stage, relay: { ...stage.relay, counters: { add } } } };
    for (let i = 0; i < 640; i++) await ask(counted, "append", { conversation, turn: 1, entries: [message()] });
    expect(writes).toBeGreaterThan(5);
    expect(writes).toBeLessThan(50);
  });
});

describe("blobs", () => {
  const hash = sha256("blob");
  async function writer() {
    const stage = newStage();
    const alice = await person(stage, "alice");
    const conversation = await group([alice]);
    const { blobs } = stage.memory.tables;
    const send = (size = 10) => {
      const entry = { ...message(), payload: { blob: { hash, size } } };
      return ask(alice, "append", { conversation, turn: 1, entries: [entry] });
    };
    return { stage, alice, conversation, blobs, send };
  }

  test("are kept before an entry refers to them", async () => {
    const { stage, alice, conversation, blobs, send } = await writer();
    expect((await send()).error?.code).toBe("blob_missing");
    blobs.set(`staging/${hash}`, { size: 10, modified: stage.now });
    expect((await send(11)).error?.code).toBe("blob_missing");
    expect(blobs.has(`kept/${hash}`)).toBe(false);
    expect((await send()).ok).toBeDefined();
    expect(blobs.get(`kept/${hash}`)).toEqual({ size: 10, modified: stage.now });
    // Also those that only the ciphertext names.
    const [attachment, entry] = [{ hash: sha256("other"), size: 5 }, message()];
    const withBlobs = { conversation, turn: 1, entries: [{ ...entry, blobs: [attachment] }] };
    expect((await ask(alice, "append", withBlobs)).error?.code).toBe("blob_missing");
    blobs.set(`staging/${attachment.hash}`, { size: 5, modified: stage.now });
    expect((await ask(alice, "append", withBlobs)).ok).toBeDefined();
    expect(blobs.has(`kept/${attachment.hash}`)).toBe(true);
  });

  test("one request looks for so many, and the rest comes again", async () => {
    const { alice, conversation, blobs, stage } = await writer();
    const entries = Array.from({ length: 4 }, (_, i) => {
      const own = Array.from({ length: 4 }, (_, j) => ({ hash: sha256(`${i} ${j}`), size: 1 }));
      for (const { hash: name } of own) blobs.set(`staging/${name}`, { size: 1, modified: stage.now });
      return { ...message(), blobs: own };
    });
    const { ok } = await ask(alice, "append", { conversation, turn: 1, entries });
    expect(ok?.accepted).toHaveLength(2);
    const rest = await ask(alice, "append", { conversation, turn: 1, entries: entries.slice(2) });
    expect(rest.ok?.accepted).toHaveLength(2);
  });

  test("an account uploads a gigabyte an hour", async () => {
    const { stage, alice } = await writer();
    const upload = () => ask(alice, "uploadBlob", { hash, size: limits.blob });
    for (let i = 0; i < 2 ** 30 / limits.blob; i++) expect((await upload()).ok).toBeDefined();
    const { error } = await upload();
    expect(error).toMatchObject({ code: "rate_limited", retryable: true });
    stage.now += error!.retryAfter!;
    const later = { ...alice, caller: { ...alice.caller, expires: Infinity } };
    expect((await ask(later, "uploadBlob", { hash, size: 1 })).ok).toBeDefined();
  });

  test("live anew when an entry refers to them later", async () => {
    const { stage, blobs, send } = await writer();
    const kept = stage.now - 2 * day;
    blobs.set(`kept/${hash}`, { size: 10, modified: kept });
    await send();
    expect(blobs.get(`kept/${hash}`)?.modified).toBe(stage.now);
    await send();
    expect(blobs.get(`kept/${hash}`)?.modified).toBe(stage.now);
  });

  test("are found where they are", async () => {
    const { alice, blobs } = await writer();
    const download = async () => (await ask(alice, "downloadBlob", { hash })).ok?.url;
    expect(await download()).toBeUndefined();
    blobs.set(`staging/${hash}`, { size: 10, modified: 0 });
    expect(await download()).toBe(`memory:staging/${hash}`);
    blobs.set(`kept/${hash}`, { size: 10, modified: 0 });
    expect(await download()).toBe(`memory:kept/${hash}`);
    expect((await ask(alice, "uploadBlob", { hash, size: 10 })).ok?.url).toBe(`memory:staging/${hash}`);
  });

  test("a stranger does not make the relay look for them", async () => {
    const { stage, conversation, blobs } = await writer();
    const mallory = await person(stage, "mallory");
    blobs.set(`staging/${hash}`, { size: 10, modified: stage.now });
    const entry = { ...message(), payload: { blob: { hash, size: 10 } } };
    const { error } = await ask(mallory, "append", { conversation, turn: 1, entries: [entry] });
    expect([error?.code, blobs.has(`kept/${hash}`)]).toEqual(["not_a_member", false]);
  });
});

describe("what nobody expected", () => {
  test("after a message has landed is reported, and the message accepted", async () => {
    const stage = newStage();
    const alice = await person(stage, "alice");
    const conversation = await group([alice]);
    const connections = { ...stage.relay.connections, of: () => Promise.reject(new Error("throttled")) };
    const deaf = { ...alice, stage: { ...stage, relay: { ...stage.relay, connections } } };
    const { ok } = await ask(deaf, "append", { conversation, turn: 1, entries: [message()] });
    expect(ok?.accepted).toHaveLength(1);
    expect(stage.memory.unexpected).toHaveLength(1);
  });

  test("between two messages of one request: the first is told, and rung", async () => {
    const stage = newStage();
    const [alice, bob] = [await person(stage, "alice"), await person(stage, "bob")];
    const conversation = await group([alice, bob]);
    const before = pushes(bob, "entries").length;
    const { log } = stage.relay;
    let puts = 0;
    const put: typeof log.put = (...args) => (puts++ === 1 ? Promise.reject(new Error("outage")) : log.put(...args));
    const failing = { ...alice, stage: { ...stage, relay: { ...stage.relay, log: { ...log, put } } } };
    const { ok } = await ask(failing, "append", { conversation, turn: 1, entries: [message(), message()] });
    expect(ok?.accepted.map(({ seq }) => seq)).toEqual([2]);
    expect(pushes(bob, "entries").slice(before)).toMatchObject([{ seq: 2 }]);
    expect(stage.memory.unexpected).toHaveLength(1);
  });

  test("is answered without a word of what failed, and reported with the request's id", async () => {
    const stage = newStage();
    const alice = await person(stage, "alice");
    const failure = new Error("secret: table, bucket, content");
    const inbox = { ...stage.relay.inbox, page: () => Promise.reject(failure) };
    const broken = { ...alice, stage: { ...stage, relay: { ...stage.relay, inbox } } };
    const { error } = await ask(broken, "readInbox", {});
    expect(error).toEqual({
      code: "internal",
      retryable: true,
      message: "something went wrong here",
      requestId: "request-1",
    });
    expect(stage.memory.unexpected).toEqual([failure]);
  });

  test("a frame that is none is answered too, and tells nobody's id", async () => {
    const stage = newStage();
    const alice = socketOf(stage, (await person(stage, "alice")).identity);
    const { frame } = await dispatch(stage.relay, alice.caller, "");
    expect(JSON.parse(frame)).toMatchObject({ id: null, error: { code: "malformed" } });
  });
});
