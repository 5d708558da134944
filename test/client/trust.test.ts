/** People who compare numbers, block each other, lose all their devices and come back: with whole clients. */
import { connect, type Client, type ClientEvents, type Conversation, type Store } from "@tacit/client";
import { memoryStore } from "@tacit/client/memory";
import { newRecoveryCode } from "../../client/src/session/identity/recoveryCode.ts";
import { say } from "./support/conversations.ts";
import { provider } from "./support/devices.ts";
import { codeOf } from "./support/household.ts";
import { history, stage, suite, take, type Stage } from "./support/stage.ts";

const hour = 3_600_000;

type More = Omit<Partial<Parameters<typeof connect>[0]>, "store">;

function connected({ relay, clock }: Stage, account: string, store: Store, more: More): Promise<Client> {
  const { url, transport, blobs } = relay;
  return connect({ url, token: relay.token(account), store, suite, transport, blobs, clock, ...more });
}

/** The first message in the conversation that is `text`. */
async function shows({ clock }: Stage, conversation: Conversation, text: string): Promise<void> {
  const seen = (async () => {
    for await (const message of conversation.messages()) if (message.text === text) return;
  })();
  await clock.until(seen, 24 * hour);
}

/** A direct conversation and a group of two, both accepted, in which something was said. */
async function acquainted(
  world: Stage,
  alice: Client,
  bob: Client,
): Promise<{ readonly direct: Conversation; readonly group: Conversation }> {
  const { clock } = world;
  const direct = await clock.until(alice.conversation({ with: ["bob"] }));
  const group = await clock.until(alice.createGroup({ title: "Tea", members: ["bob"] }));
  await say(world, direct, "hello bob");
  await say(world, group, "one lump?");
  await clock.settle();
  for (const each of bob.conversations()) if (each.state.current === "requested") await clock.until(each.accept());
  return { direct, group };
}

describe("what is decided about people", () => {
  it.each<[string, (alice: Client, qr: string) => Promise<unknown>]>([
    ["that they were compared", (alice, qr) => alice.verify("bob", qr)],
    ["that they are blocked", (alice) => alice.block("bob")],
  ])("%s: is in the next backup", async (_what, decide) => {
    const world = stage();
    const { clock, relay } = world;
    const [alice, bob] = [await world.arrive("alice"), await world.arrive("bob")];
    const { qr } = await clock.until(alice.safetyNumber("bob"));
    await clock.until(alice.createRecoveryCode());
    await clock.advance(3 * hour);
    let puts = 0;
    relay.filter = ({ direction, frame }) => {
      if (direction === "up" && frame.op === "putBackup") puts++;
      return true;
    };
    await clock.advance(3 * hour);
    expect(puts).toBe(0);
    await clock.until(decide(alice, qr));
    await clock.advance(3 * hour);
    expect(puts).toBe(1);
    for (const client of [alice, bob]) await clock.until(client.close());
  });
});

describe("two people who compare", () => {
  it("have the same number, and know each other from then on", async () => {
    const world = stage();
    const { clock } = world;
    const store = memoryStore();
    const [alice, bob, carol] = [
      await world.arrive("alice", { store }),
      await world.arrive("bob"),
      await world.arrive("carol"),
    ];
    const atAlice = await clock.until(alice.safetyNumber("bob"));
    const atBob = await clock.until(bob.safetyNumber("alice"));
    expect(atAlice).toEqual(atBob);
    expect(alice.contact("bob")).toMatchObject({ account: "bob", verified: false, blocked: false, keyChanged: false });
    expect(alice.contact("bob")!.accountKeyFingerprint).toMatch(/^[0-9a-f]{64}$/);

    // Somebody else's number, one's own scanned back to front, no number at all.
    expect(await clock.until(alice.verify("bob", (await clock.until(carol.safetyNumber("alice"))).qr))).toBe(false);
    expect(await clock.until(alice.verify("bob", (await clock.until(bob.safetyNumber("carol"))).text))).toBe(false);
    expect(await clock.until(codeOf(alice.verify("bob", "https://example.org")))).toBe("invalid_argument");
    expect(await clock.until(codeOf(alice.verify("alice", atBob.qr)))).toBe("invalid_argument");
    expect(await clock.until(codeOf(alice.safetyNumber("nobody")))).toBe("unknown_account");
    expect(alice.contact("bob")!.verified).toBe(false);

    expect(await clock.until(alice.verify("bob", atBob.qr))).toBe(true);
    expect(await clock.until(bob.verify("alice", atAlice.text))).toBe(true);
    expect(alice.contact("bob")!.verified).toBe(true);
    await alice.close();
    const again = await world.arrive("alice", { store: store.reopen() });
    expect(again.contact("bob")!.verified).toBe(true);
    for (const client of [again, bob, carol]) await client.close();
  });

  it("see it where the key changes, and may accept the new one by comparing it", async () => {
    const world = stage();
    const { clock, relay } = world;
    const [alice, bob] = [await world.arrive("alice"), await world.arrive("bob")];
    await clock.until(alice.verify("bob", (await clock.until(bob.safetyNumber("alice"))).qr));
    await bob.close();
    relay.tables.accounts.delete("bob");
    relay.tables.keyPackages.clear();
    relay.tables.lastResorts.clear();
    const other = await world.arrive("bob");
    expect(await clock.until(codeOf(alice.conversation({ with: ["bob"] })))).toBe("identity_changed");
    expect(alice.contact("bob")).toMatchObject({ verified: false, keyChanged: true, proven: false });
    const number = await clock.until(other.safetyNumber("alice"));
    expect(await clock.until(alice.safetyNumber("bob"))).toEqual(number);
    expect(await clock.until(alice.verify("bob", number.text))).toBe(true);
    expect(alice.contact("bob")).toMatchObject({ verified: true, keyChanged: false });
    const chat = await clock.until(alice.conversation({ with: ["bob"] }));
    await say(world, chat, "it is you");
    await alice.close();
    await other.close();
  });
});

