/** What a hostile stranger, a relay in trouble or a bad moment must not do to a client. */
import {
  connect,
  TacitError,
  type Conversation,
  type OutgoingMessage,
  type Store,
  type Transport,
  type Client,
} from "@tacit/client";
import { memoryStore } from "@tacit/client/memory";
import { encodeBase64Url, limits } from "@tacit/protocol";
import { createHash } from "node:crypto";
import { received, sendableTogether, type PayloadDeps } from "../../client/src/payloads.ts";
import { sealedStore } from "../../client/src/sealedStore.ts";
import { largestPayload } from "../../client/src/session/payloadSize.ts";
import { createPending } from "../../client/src/session/pendingCommit.ts";
import { newConversation } from "../../client/src/session/conversation.ts";
import { couple, keyPackageOf, now, provider, joinByWelcome } from "./support/devices.ts";
import { expire } from "./support/conversations.ts";
import { history, invitation, stage, suite, take, type Stage } from "./support/stage.ts";
import { invite, stranger } from "./support/stranger.ts";

const day = 86_400_000;
const minute = 60_000;

/** `store`, told of each commit before it happens. */
function watched(store: Store, committing: (keys: readonly string[]) => Promise<void> | void): Store {
  return {
    ...store,
    async commit(writes) {
      await committing(writes.map(({ key }) => key));
      await store.commit(writes);
    },
  };
}

function options({ relay, clock }: Stage, account: string, more: { readonly store: Store }) {
  const { url, transport, blobs } = relay;
  return {
    url,
    token: relay.token(account) as () => string | Promise<string>,
    suite,
    transport,
    blobs,
    clock,
    ...more,
  };
}

/** Refuses the first request `op` of `account`. */
function refuseOnce({ relay }: Stage, account: string, op: string, code: string): void {
  let isDone = false;
  relay.filter = ({ direction, frame, deliver, ...by }) => {
    if (isDone || direction !== "up" || by.account !== account || frame.op !== op) return true;
    isDone = true;
    deliver(JSON.stringify({ id: frame["id"], error: { code, retryable: false, message: "" } }));
    return false;
  };
}

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

describe("a message that landed, as its sender never learned", () => {
  it("is shown once to whoever read it, however much was said since", async () => {
    const s = stage();
    const clients = [await s.arrive("alice"), await s.arrive("bob"), await s.arrive("carol")];
    const [alice, bob, carol] = clients as [Client, Client, Client];
    const chat = await s.clock.until(alice.createGroup({ members: ["bob", "carol"] }));
    await s.clock.settle();
    const atBob = bob.conversations()[0]!;
    await s.clock.until(atBob.accept());
    carol.goOffline();
    s.relay.filter = ({ direction, account }) => direction === "up" || account !== "alice";
    await s.clock.until(chat.send({ text: "once" }));
    await s.clock.settle();
    alice.goOffline();
    s.relay.filter = () => true;
    for (let number = 1; number <= 520; number++) {
      await s.clock.until((await s.clock.until(atBob.send({ text: String(number) }))).sent);
      // 300 a minute are let through.
      await s.clock.advance(250);
    }
    await s.clock.until(atBob.rotateKeys());
    expire(s, chat.id);
    alice.goOnline();
    await s.clock.advance(3_600_000);
    const heard = (await history(atBob)).flatMap((item) => (item.kind === "message" && !item.mine ? [item.text] : []));
    expect(heard).toEqual(["once"]);
    await s.clock.until((await s.clock.until(chat.send({ text: "and again" }))).sent);
    await s.clock.settle();
    expect((await history(atBob)).at(-1)).toMatchObject({ kind: "message", text: "and again" });
    expect((await history(chat)).map(({ kind }) => kind).slice(-3)).toEqual(["rejoined", "message", "message"]);
    for (const client of clients) await client.close();
  });
});

