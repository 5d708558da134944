/** Saying hello, being replaced, being revoked, and being rung. */
import { limits } from "@tacit/protocol";
import { accountRecordOf, certify, newKey, sha256, deviceIdOf, type Identity } from "../../bench/rawDevice.ts";
import type { Connections } from "../../lambdas/ports.ts";
import { forget } from "../../lambdas/core/forget.ts";
import {
  answered,
  ask,
  group,
  hour,
  keyPackage,
  message,
  minute,
  newStage,
  payload,
  person,
  pushes,
  socketOf,
  type Device,
} from "./stage.ts";

const hello = (device: Device) => ask(device, "hello", {});
const registrationOf = async ({ stage, caller }: Device) =>
  (await stage.relay.connections.of([caller.account])).get(caller.account)?.get(caller.device);

/** Gives `owner`'s account a second device, and returns its identity. */
async function secondDevice(
  owner: Device,
): Promise<{ identity: Identity; record: ReturnType<typeof accountRecordOf> }> {
  const { identity } = owner;
  const deviceKey = newKey();
  const current = (await owner.stage.relay.directory.get(identity.account))!;
  const record = accountRecordOf(identity, {
    version: 2,
    previous: sha256(Buffer.from(current.signed.payload, "base64url")),
    devices: [certify(identity), certify(identity, deviceKey)],
  });
  expect((await ask(owner, "putAccount", { record })).ok).toMatchObject({ version: 2 });
  return { identity: { ...identity, deviceKey, device: deviceIdOf(deviceKey) }, record };
}

describe("hello", () => {
  test("registers until the token ends, or the connection does", async () => {
    const stage = newStage();
    const alice = await person(stage, "alice");
    expect((await hello(alice)).ok).toEqual({
      account: "alice",
      device: alice.caller.device,
      scope: "full",
      serverTime: stage.now,
      leaseUntil: stage.now + hour,
    });
    const long = socketOf(stage, alice.identity, { expires: stage.now + 9 * hour, connectedAt: stage.now + 1 });
    expect((await hello(long)).ok?.leaseUntil).toBe(stage.now + 1 + limits.connectionLifetime);
  });

  test("said again, it writes nothing; after a loss, it repairs", async () => {
    const stage = newStage();
    const alice = await person(stage, "alice");
    const registered: string[] = [];
    const connections = {
      ...stage.relay.connections,
      register: (...args: Parameters<Connections["register"]>) => {
        registered.push(args[1]);
        return stage.relay.connections.register(...args);
      },
    };
    const watched = { ...alice, stage: { ...stage, relay: { ...stage.relay, connections } } };
    await hello(watched);
    expect(registered).toEqual([]);
    await stage.relay.connections.unregister("alice", alice.caller.device, alice.caller.connection);
    expect((await ask(alice, "readInbox", {})).error?.code).toBe("not_registered");
    await hello(watched);
    expect(registered).toEqual([alice.caller.device]);
    expect((await ask(alice, "readInbox", {})).ok).toBeDefined();
  });

  test("the newer socket wins, in whatever order they say it", async () => {
    const stage = newStage();
    const alice = await person(stage, "alice");
    const newer = socketOf(stage, alice.identity, { connectedAt: stage.now + 2 });
    const between = socketOf(stage, alice.identity, { connectedAt: stage.now + 1 });
    expect((await hello(newer)).ok).toBeDefined();
    expect(pushes(alice, "bye")).toEqual([{ push: "bye", code: "superseded" }]);
    expect(stage.memory.closed).toEqual([alice.caller.connection]);
    expect(await hello(between)).toMatchObject({
      error: { code: "superseded", retryable: false },
      closes: "superseded",
    });
    expect((await ask(alice, "readInbox", {})).closes).toBe("superseded");
    expect((await registrationOf(newer))?.connection).toBe(newer.caller.connection);
  });

  test("a socket that is to go is answered, told why, and closed", async () => {
    const stage = newStage();
    const alice = await person(stage, "alice");
    const none = socketOf(stage, alice.identity, { scope: "none", reason: "clock_skew" });
    expect(await answered(none, JSON.stringify({ id: "7", op: "hello" }))).toBeUndefined();
    const frames = stage.memory.posted.filter(({ connection }) => connection === none.caller.connection);
    expect(frames.map(({ frame }) => frame)).toMatchObject([
      { id: "7", error: { code: "clock_skew", retryable: true, serverTime: stage.now } },
      { push: "bye", code: "clock_skew" },
    ]);
    expect(stage.memory.closed).toEqual([none.caller.connection]);
  });

  test("a lease that ends, ends", async () => {
    const stage = newStage();
    const alice = await person(stage, "alice");
    stage.now += hour;
    expect(await hello(alice)).toMatchObject({
      error: { code: "lease_expired", retryable: true },
      closes: "lease_expired",
    });
  });

  test("a device without a certificate is not registered", async () => {
    const stage = newStage();
    const alice = await person(stage, "alice");
    const stranger = socketOf(stage, { ...alice.identity, device: deviceIdOf(newKey()) }, { scope: "register" });
    expect((await hello(stranger)).ok?.scope).toBe("register");
    expect(await registrationOf(stranger)).toBeUndefined();
  });
});