describe("an account that was reset: its items in the Directory were deleted", () => {
  it("begins anew: people are told, direct conversations go on, groups remove it and invite it", async () => {
    const world = stage();
    const { clock, relay } = world;
    const [alice, bob] = [await world.arrive("alice"), await world.arrive("bob")];
    const { direct, group } = await acquainted(world, alice, bob);
    const other = await clock.until(alice.createGroup({ title: "Sugar", members: ["bob"] }));
    const changed: ClientEvents["identityChanged"][] = [];
    alice.on("identityChanged", (event) => changed.push(event));
    const equivocations: unknown[] = [];
    alice.on("relayEquivocation", (event) => equivocations.push(event));

    relay.tables.accounts.delete("bob");
    for (const packages of [relay.tables.keyPackages, relay.tables.lastResorts]) {
      for (const name of packages.keys()) if (name.startsWith("bob ")) packages.delete(name);
    }
    relay.cut("bob");
    await clock.advance(60_000);
    expect(bob.connection.current).toMatchObject({ status: "closed", reason: { code: "device_not_linked" } });

    const fresh = await world.arrive("bob");
    expect(fresh.conversations()).toEqual([]);
    // The conversation is there already, and this device is not in it: it goes on by itself.
    expect(await codeOf(clock.until(fresh.conversation({ with: ["alice"] })))).toBe("cannot_follow");
    const again = fresh.conversations()[0]!;
    await again.send({ text: "my phone is gone" });
    await shows(world, direct, "my phone is gone");
    expect(changed).toEqual([{ account: "bob", proven: false }]);
    expect(equivocations).toEqual([]);
    expect(await codeOf(direct.send({ text: "is that you?" }))).toBe("identity_changed");
    expect(alice.contact("bob")).toMatchObject({ verified: false, keyChanged: true, proven: false });
    const number = await clock.until(fresh.safetyNumber("alice"));
    expect(await clock.until(alice.verify("bob", number.text))).toBe(true);
    await say(world, direct, "it is you");
    await shows(world, again, "it is you");

    // A group can be left all the same.
    expect(await codeOf(clock.until(other.setTitle("Milk")))).toBe("identity_changed");
    await clock.until(other.leave());
    expect(other.state.current).toBe("ended");

    // The group has the device that is gone, of the key before.
    expect(group.info.current.members[1]!.devices).toEqual([bob.device]);
    expect(await codeOf(group.remove(["bob"]))).toBe("identity_changed");
    await clock.until(alice.acceptIdentity("bob"));
    await clock.until(group.remove(["bob"]));
    await clock.until(group.invite(["bob"]));
    await clock.settle();
    expect(group.info.current.members[1]!.devices).toEqual([fresh.device]);
    const tea = fresh.conversations().find(({ kind }) => kind === "group")!;
    await say(world, group, "another lump?");
    await shows(world, tea, "another lump?");
    for (const client of [alice, bob, fresh]) await clock.until(client.close());
  });
});

