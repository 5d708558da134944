/** What an application meets: people who cannot be reached, keys that change, typing, large texts, and what lies on the disk. */
import { connect, isTacitError, type ClientEvents } from "@tacit/client";
import { memoryStore } from "@tacit/client/memory";
import { sqliteStore } from "@tacit/client/sqlite";
import { encodeBase64Url } from "@tacit/protocol";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { history, invitation, stage, suite, take } from "./support/stage.ts";

/** "undefined" where it did not fail. */
const codeOf = async (promise: Promise<unknown>): Promise<string> => {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return isTacitError(error) ? error.code : String(error);
};

describe("opening a conversation", () => {
  it("says why it cannot be, and leaves nothing behind", async () => {
    const { clock, relay, arrive } = stage();
    const alice = await arrive("alice");
    const bob = await arrive("bob");
    const name = `bob ${bob.device}`;
    const open = (...accounts: string[]): Promise<string> =>
      clock.until(codeOf(alice.conversation({ with: accounts })));
    expect(await open()).toBe("invalid_argument");
    expect(await open("alice")).toBe("invalid_argument");
    expect(await open("bob", "carol")).toBe("invalid_argument");
    expect(await open("not an account")).toBe("invalid_argument");
    expect(await open("nobody")).toBe("unknown_account");
    const packages = relay.tables.keyPackages.get(name)!;
    const kept = new Map(packages);
    packages.clear();
    relay.tables.lastResorts.delete(name);
    expect(await open("bob")).toBe("no_key_packages");
    expect(alice.conversations()).toEqual([]);
    for (const [hash, keyPackage] of kept) packages.set(hash, keyPackage);
    expect((await clock.until(alice.conversation({ with: ["bob"] }))).state.current).toBe("open");
    await alice.close();
    await bob.close();
  });

  it("refuses a key package or a record that somebody else made", async () => {
    const { clock, relay, arrive } = stage();
    const alice = await arrive("alice");
    const bob = await arrive("bob");
    const mallory = await arrive("mallory");
    const packagesOf = (account: string, device: string) => relay.tables.keyPackages.get(`${account} ${device}`)!;
    const bobs = packagesOf("bob", bob.device);
    const kept = new Map(bobs);
    bobs.clear();
    const [foreign] = packagesOf("mallory", mallory.device).values();
    bobs.set(foreign!.hash, foreign!);
    expect(await clock.until(codeOf(alice.conversation({ with: ["bob"] })))).toBe("identity_invalid");
    bobs.clear();
    for (const [hash, keyPackage] of kept) bobs.set(hash, keyPackage);

    const record = relay.tables.accounts.get("bob")!;
    relay.tables.accounts.set("bob", { ...record, signed: relay.tables.accounts.get("mallory")!.signed });
    expect(await clock.until(codeOf(alice.conversation({ with: ["bob"] })))).toBe("identity_invalid");
    for (const client of [alice, bob, mallory]) await client.close();
  });

  it("without a connection happens later, with what was sent meanwhile", async () => {
    const { clock, arrive } = stage();
    const alice = await arrive("alice");
    const bob = await arrive("bob");
    const invited = invitation(bob);
    alice.goOffline();
    const chat = await clock.until(alice.conversation({ with: ["bob"] }));
    expect(chat.state.current).toBe("opening");
    const outgoing = await clock.until(chat.send({ text: "later" }));
    expect(outgoing.status).toBe("queued");
    alice.goOnline();
    await clock.until(outgoing.sent);
    expect(chat.state.current).toBe("open");
    expect((await clock.until(take(await clock.until(invited), 1)))[0]!.text).toBe("later");
    await alice.close();
    await bob.close();
  });

  it("without a connection, with somebody who does not exist, is told when there is one", async () => {
    const { clock, arrive } = stage();
    const alice = await arrive("alice");
    const failures: unknown[] = [];
    alice.on("failure", (error) => failures.push(error));
    alice.goOffline();
    const chat = await clock.until(alice.conversation({ with: ["nobody"] }));
    const outgoing = await clock.until(chat.send({ text: "lost" }));
    alice.goOnline();
    await expect(clock.until(outgoing.sent)).rejects.toMatchObject({ code: "unknown_account" });
    expect(outgoing.status).toBe("failed");
    expect(failures).toMatchObject([{ code: "unknown_account" }]);
    expect(alice.conversations()).toEqual([]);
    await alice.close();
  });

  it("that was created without this device does not wait for ever", async () => {
    const { clock, relay, arrive } = stage();
    const [alice, bob] = [await arrive("alice"), await arrive("bob")];
    // Alice's relay lets the commit through, and keeps the Welcome from Bob.
    relay.filter = ({ direction, account, frame }) =>
      direction === "up" || account !== "bob" || frame.push === undefined;
    await clock.until(alice.conversation({ with: ["bob"] }));
    relay.tables.inbox.clear();
    expect(await clock.until(codeOf(bob.conversation({ with: ["alice"] })))).toBe("cannot_follow");
    expect(await clock.until(codeOf(bob.conversation({ with: ["alice"] })))).toBe("cannot_follow");
    await alice.close();
    await bob.close();
  });

  it("by both at once makes one", async () => {
    const { clock, arrive } = stage();
    const [alice, bob] = [await arrive("alice"), await arrive("bob")];
    const chats = await clock.until(
      Promise.all([alice.conversation({ with: ["bob"] }), bob.conversation({ with: ["alice"] })]),
    );
    expect(chats[0].id).toBe(chats[1].id);
    await clock.until(Promise.all([chats[0].send({ text: "a" }), chats[1].send({ text: "b" })]));
    const [atAlice, atBob] = await clock.until(Promise.all([take(chats[0], 2), take(chats[1], 2)]));
    expect(atAlice.map(({ text }) => text)).toEqual(atBob.map(({ text }) => text));
    await alice.close();
    await bob.close();
  });
});

