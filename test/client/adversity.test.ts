/** What a relay in trouble or a bad moment must not do to what a device says and changes. */
import { connect, TacitError, type Client } from "@tacit/client";
import { memoryStore } from "@tacit/client/memory";
import { expire } from "./support/conversations.ts";
import { history, invitation, stage, take } from "./support/stage.ts";
import { options, refuseOnce, watched } from "./support/trouble.ts";

const minute = 60_000;

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