describe("somebody who is blocked", () => {
  it("is not heard from, also after a restart, until unblocked", async () => {
    const world = stage();
    const { clock } = world;
    const store = memoryStore();
    const [alice, mallory] = [await world.arrive("alice", { store }), await world.arrive("mallory")];
    await alice.block("mallory");
    expect(alice.contact("mallory")).toMatchObject({ blocked: true, accountKeyFingerprint: undefined });
    await alice.close();
    const again = await world.arrive("alice", { store: store.reopen() });
    expect(again.contact("mallory")).toMatchObject({ blocked: true });
    const chat = await clock.until(mallory.conversation({ with: ["alice"] }));
    await say(world, chat, "hello?");
    await clock.settle();
    expect(again.conversations()).toEqual([]);
    await again.unblock("mallory");
    expect(again.contact("mallory")?.blocked ?? false).toBe(false);
    await again.close();
    await mallory.close();
  });
});

describe("somebody who lost all devices", () => {
  it("comes back with everything, and into the conversations as soon as the others trust the new key", async () => {
    const world = stage();
    const { clock, relay } = world;
    const [alice, bob] = [await world.arrive("alice"), await world.arrive("bob")];
    const { direct, group } = await acquainted(world, alice, bob);
    const bobs = bob.conversations();
    await say(
      world,
      bobs.find(({ kind }) => kind === "group")!,
      "two",
    );
    await shows(world, group, "two");
    await clock.until(alice.verify("bob", (await clock.until(bob.safetyNumber("alice"))).qr));
    expect(alice.backup.current.status).toBe("off");
    const code = await clock.until(alice.createRecoveryCode());
    expect(alice.backup.current.status).toBe("ok");
    await alice.close();

    const changed: ClientEvents["identityChanged"][] = [];
    bob.on("identityChanged", (event) => changed.push(event));
    const codes: string[] = [];
    const store = memoryStore();
    const recover = { code, onNewCode: (fresh: string) => void codes.push(fresh) };
    const laptop = await clock.until(connected(world, "alice", store, { recover }));
    const failures: unknown[] = [];
    laptop.on("failure", (error) => failures.push(error));
    await clock.until(laptop.caughtUp());
    expect(laptop.devices()).toHaveLength(1);
    expect(laptop.contact("bob")).toMatchObject({ verified: true });
    const restored = laptop.conversations();
    expect(restored.map(({ id }) => id).sort()).toEqual([direct.id, group.id].sort());
    expect(restored.map(({ state }) => state.current)).toEqual(["repairing", "repairing"]);
    const atLaptop = (id: string): Conversation => laptop.conversations().find((each) => each.id === id)!;
    expect((await clock.until(take(atLaptop(group.id), 2))).map(({ text, mine }) => [text, mine])).toEqual([
      ["one lump?", true],
      ["two", false],
    ]);
    expect(atLaptop(group.id).info.current.title).toBe("Tea");

    // Bob is told, and nothing goes to her before he trusts the new key.
    const waiting = await clock.until(atLaptop(direct.id).send({ text: "I am back" }));
    await clock.advance(hour);
    expect(changed).toEqual([{ account: "alice", proven: true }]);
    expect(bob.contact("alice")).toMatchObject({ keyChanged: true, proven: true, verified: false });
    expect(await codeOf(clock.until(bobs[0]!.send({ text: "is it you?" })))).toBe("identity_changed");
    expect(atLaptop(group.id).state.current).toBe("repairing");
    await clock.until(bob.acceptIdentity("alice"));
    await clock.until(waiting.sent, 48 * hour);
    const atBob = (id: string): Conversation => bob.conversations().find((each) => each.id === id)!;
    await shows(world, atBob(direct.id), "I am back");
    await clock.advance(12 * hour);
    expect(atLaptop(group.id).state.current).toBe("open");
    await say(world, atBob(group.id), "more tea");
    await shows(world, atLaptop(group.id), "more tea");
    expect((await history(atLaptop(group.id))).map(({ kind }) => kind)).toContain("rejoined");
    expect(failures).toEqual([]);
    expect(relay.unexpected).toEqual([]);

    // The new code is the one that counts.
    expect(codes.length).toBeGreaterThanOrEqual(1);
    await clock.advance(2 * hour);
    expect(laptop.backup.current.status).toBe("ok");
    await laptop.close();
    expect(await codeOf(clock.until(connected(world, "alice", memoryStore(), { recover: code })))).toBe(
      "recovery_code_invalid",
    );
    const third = await clock.until(connected(world, "alice", memoryStore(), { recover: codes.at(-1)! }));
    await clock.until(third.caughtUp());
    await shows(
      world,
      third.conversations().find(({ id }) => id === group.id)!,
      "more tea",
    );
    await third.close();
    await bob.close();
  });

  it("and mistypes the code: nothing is touched", async () => {
    const world = stage();
    const { clock } = world;
    const store = memoryStore();
    expect(await codeOf(clock.until(connected(world, "alice", store, { recover: "ABCD-EFGH" })))).toBe(
      "recovery_code_invalid",
    );
    const again = store.reopen();
    expect(await again.scan("")).toEqual([]);
    await again.close();
    const alice = await world.arrive("alice");
    const { text } = newRecoveryCode(provider.random);
    // No backup was ever made.
    expect(await codeOf(clock.until(connected(world, "alice", memoryStore(), { recover: text })))).toBe("no_backup");
    await clock.until(alice.createRecoveryCode());
    const fresh = memoryStore();
    expect(await codeOf(clock.until(connected(world, "alice", fresh, { recover: text })))).toBe(
      "recovery_code_invalid",
    );
    expect(await codeOf(clock.until(connected(world, "alice", fresh.reopen(), {})))).toBe("device_not_linked");
    expect(alice.connection.current.status).toBe("online");
    await alice.close();
  });

  it("and is interrupted: the next start goes on, without the code", async () => {
    const world = stage();
    const { clock, relay } = world;
    const [alice, bob] = [await world.arrive("alice"), await world.arrive("bob")];
    const chat = await clock.until(alice.conversation({ with: ["bob"] }));
    await say(world, chat, "hello");
    const code = await clock.until(alice.createRecoveryCode());
    await alice.close();
    let carried = false;
    relay.filter = ({ direction, frame }) => {
      if (direction === "up" && frame.op === "putBackup") carried = true;
      return !(carried && frame.op === "downloadBlob");
    };
    const store = memoryStore();
    const first = await clock.until(connected(world, "alice", store, { recover: code }));
    await clock.advance(60_000);
    expect(carried).toBe(true);
    expect(first.connection.current.status).not.toBe("online");
    expect(first.conversations()).toEqual([]);
    await first.close();
    relay.filter = () => true;
    const second = await clock.until(connected(world, "alice", store.reopen(), {}));
    await clock.until(second.caughtUp());
    expect((await clock.until(take(second.conversations()[0]!, 1)))[0]!.text).toBe("hello");
    // No new code was asked for: the old one stays.
    await clock.advance(2 * hour);
    expect(second.backup.current.status).toBe("ok");
    await second.close();
    const third = await clock.until(connected(world, "alice", memoryStore(), { recover: code }));
    await clock.until(third.caughtUp());
    expect(third.conversations()).toHaveLength(1);
    await third.close();
    await bob.close();
  });

  it("leaves a thief with the old device outside", async () => {
    const world = stage();
    const { clock } = world;
    const store = memoryStore();
    const alice = await world.arrive("alice", { store });
    const code = await clock.until(alice.createRecoveryCode());
    const laptop = await clock.until(connected(world, "alice", memoryStore(), { recover: code }));
    await clock.until(laptop.caughtUp());
    await clock.settle();
    expect(alice.connection.current).toMatchObject({ status: "closed", reason: { code: "device_revoked" } });
    await alice.close();
    const thief = await clock.until(connected(world, "alice", store.reopen(), {}));
    await clock.advance(60_000);
    expect(thief.connection.current).toMatchObject({ status: "closed", reason: { code: "device_revoked" } });
    await thief.close();
    await laptop.close();
  });
});

describe("a deployment's receipt key", () => {
  it("may be given: another one is refused", async () => {
    const world = stage();
    const { clock } = world;
    const bob = await world.arrive("bob");
    expect(await codeOf(clock.until(connected(world, "alice", memoryStore(), { receiptKey: "x" })))).toBe(
      "invalid_argument",
    );
    const alice = await clock.until(connected(world, "alice", memoryStore(), { receiptKey: "A".repeat(43) }));
    const failures: string[] = [];
    alice.on("failure", ({ code }) => failures.push(code));
    await clock.until(alice.caughtUp());
    expect(await clock.until(codeOf(alice.conversation({ with: ["bob"] })))).toBe("identity_invalid");
    expect(failures).toContain("identity_invalid");
    await alice.close();
    await bob.close();
  });
});