describe("a peer whose key changed", () => {
  it("is not written to before the application says so", async () => {
    const { clock, relay, arrive } = stage();
    const alice = await arrive("alice");
    const bob = await arrive("bob");
    const changed: ClientEvents["identityChanged"][] = [];
    alice.on("identityChanged", (event) => changed.push(event));
    // Alice has met Bob, and their conversation did not come about.
    relay.filter = ({ direction, frame }) => direction === "down" || frame.op !== "createConversation";
    const opening = codeOf(alice.conversation({ with: ["bob"] }));
    await clock.settle();
    await bob.close();
    relay.tables.accounts.delete("bob");
    const bobAnew = await arrive("bob");
    relay.filter = () => true;
    // The claim is of no use any more; the key packages that come instead are of another account key.
    relay.tables.inbox.clear();
    expect(await clock.until(opening)).toBe("identity_changed");
    await clock.advance(60_000);
    expect(changed).toEqual([{ account: "bob", proven: false }]);
    expect(await clock.until(codeOf(alice.conversation({ with: ["bob"] })))).toBe("identity_changed");

    await clock.until(alice.acceptIdentity("bob"));
    const chat = await clock.until(alice.conversation({ with: ["bob"] }));
    await clock.until((await clock.until(chat.send({ text: "is it you?" }))).sent);
    expect((await clock.until(take(bobAnew.conversations()[0]!, 1)))[0]!.text).toBe("is it you?");
    await alice.close();
    await bobAnew.close();
  });
});

describe("signals", () => {
  it("tell who types, to the others, and leave nothing stored", async () => {
    const { clock, relay, arrive } = stage();
    const [alice, bob] = [await arrive("alice"), await arrive("bob")];
    const chat = await clock.until(alice.conversation({ with: ["bob"] }));
    await clock.settle();
    const seen: unknown[] = [];
    let payload = "";
    relay.filter = ({ direction, frame }) => {
      if (direction === "up" && frame.op === "signal") payload = frame["payload"] as string;
      return true;
    };
    bob.conversations()[0]!.onTyping((typing) => seen.push(typing));
    chat.onTyping((typing) => seen.push(typing));
    await clock.until(chat.sendTyping(true));
    await clock.advance(1);
    await clock.until(chat.sendTyping(false));
    await clock.settle();
    const from = { account: "alice", device: alice.device };
    expect(seen).toEqual([
      { ...from, active: true },
      { ...from, active: false },
    ]);
    expect(JSON.stringify([...relay.tables.log.get(chat.id)!.values()])).not.toContain(payload);

    // Repeated, changed, or made by somebody without the epoch: dropped.
    const bytes = Buffer.from(payload, "base64url");
    bytes[bytes.length - 1]! ^= 1;
    for (const forged of [payload, encodeBase64Url(bytes), encodeBase64Url(new Uint8Array(200))]) {
      relay.push("bob", { push: "signal", conversation: chat.id, payload: forged });
    }
    await clock.settle();
    expect(seen).toHaveLength(2);
    await alice.close();
    await bob.close();
  });
});