describe("a message that could not be stored", () => {
  it("is none: nothing of it waits to be sent", async () => {
    const s = stage();
    let fails = false;
    const store = watched(memoryStore(), () => {
      if (fails) throw new TacitError("store_failed", "the disk is full");
    });
    const [alice, bob] = [await s.arrive("alice", { store }), await s.arrive("bob")];
    const chat = await s.clock.until(alice.conversation({ with: ["bob"] }));
    await s.clock.settle();
    fails = true;
    await expect(s.clock.until(chat.send({ text: "hello" }))).rejects.toMatchObject({ code: "store_failed" });
    fails = false;
    expect(chat.outgoing()).toEqual([]);
    await s.clock.until((await s.clock.until(chat.send({ text: "again" }))).sent);
    expect(chat.outgoing()).toEqual([]);
    await alice.close();
    await bob.close();
  });
});

describe("a change that the roles do not allow", () => {
  it("is refused also where the store failed while it was", async () => {
    const s = stage();
    let stores = 0;
    let failsAt = Infinity;
    const store = watched(memoryStore(), () => {
      if (++stores === failsAt) throw new TacitError("store_failed", "the disk is full");
    });
    const [alice, bob] = [await s.arrive("alice"), await s.arrive("bob", { store })];
    await s.clock.until(alice.createGroup({ members: ["bob"] }));
    await s.clock.settle();
    const atBob = bob.conversations()[0]!;
    await s.clock.until(atBob.accept());
    await s.clock.settle();
    // What it wants is stored first, then that it is refused.
    failsAt = stores + 2;
    await expect(s.clock.until(atBob.setTitle("Bob's"))).rejects.toMatchObject({ code: "forbidden" });
    expect(stores).toBe(failsAt + 1);
    failsAt = stores + 1;
    await expect(s.clock.until(atBob.setTitle("Bob's"))).rejects.toMatchObject({ code: "store_failed" });
    expect(atBob.info.current.title).not.toBe("Bob's");
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

describe("a clock that is set anew", () => {
  it("while the client is connected, by an hour, makes no record false", async () => {
    const s = stage();
    let ahead = 0;
    const clock = { ...s.clock, now: () => s.clock.now() + ahead };
    const alice = await s.clock.until(connect({ ...options(s, "alice", { store: memoryStore() }), clock }));
    await s.clock.until(alice.caughtUp());
    ahead = -60 * minute;
    const bob = await s.arrive("bob");
    await s.clock.until(alice.conversation({ with: ["bob"] }));
    await alice.close();
    await bob.close();
  });
});

describe("a connection that is given up while it comes about", () => {
  const slowToken = (s: Stage, delays: readonly number[]): (() => Promise<string>) => {
    let asked = 0;
    return () => new Promise((resolve) => s.clock.after(delays[asked++] ?? 0, () => resolve(s.relay.token("bob")())));
  };
  const counting = (inner: Transport): { readonly transport: Transport; opened: number } => {
    const counted = {
      opened: 0,
      transport: {
        open(...args: Parameters<Transport["open"]>) {
          counted.opened++;
          return inner.open(...args);
        },
      },
    };
    return counted;
  };

  it("opens no socket, and does not supersede the one that is opened instead", async () => {
    const s = stage();
    const store = memoryStore();
    await (await s.arrive("bob", { store })).close();
    const counted = counting(s.relay.transport);
    const token = slowToken(s, [3_000, 100]);
    const bob = await s.clock.until(
      connect({ ...options(s, "bob", { store: store.reopen() }), token, transport: counted.transport }),
    );
    await s.clock.advance(10);
    bob.goOffline();
    await s.clock.advance(10);
    bob.goOnline();
    await s.clock.advance(10_000);
    expect(bob.connection.current.status).toBe("online");
    expect(counted.opened).toBe(1);
    await bob.close();
    expect(s.relay.sockets).toBe(0);
  });

  it("comes back where its socket ends during the registration", async () => {
    const s = stage();
    let saves = 0;
    const store = memoryStore();
    const cutting: Store = {
      ...store,
      async commit(writes) {
        await store.commit(writes);
        // The third: the relay's first answer to the registered device is being noted.
        if (writes.length !== 1 || writes[0]!.key !== "identity" || ++saves !== 3) return;
        s.relay.cut("bob");
        await new Promise((resolve) => setImmediate(resolve));
      },
    };
    const bob = await s.clock.until(connect(options(s, "bob", { store: cutting })));
    await s.clock.until(bob.caughtUp());
    // The fourth notes the receipt.
    expect(saves).toBe(4);
    await bob.close();
  });

  it("leaves no socket behind where the device is refused", async () => {
    const s = stage();
    const bob = await s.arrive("bob");
    const other = s.clock.until(connect(options(s, "bob", { store: memoryStore() })));
    await expect(other).rejects.toMatchObject({ code: "device_not_linked" });
    await s.clock.settle();
    expect(s.relay.sockets).toBe(1);
    await bob.close();
  });
});

describe("key packages", () => {
  it.each([
    ["are renewed before they end, and nobody is given those that have", false],
    ["that have ended, and are given out all the same, are passed over by who claims them", true],
  ])("%s", async (_, isLate) => {
    const s = stage();
    const bob = await s.arrive("bob");
    const name = `bob ${bob.device}`;
    const lastResort = s.relay.tables.lastResorts.get(name)!.hash;
    // Others have claimed some of them.
    const packages = s.relay.tables.keyPackages.get(name)!;
    for (const hash of [...packages.keys()].slice(0, 11)) packages.delete(hash);
    bob.goOffline();
    await s.clock.advance(50 * day);
    bob.goOnline();
    await s.clock.until(bob.caughtUp());
    bob.goOffline();
    expect(s.relay.tables.lastResorts.get(name)!.hash).not.toBe(lastResort);
    expect(packages.size).toBe(9 + 20);
    await s.clock.advance(45 * day);
    if (isLate) for (const one of packages.values()) packages.set(one.hash, { ...one, notAfter: Infinity });
    const alice = await s.arrive("alice");
    const chat = await s.clock.until(alice.conversation({ with: ["bob"] }));
    expect(chat.state.current).toBe("open");
    expect(packages.size).toBe(isLate ? 19 : 28);
    await s.clock.until((await s.clock.until(chat.send({ text: "long time no see" }))).sent);
    bob.goOnline();
    await s.clock.until(bob.caughtUp());
    expect((await s.clock.until(take(bob.conversations()[0]!, 1)))[0]!.text).toBe("long time no see");
    await alice.close();
    await bob.close();
  });

  it("do not run out for whoever is there for years and is invited by nobody", async () => {
    const s = stage();
    const bob = await s.arrive("bob");
    const packages = s.relay.tables.keyPackages.get(`bob ${bob.device}`)!;
    const fresh = (): number =>
      [...packages.values()].filter(({ notAfter }) => notAfter * 1_000 > s.clock.now() + 80 * day).length;
    for (let times = 0; times < 16; times++) {
      bob.goOffline();
      await s.clock.advance(46 * day);
      bob.goOnline();
      await s.clock.until(bob.caughtUp());
      expect(fresh()).toBe(20);
    }
    await bob.close();
  });
});

describe("a message that waits", () => {
  const codes = ["superseded", "device_revoked", "out_of_scope", "token_expired", "invalid_roster"];
  it.each(codes.flatMap((code) => [[code, "claimKeyPackages"] as const, [code, "append"] as const]))(
    "outlives %s as the answer to %s",
    async (code, op) => {
      const s = stage();
      const store = memoryStore();
      let alice = await s.arrive("alice", { store });
      const bob = await s.arrive("bob");
      const invited = invitation(bob);
      alice.goOffline();
      const chat = await s.clock.until(alice.conversation({ with: ["bob"] }));
      await s.clock.until(chat.send({ text: "durable" }));
      refuseOnce(s, "alice", op, code);
      alice.goOnline();
      await s.clock.advance(minute);
      if (code === "superseded") {
        // It says that another client of this device took over; that one has the store now.
        expect(alice.connection.current).toMatchObject({ status: "closed", reason: { code } });
        await alice.close();
        alice = await s.arrive("alice", { store: store.reopen() });
      }
      const [message] = await s.clock.until(take(await s.clock.until(invited), 1));
      expect(message!.text).toBe("durable");
      await alice.close();
      await bob.close();
    },
  );

  it("fails, and is not kept, where its conversation has ended", async () => {
    const s = stage();
    const store = memoryStore();
    const [alice, bob] = [await s.arrive("alice", { store }), await s.arrive("bob")];
    const atBob = await s.clock.until(bob.createGroup({ members: ["alice"] }));
    await s.clock.settle();
    const chat = alice.conversations()[0]!;
    const { id } = chat;
    await s.clock.until(chat.accept());
    alice.goOffline();
    await s.clock.until(atBob.remove(["alice"]));
    const outgoing = await s.clock.until(chat.send({ text: "too late" }));
    alice.goOnline();
    await expect(s.clock.until(outgoing.sent)).rejects.toMatchObject({ code: "not_a_member" });
    expect(chat.state.current).toBe("ended");
    expect(chat.outgoing()).toEqual([]);
    await alice.close();
    const raw = store.reopen();
    expect((await raw.scan(`c/${id}/`)).map(([key]) => key).filter((key) => !key.includes("/seen/"))).toEqual([
      `c/${id}/head`,
      `c/${id}/members`,
    ]);
    await raw.close();
    await bob.close();
  });

  it("is not held up by a rotation that the relay refuses for good", async () => {
    const s = stage();
    const [alice, bob] = [await s.arrive("alice"), await s.arrive("bob")];
    const chat = await s.clock.until(alice.conversation({ with: ["bob"] }));
    refuseOnce(s, "alice", "commit", "limit_exceeded");
    await expect(s.clock.until(chat.rotateKeys())).rejects.toMatchObject({ code: "too_large" });
    await s.clock.until((await s.clock.until(chat.send({ text: "still here" }))).sent);
    await s.clock.until(chat.rotateKeys());
    expect((await s.clock.until(take(bob.conversations()[0]!, 1)))[0]!.text).toBe("still here");
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

describe("a doorbell", () => {
  it("is heard while something else waits to be repeated", async () => {
    const s = stage();
    const [alice, bob] = [await s.arrive("alice"), await s.arrive("bob")];
    const invited = invitation(bob);
    const chat = await s.clock.until(alice.conversation({ with: ["bob"] }));
    const atBob = await s.clock.until(invited);
    s.relay.filter = ({ direction, account, frame, deliver }) => {
      if (direction !== "up" || account !== "alice" || frame.op !== "append") return true;
      const error = { code: "rate_limited", retryable: true, message: "", retryAfter: 30 * minute };
      deliver(JSON.stringify({ id: frame["id"], error }));
      return false;
    };
    await s.clock.until(chat.send({ text: "held back" }));
    await s.clock.settle();
    await s.clock.until((await s.clock.until(atBob.send({ text: "listen" }))).sent);
    const [message] = await s.clock.until(take(chat, 1), minute);
    expect(message!.text).toBe("listen");
    await alice.close();
    await bob.close();
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

describe("large payloads", () => {
  const uploads: Uint8Array[] = [];
  const deps = (asked: string[]): PayloadDeps => ({
    connection: {
      request: async (operation) => {
        asked.push(operation);
        return { url: "memory:", headers: {} } as never;
      },
    },
    blobs: {
      put: (_url, _headers, body) => Promise.resolve(void uploads.push(body)),
      get: () => Promise.resolve(undefined),
    },
    provider,
  });

  it("above the limit are not even asked for", async () => {
    const asked: string[] = [];
    const hash = encodeBase64Url(createHash("sha256").digest());
    expect(await received(deps(asked), { blob: { hash, size: largestPayload + 1 } })).toBeUndefined();
    expect(asked).toEqual([]);
  });

  it("of one request leave its frame as soon as they do not fit together", async () => {
    const parts = [9_000, 8_000, 7_000, 6_000].map((length) => new Uint8Array(length));
    const room = limits.requestFrame - 4_000;
    const payloads = await sendableTogether(deps([]), parts, room);
    expect(payloads.map((payload) => "blob" in payload)).toEqual([true, false, false, false]);
    expect(uploads).toEqual([parts[0]]);
  });

  it("that would break the frame are refused before the platform closes the socket over them", async () => {
    const s = stage();
    const { socket } = await stranger(s, "mallory");
    const payload = { inline: "A".repeat(limits.requestFrame) };
    const request = socket.request("append", { conversation: "d-x", turn: 1, entries: [{ id: "x", payload }] });
    await expect(request).rejects.toMatchObject({ refusal: { code: "frame_too_large", retryable: false } });
    expect(socket.isOpen).toBe(true);
    socket.close();
  });

  it("of one page are applied before more of them are fetched than a device should hold", async () => {
    const s = stage();
    const events: string[] = [];
    const { blobs } = s.relay;
    const get: typeof blobs.get = (...args) => {
      events.push("get");
      return blobs.get(...args);
    };
    const store = watched(
      memoryStore(),
      (keys) => void events.push(...(keys.some((key) => key.startsWith("t/")) ? ["applied"] : [])),
    );
    const alice = await s.arrive("alice");
    const bob = await s.clock.until(connect({ ...options(s, "bob", { store }), blobs: { ...blobs, get } }));
    const chat = await s.clock.until(alice.conversation({ with: ["bob"] }));
    await s.clock.settle();
    bob.goOffline();
    const text = "x".repeat(250_000);
    for (let i = 0; i < 12; i++) await s.clock.until((await s.clock.until(chat.send({ text }))).sent);
    events.length = 0;
    bob.goOnline();
    await s.clock.until(bob.caughtUp());
    expect(await s.clock.until(take(bob.conversations()[0]!, 12))).toHaveLength(12);
    const held = events
      .join(" ")
      .split("applied")
      .map((part) => part.split("get").length - 1);
    expect(held.reduce((sum, count) => sum + count)).toBe(12);
    expect(Math.max(...held)).toBeLessThanOrEqual(5);
    await alice.close();
    await bob.close();
  });
});

describe("at the edges", () => {
  it("a token is not sent in clear over a network", async () => {
    const s = stage();
    for (const url of ["ws://relay.example/v1", "ws://localhost.example/v1", "http://relay.example"]) {
      const attempt = connect({ ...options(s, "alice", { store: memoryStore() }), url });
      await expect(attempt).rejects.toMatchObject({ code: "invalid_argument" });
    }
  });

  it("a pace of renewals that cannot be kept is refused, and the store closed", async () => {
    const s = stage();
    const paces = [
      { commitsPerDay: -1 },
      { commitsPerDay: 1.5 },
      { commitsPerDay: NaN },
      { commitsPerDay: 1_001 },
      // Hours or days, by mistake.
      { interval: 24 },
      { interval: Infinity },
      { interval: NaN },
    ];
    for (const renewals of paces) {
      const store = memoryStore();
      const attempt = connect({ ...options(s, "alice", { store }), renewals });
      await expect(attempt).rejects.toMatchObject({ code: "invalid_argument" });
      await expect(store.get(["identity"])).rejects.toMatchObject({ code: "closed" });
    }
    const renewals = { commitsPerDay: 1_000, interval: 3_600_000 };
    const alice = await s.clock.until(connect({ ...options(s, "alice", { store: memoryStore() }), renewals }));
    await alice.close();
  });

  it("a store that is closed during a read says so", async () => {
    const inner = memoryStore();
    const store = await sealedStore(inner, inner.vault!, (length) => new Uint8Array(length));
    await store.commit([{ key: "a", value: Uint8Array.of(1) }]);
    const reading = store.get("a");
    await store.close();
    await expect(reading).rejects.toMatchObject({ code: "closed" });
    await expect(store.commit([{ key: "a", value: Uint8Array.of(2) }])).rejects.toMatchObject({ code: "closed" });
  });
});
