/** What a hostile stranger, a relay in trouble or a bad moment must not do to a conversation that begins, or has ended. */
import { TacitError, type Conversation, type OutgoingMessage, type Store } from "@tacit/client";
import { memoryStore } from "@tacit/client/memory";
import { createPending } from "../../client/src/session/pendingCommit.ts";
import { newConversation } from "../../client/src/session/conversation.ts";
import { couple, keyPackageOf, now, joinByWelcome } from "./support/devices.ts";
import { stage, take } from "./support/stage.ts";
import { invite, stranger } from "./support/stranger.ts";
import { watched, refuseOnce } from "./support/trouble.ts";

const minute = 60_000;

describe("an invitation", () => {
  it("that nobody can read is passed over, reported, and does not come back", async () => {
    const s = stage();
    const store = memoryStore();
    const bob = await s.arrive("bob", { store });
    const failures: string[] = [];
    bob.on("failure", ({ code }) => failures.push(code));
    bob.goOffline();
    const mallory = await stranger(s, "mallory");
    await invite(s, mallory, { from: "mallory", victim: "bob", groupId: Uint8Array.of(0xff, 0xfe) });
    bob.goOnline();
    await s.clock.until(bob.caughtUp());
    expect(failures).toEqual(["cannot_follow"]);
    expect(bob.conversations()).toEqual([]);
    const waiting = [...s.relay.tables.inbox.get(bob.device)!.values()].filter(({ welcome }) => welcome !== undefined);
    expect(waiting).toEqual([]);
    await bob.close();
    const again = await s.arrive("bob", { store: store.reopen() });
    expect(again.connection.current.status).toBe("online");
    await again.close();
  });

  it("waits where the store fails for a moment", async () => {
    const s = stage();
    let failsOnce = false;
    const store = watched(memoryStore(), () => {
      if (!failsOnce) return;
      failsOnce = false;
      throw new TacitError("store_failed", "the disk is full");
    });
    const [alice, bob] = [await s.arrive("alice"), await s.arrive("bob", { store })];
    bob.goOffline();
    const chat = await s.clock.until(alice.conversation({ with: ["bob"] }));
    await s.clock.until((await s.clock.until(chat.send({ text: "hello" }))).sent);
    failsOnce = true;
    bob.goOnline();
    await s.clock.until(bob.caughtUp());
    expect(failsOnce).toBe(false);
    expect((await s.clock.until(take(bob.conversations()[0]!, 1)))[0]!.text).toBe("hello");
    await alice.close();
    await bob.close();
  });
});

describe("a conversation that both open", () => {
  it("is one, where the invitation is being stored when the application asks for it", async () => {
    const s = stage();
    let asked: Promise<Conversation> | undefined;
    const store = watched(memoryStore(), (keys) => {
      if (keys.some((key) => key.startsWith("c/"))) asked ??= bob.conversation({ with: ["alice"] });
    });
    const [alice, bob] = [await s.arrive("alice"), await s.arrive("bob", { store })];
    bob.goOffline();
    const chat = await s.clock.until(alice.conversation({ with: ["bob"] }));
    bob.goOnline();
    await s.clock.until(bob.caughtUp());
    const atBob = await s.clock.until(asked!);
    expect(bob.conversations()).toEqual([atBob]);
    await s.clock.until((await s.clock.until(atBob.send({ text: "one of it" }))).sent);
    expect((await s.clock.until(take(chat, 1)))[0]!.text).toBe("one of it");
    await alice.close();
    await bob.close();
  });
});