test("the older socket is closed, also where the database's client wrote the registration twice", async () => {
  const stage = newStage();
  const alice = await person(stage, "alice");
  const { connections } = stage.relay;
  const register: typeof connections.register = async (...args) => {
    await connections.register(...args);
    return connections.register(...args);
  };
  const twice = { ...stage, relay: { ...stage.relay, connections: { ...connections, register } } };
  await hello(socketOf(twice, alice.identity, { connectedAt: stage.now + 1 }));
  expect(stage.memory.closed).toEqual([alice.caller.connection]);
});

describe("disconnect", () => {
  test("removes its own registration alone", async () => {
    const stage = newStage();
    const alice = await person(stage, "alice");
    const newer = socketOf(stage, alice.identity, { connectedAt: stage.now + 1 });
    await hello(newer);
    await forget(stage.relay.connections, alice.caller);
    expect((await registrationOf(newer))?.connection).toBe(newer.caller.connection);
    await forget(stage.relay.connections, newer.caller);
    expect(await registrationOf(newer)).toBeUndefined();
  });
});

describe("revocation", () => {
  async function revoked() {
    const stage = newStage();
    const alice = await person(stage, "alice");
    const { identity, record } = await secondDevice(alice);
    const lost = socketOf(stage, identity);
    await hello(lost);
    await ask(lost, "publishKeyPackages", { keyPackages: [keyPackage(1)], lastResort: keyPackage(2) });
    const next = accountRecordOf(alice.identity, {
      version: 3,
      previous: sha256(Buffer.from(record.payload, "base64url")),
      revoked: [identity.device],
    });
    return { stage, alice, lost, next };
  }

  test("takes the socket, the registration and the key packages", async () => {
    const { stage, alice, lost, next } = await revoked();
    expect((await ask(alice, "putAccount", { record: next })).ok).toMatchObject({ version: 3 });
    expect(pushes(lost, "bye")).toEqual([{ push: "bye", code: "device_revoked" }]);
    expect(stage.memory.closed).toEqual([lost.caller.connection]);
    expect(await registrationOf(lost)).toBeUndefined();
    expect(await stage.relay.keyPackages.count("alice", lost.caller.device)).toBe(0);
    expect(await stage.relay.keyPackages.lastResort("alice", lost.caller.device)).toBeUndefined();
    // It does not come back by saying hello on a socket that nobody closed, and asks nothing without.
    expect((await ask(lost, "readInbox", {})).error?.code).toBe("not_registered");
    expect(await hello(lost)).toMatchObject({ error: { code: "device_revoked" }, closes: "device_revoked" });
    expect(await registrationOf(lost)).toBeUndefined();
    // A repetition of the record is success.
    expect((await ask(alice, "putAccount", { record: next })).ok).toMatchObject({ version: 3 });
  });

  test("a repetition ends what the first request left half done", async () => {
    const { stage, alice, lost, next } = await revoked();
    const { keyPackages } = stage.relay;
    const failing = { ...keyPackages, clear: () => Promise.reject(new Error("outage")) };
    const broken = { ...alice, stage: { ...stage, relay: { ...stage.relay, keyPackages: failing } } };
    expect((await ask(broken, "putAccount", { record: next })).error?.code).toBe("internal");
    expect((await ask(alice, "putAccount", { record: next })).ok).toMatchObject({ version: 3 });
    expect(await keyPackages.count("alice", lost.caller.device)).toBe(0);
    expect(pushes(lost, "bye")).toHaveLength(1);
  });

  test("a socket that never said hello appends nothing", async () => {
    const { stage, alice, lost, next } = await revoked();
    const conversation = await group([alice]);
    const silent = socketOf(stage, lost.identity);
    const send = () => ask(silent, "append", { conversation, turn: 1, entries: [message()] });
    expect((await send()).error?.code).toMatch(/superseded|not_registered/);
    await ask(alice, "putAccount", { record: next });
    expect((await send()).error?.code).toBe("not_registered");
    expect((await ask(alice, "read", { conversation, after: 1 })).ok?.entries).toEqual([]);
  });

  test("against a hello at the same time: whichever comes first, the device ends unregistered", async () => {
    for (let at = 0; at < 4; at++) {
      const { stage, alice, lost, next } = await revoked();
      await stage.relay.connections.unregister("alice", lost.caller.device, lost.caller.connection);
      // The revocation happens before the hello's step number `at`.
      let step = 0;
      const before = async (): Promise<void> => {
        if (step++ === at) await ask(alice, "putAccount", { record: next });
      };
      const { connections, directory } = stage.relay;
      const relay = {
        ...stage.relay,
        connections: {
          ...connections,
          of: (...args: Parameters<typeof connections.of>) => before().then(() => connections.of(...args)),
          register: (...args: Parameters<typeof connections.register>) =>
            before().then(() => connections.register(...args)),
        },
        directory: { ...directory, get: (account: string) => before().then(() => directory.get(account)) },
      };
      await hello({ ...lost, stage: { ...stage, relay } });
      if (at === 3) await ask(alice, "putAccount", { record: next });
      expect(await registrationOf(lost)).toBeUndefined();
    }
  });

  test("an append of a device that is being revoked lands, and is the last", async () => {
    const { stage, alice, lost, next } = await revoked();
    const conversation = await group([alice]);
    await ask(alice, "putAccount", { record: next });
    expect(await ask(lost, "append", { conversation, turn: 1, entries: [message()] })).toMatchObject({
      ok: { accepted: [{ seq: 2 }] },
      closes: "device_revoked",
    });
    expect(stage.memory.unexpected).toEqual([]);
  });
});