describe("texts", () => {
  it("larger than a frame go by blob, and what is too large is refused", async () => {
    const { clock, relay, arrive } = stage();
    const [alice, bob] = [await arrive("alice"), await arrive("bob")];
    const chat = await clock.until(alice.conversation({ with: ["bob"] }));
    const text = "häßlich ".repeat(4_000);
    await clock.until(chat.send({ text }));
    await clock.until(chat.send({ text: "small" }));
    const [large, small] = await clock.until(take(bob.conversations()[0]!, 2));
    expect(large!.text).toBe(text);
    expect(small!.text).toBe("small");
    expect([...relay.tables.blobs.keys()].some((name) => name.startsWith("kept/"))).toBe(true);
    expect(await codeOf(chat.send({ text: "x".repeat(300_000) }))).toBe("too_large");
    expect(await codeOf(chat.send({} as { text: string }))).toBe("invalid_argument");
    await alice.close();
    await bob.close();
  });

  it("can be read again from any position, also after a restart", async () => {
    const { clock, arrive } = stage();
    const store = memoryStore();
    const [alice, bob] = [await arrive("alice", { store }), await arrive("bob")];
    const chat = await clock.until(alice.conversation({ with: ["bob"] }));
    for (let i = 0; i < 150; i++) await clock.until(chat.send({ text: `m${i}` }));
    const all = await clock.until(take(chat, 150));
    expect(all.map(({ text }) => text)).toEqual(Array.from({ length: 150 }, (_, i) => `m${i}`));
    await alice.close();
    const again = await arrive("alice", { store: store.reopen() });
    const [reopened] = again.conversations();
    expect(await clock.until(take(reopened!, 150))).toEqual(all);
    for await (const message of reopened!.messages({ after: all[148]!.position })) {
      expect(message).toEqual(all[149]);
      break;
    }
    expect((await history(reopened!)).map(({ position }) => position)).toEqual(
      Array.from({ length: 151 }, (_, i) => i + 1),
    );
    await again.close();
    await bob.close();
  });
});

describe("what lies on the disk", () => {
  it("tells neither texts nor names, and opens with its key alone", async () => {
    const directory = mkdtempSync(join(tmpdir(), "tacit-client-"));
    try {
      const { clock, relay, arrive } = stage();
      const path = join(directory, "alice.db");
      const alice = await arrive("alice-liddell", { store: await sqliteStore(path) });
      const bob = await arrive("bob-the-builder");
      const chat = await clock.until(alice.conversation({ with: ["bob-the-builder"] }));
      await clock.until((await clock.until(chat.send({ text: "the secret is out" }))).sent);
      alice.goOffline();
      await clock.until(chat.send({ text: "the secret is waiting" }));
      const onDisk = (): Buffer =>
        Buffer.concat(readdirSync(directory).map((name) => readFileSync(join(directory, name))));
      for (const word of ["secret", "liddell", "builder", "privateKey"]) expect(onDisk().includes(word)).toBe(false);
      await alice.close();
      for (const word of ["secret", "liddell", "builder", "privateKey"]) expect(onDisk().includes(word)).toBe(false);

      rmSync(`${path}.key`);
      const { url, transport, blobs } = relay;
      const options = { url, token: relay.token("alice-liddell"), suite, transport, blobs, clock };
      expect(await codeOf(connect({ ...options, store: await sqliteStore(path) }))).toBe("vault_failed");
      await bob.close();
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it("cannot be changed or exchanged unnoticed", async () => {
    const { relay, arrive, clock } = stage();
    const store = memoryStore();
    const alice = await arrive("alice", { store });
    await alice.close();
    const { url, transport, blobs } = relay;
    const options = { url, token: relay.token("alice"), suite, transport, blobs, clock };
    const change = async (how: (identity: Uint8Array, other: Uint8Array) => Uint8Array): Promise<void> => {
      const raw = store.reopen();
      const [identity] = await raw.get(["identity"]);
      const [[, other]] = (await raw.scan("k/")) as [readonly [string, Uint8Array]];
      await raw.commit([{ key: "identity", value: how(identity!, other) }]);
      await raw.close();
    };
    const flipped = (bytes: Uint8Array): Uint8Array => bytes.with(bytes.length - 1, bytes.at(-1)! ^ 1);
    await change(flipped);
    expect(await codeOf(connect({ ...options, store: store.reopen() }))).toBe("store_corrupt");
    await change(flipped);
    const restored = await clock.until(connect({ ...options, store: store.reopen() }));
    expect(restored.device).toBe(alice.device);
    await restored.close();
    await change((_, other) => other);
    expect(await codeOf(connect({ ...options, store: store.reopen() }))).toBe("store_corrupt");
  });
});