describe("a conversation that cannot be opened", () => {
  it("is forgotten, also where it was asked for twice", async () => {
    const s = stage();
    const store = memoryStore();
    const [alice, bob] = [await s.arrive("alice", { store }), await s.arrive("bob")];
    refuseOnce(s, "alice", "claimKeyPackages", "internal");
    const asked = [alice.conversation({ with: ["bob"] }), alice.conversation({ with: ["bob"] })];
    const outcomes = await s.clock.until(Promise.allSettled(asked));
    expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    await s.clock.advance(minute);
    expect(await store.scan("c/")).toEqual([]);
    const chat = await s.clock.until(alice.conversation({ with: ["bob"] }));
    await s.clock.until((await s.clock.until(chat.send({ text: "now" }))).sent);
    await alice.close();
    const again = await s.arrive("alice", { store: store.reopen() });
    expect(again.conversations()).toHaveLength(1);
    await again.close();
    await bob.close();
  });

  it("is kept where something is being said in it", async () => {
    const s = stage();
    let stored = (): void => {};
    const slow = new Promise<void>((resolve) => (stored = resolve));
    const store = watched(memoryStore(), (keys) => (keys.some((key) => key.includes("/out/")) ? slow : undefined));
    const [alice, bob] = [await s.arrive("alice", { store }), await s.arrive("bob")];
    const announced: Conversation[] = [];
    alice.on("conversation", (chat) => announced.push(chat));
    let sending: Promise<OutgoingMessage> | undefined;
    s.relay.filter = ({ direction, frame, deliver }) => {
      if (sending !== undefined || direction !== "up" || frame.op !== "claimKeyPackages") return true;
      sending = announced[0]!.send({ text: "kept" });
      deliver(JSON.stringify({ id: frame["id"], error: { code: "internal", retryable: true, message: "" } }));
      return false;
    };
    const asked = alice.conversation({ with: ["bob"] });
    await expect(s.clock.until(asked)).rejects.toBeInstanceOf(TacitError);
    stored();
    await s.clock.until((await s.clock.until(sending!)).sent);
    expect((await s.clock.until(take(bob.conversations()[0]!, 1)))[0]!.text).toBe("kept");
    await alice.close();
    await bob.close();
  });

  it("because the store fails is announced when it is asked for again", async () => {
    const s = stage();
    let fails = false;
    const store = watched(memoryStore(), (keys) => {
      if (!fails || !keys.some((key) => key.startsWith("c/"))) return;
      fails = false;
      throw new TacitError("store_failed", "the disk is full");
    });
    const [alice, bob] = [await s.arrive("alice", { store }), await s.arrive("bob")];
    const announced: string[] = [];
    alice.on("conversation", ({ id }) => announced.push(id));
    fails = true;
    await expect(s.clock.until(alice.conversation({ with: ["bob"] }))).rejects.toMatchObject({ code: "store_failed" });
    expect(alice.conversations()).toEqual([]);
    const chat = await s.clock.until(alice.conversation({ with: ["bob"] }));
    expect(announced).toEqual([chat.id]);
    await alice.close();
    await bob.close();
  });

  it("leaves nothing to the next one, where the store would not delete it", async () => {
    const s = stage();
    let failsToDelete = false;
    const inner = memoryStore();
    const store: Store = {
      ...inner,
      async commit(writes) {
        if (failsToDelete && writes.every(({ key, value }) => key.startsWith("c/") && value === undefined)) {
          failsToDelete = false;
          throw new TacitError("store_failed", "the disk is full");
        }
        await inner.commit(writes);
      },
    };
    const alice = await s.arrive("alice", { store });
    alice.on("failure", () => {});
    alice.goOffline();
    const given = await s.clock.until(alice.conversation({ with: ["bob"] }));
    const { sent } = await s.clock.until(given.send({ text: "given up" }));
    failsToDelete = true;
    alice.goOnline();
    await expect(s.clock.until(sent)).rejects.toMatchObject({ code: "unknown_account" });
    await s.clock.advance(minute);
    expect(failsToDelete).toBe(false);
    expect((await inner.scan("c/")).some(([key]) => key.includes("/out/"))).toBe(true);
    const bob = await s.arrive("bob");
    await s.clock.until(alice.conversation({ with: ["bob"] }));
    expect((await inner.scan("c/")).some(([key]) => key.includes("/out/"))).toBe(false);
    await alice.close();
    await bob.close();
  });
});

describe("opening a conversation", () => {
  it("keeps what was sent where the peer's key turns out to be another, until that is accepted", async () => {
    const s = stage();
    const [alice, bob] = [await s.arrive("alice"), await s.arrive("bob")];
    s.relay.filter = ({ direction, frame }) => direction === "down" || frame.op !== "claimKeyPackages";
    alice.conversation({ with: ["bob"] }).catch(() => {});
    await s.clock.settle();
    alice.goOffline();
    const chat = alice.conversations()[0]!;
    const outgoing = await s.clock.until(chat.send({ text: "for you alone" }));
    await bob.close();
    s.relay.tables.accounts.delete("bob");
    const anew = await s.arrive("bob");
    s.relay.filter = () => true;
    const changed = new Promise((resolve) => alice.on("identityChanged", resolve));
    alice.goOnline();
    expect(await s.clock.until(changed)).toEqual({ account: "bob", proven: false });
    await s.clock.advance(minute);
    expect(outgoing.status).toBe("queued");
    const again = s.clock.until(alice.conversation({ with: ["bob"] }));
    await expect(again).rejects.toMatchObject({ code: "identity_changed" });
    await s.clock.until(alice.acceptIdentity("bob"));
    await s.clock.until(outgoing.sent);
    expect((await s.clock.until(take(anew.conversations()[0]!, 1)))[0]!.text).toBe("for you alone");
    await alice.close();
    await anew.close();
  });
});

describe("an ended conversation", () => {
  it("begins again with a later invitation, not with an old one", async () => {
    const { alice, bob, atBob } = await couple();
    const ended = { ...atBob, phase: "ended" as const, group: undefined };
    const keyPackage = await keyPackageOf(bob);
    const claimed = { account: "bob", device: bob.device, claim: "c", keyPackage: keyPackage.bytes };
    const { state } = await createPending(alice, newConversation(atBob.id, atBob.roster), [claimed], now);
    const { welcome } = state.pending!.welcomes[0]!;
    const at = { conversation: atBob.id, turn: ended.turn + 1, at: now, welcome, keyPackage };
    expect(await joinByWelcome(bob, ended, { ...at, seq: ended.cursor })).toEqual({ kind: "member" });
    expect(await joinByWelcome(bob, ended, { ...at, seq: ended.cursor + 1, turn: 1 })).toEqual({ kind: "member" });
    const again = await joinByWelcome(bob, ended, { ...at, seq: ended.cursor + 1 });
    expect(again).toMatchObject({ kind: "joined", step: { state: { phase: "open" } } });
  });
});