describe("doorbells", () => {
  test("a socket that is gone is forgotten; one that registered meanwhile is not", async () => {
    const stage = newStage();
    const alice = await person(stage, "alice");
    const bob = await person(stage, "bob");
    const conversation = await group([alice, bob]);
    stage.memory.gone.add(bob.caller.connection);
    await ask(alice, "append", { conversation, turn: 1, entries: [message()] });
    expect(await registrationOf(bob)).toBeUndefined();

    await hello(bob);
    const newer = socketOf(stage, bob.identity, { connectedAt: stage.now + 1 });
    const { sockets } = stage.relay;
    const post: typeof sockets.post = async (connection, frame) => {
      if (connection === bob.caller.connection) await hello(newer);
      return sockets.post(connection, frame);
    };
    const racing = { ...alice, stage: { ...stage, relay: { ...stage.relay, sockets: { ...sockets, post } } } };
    await ask(racing, "append", { conversation, turn: 1, entries: [message()] });
    expect((await registrationOf(bob))?.connection).toBe(newer.caller.connection);
  });

  test("one that fails does not fail the message", async () => {
    const stage = newStage();
    const alice = await person(stage, "alice");
    const bob = await person(stage, "bob");
    const conversation = await group([alice, bob]);
    const sockets = { ...stage.relay.sockets, post: () => Promise.resolve("failed" as const) };
    const deaf = { ...alice, stage: { ...stage, relay: { ...stage.relay, sockets } } };
    expect((await ask(deaf, "append", { conversation, turn: 1, entries: [message()] })).ok).toBeDefined();
    expect(await registrationOf(bob)).toBeDefined();
  });

  test("a socket whose lease is over is not rung", async () => {
    const stage = newStage();
    const alice = await person(stage, "alice");
    const bob = await person(stage, "bob");
    const conversation = await group([alice, bob]);
    stage.now += 2 * hour - minute;
    const back = socketOf(stage, alice.identity);
    await hello(back);
    const before = pushes(bob, "entries").length;
    await ask(back, "append", { conversation, turn: 1, entries: [message()] });
    expect(pushes(bob, "entries")).toHaveLength(before);
  });

  test("signals ring the others, and leave nothing behind", async () => {
    const stage = newStage();
    const alice = await person(stage, "alice");
    const bob = await person(stage, "bob");
    const conversation = await group([alice, bob]);
    const signal = { conversation, payload: payload(3).inline };
    expect((await ask(alice, "signal", signal)).ok).toEqual({});
    expect(pushes(bob, "signal")).toEqual([{ push: "signal", ...signal }]);
    expect(pushes(alice, "signal")).toEqual([]);
    const current = stage.memory.tables.conversations.get(conversation)!;
    const roster = ["alice", ...Array.from({ length: limits.signalAccounts }, (_, i) => `a${i}`)];
    stage.memory.tables.conversations.set(conversation, { ...current, roster });
    expect((await ask(alice, "signal", signal)).error?.code).toBe("limit_exceeded");
  });
});
