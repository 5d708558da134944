/** How a client stays connected: over the relay's own rules, in a time of its own. */
import { connect, type Client, type ConnectionState, type Store } from "@tacit/client";
import { memoryStore } from "@tacit/client/memory";
import { limits } from "@tacit/protocol";
import { fakeClock } from "./support/fakeClock.ts";
import { inProcessRelay, type FrameOnItsWay } from "./support/inProcessRelay.ts";
import { stage, suite, take } from "./support/stage.ts";

function states(client: Client): ConnectionState[] {
  const seen: ConnectionState[] = [];
  client.connection.subscribe((state) => seen.push(state));
  return seen;
}

const minute = 60_000;

/** A second store with the contents of `store`, as somebody who copies a file gets it. */
async function copy(store: Store): Promise<Store> {
  const copied = memoryStore();
  const contents = await store.scan("");
  await copied.commit(contents.map(([key, value]) => ({ key, value })));
  return { ...copied, vault: store.vault! };
}

describe("a connection", () => {
  it("comes back after a loss, with jitter within the bounds of the backoff", async () => {
    const { clock, relay, arrive } = stage();
    const alice = await arrive("alice");
    const seen = states(alice);
    relay.reachable = false;
    relay.cut();
    await clock.advance(60 * minute);
    const waits: number[] = [];
    let lostAt = 0;
    alice.connection.subscribe(() => {})();
    for (const state of seen) {
      if (state.status === "offline" && state.retryAt !== undefined) {
        waits.push(state.retryAt - lostAt);
        lostAt = state.retryAt;
      }
    }
    waits.shift();
    expect(waits.length).toBeGreaterThan(80);
    // Full jitter: from nothing up to the bound, which doubles up to the cap.
    waits.forEach((wait, attempt) => expect(wait).toBeLessThanOrEqual(Math.min(45_000, 20_000 * 2 ** attempt)));
    const late = waits.slice(10);
    const mean = late.reduce((sum, wait) => sum + wait, 0) / late.length;
    expect(mean).toBeGreaterThan(15_000);
    expect(mean).toBeLessThan(30_000);
    expect(new Set(late).size).toBeGreaterThan(late.length * 0.9);

    relay.reachable = true;
    await clock.until(alice.caughtUp());
    expect(alice.connection.current.status).toBe("online");
    await alice.close();
  });

  it("takes over from itself before the lease ends, and is never without a socket", async () => {
    const { clock, relay, arrive } = stage();
    const alice = await arrive("alice");
    const seen = states(alice);
    const hellos: number[] = [];
    relay.filter = ({ direction, frame }: FrameOnItsWay) => {
      if (direction === "up" && frame.op === "hello") hellos.push(clock.now());
      return true;
    };
    const start = clock.now();
    await clock.advance(limits.connectionLifetime * 3 + minute);
    expect(seen.some(({ status }) => status === "offline" || status === "connecting")).toBe(false);
    expect(relay.sockets).toBe(1);
    expect(seen.filter(({ status }) => status === "catchingUp")).toHaveLength(3);
    const gaps = hellos.map((at, index) => at - (hellos[index - 1] ?? start));
    expect(Math.max(...gaps)).toBeLessThanOrEqual(limits.keepAlive);
    await alice.close();
  });

  it("goes on where the lease's successor cannot be opened in time", async () => {
    const { clock, relay, arrive } = stage();
    const alice = await arrive("alice");
    relay.reachable = false;
    await clock.advance(limits.connectionLifetime + minute);
    expect(alice.connection.current.status).not.toBe("closed");
    relay.reachable = true;
    await clock.until(alice.caughtUp());
    await alice.close();
  });

  it("notices a socket that is half open", async () => {
    const { clock, relay, arrive } = stage();
    const alice = await arrive("alice");
    const seen = states(alice);
    let isBroken = true;
    relay.filter = () => !isBroken;
    await clock.advance(limits.keepAlive + minute);
    expect(seen.some(({ status }) => status === "offline")).toBe(true);
    isBroken = false;
    await clock.until(alice.caughtUp());
    await alice.close();
  });

  it("stops when another client of the device takes over", async () => {
    const { clock, relay, arrive } = stage();
    const store = memoryStore();
    const alice = await arrive("alice", { store });
    const twin = await arrive("alice", { store: await copy(store) });
    await clock.settle();
    const { current } = alice.connection;
    expect(current.status === "closed" && current.reason?.code).toBe("superseded");
    expect(twin.connection.current.status).toBe("online");
    await clock.advance(10 * minute);
    expect(relay.sockets).toBe(1);
    await alice.close();
    await twin.close();
  });

  it.each([-3_600_000, 3_600_000])("mends a clock that is %i ms off", async (skew) => {
    const clock = fakeClock();
    const relay = inProcessRelay(clock, { now: () => clock.now() + skew });
    const { url, transport, blobs } = relay;
    const options = { url, transport, blobs, clock, suite };
    const alice = await clock.until(connect({ ...options, token: relay.token("alice"), store: memoryStore() }));
    const bob = await clock.until(connect({ ...options, token: relay.token("bob"), store: memoryStore() }));
    expect(alice.connection.current.status).toBe("online");
    const chat = await clock.until(alice.conversation({ with: [bob.account] }));
    const { sent } = await clock.until(chat.send({ text: "in time" }));
    const { sentAt, storedAt } = await clock.until(sent);
    expect(Math.abs(sentAt - storedAt)).toBeLessThan(minute);
    await alice.close();
    await bob.close();
  });

  it("asks for a token for each connection, and waits where there is none", async () => {
    const { clock, relay } = stage();
    let asked = 0;
    let isSignedIn = true;
    const token = (): string => {
      asked++;
      if (!isSignedIn) throw new Error("signed out");
      return relay.token("alice", 30 * minute)();
    };
    const { url, transport, blobs } = relay;
    const alice = await clock.until(connect({ url, token, store: memoryStore(), suite, transport, blobs, clock }));
    // One to register, one to use.
    expect(asked).toBe(2);
    isSignedIn = false;
    await clock.advance(40 * minute);
    const { current } = alice.connection;
    expect(current.status === "offline" && current.reason?.code).toBe("token_failed");
    isSignedIn = true;
    await clock.until(alice.caughtUp());
    await alice.close();
  });

  it("stays away until it is wanted again", async () => {
    const { clock, relay, arrive } = stage();
    const alice = await arrive("alice");
    const bob = await arrive("bob");
    const chat = await clock.until(alice.conversation({ with: ["bob"] }));
    bob.goOffline();
    await clock.advance(30 * minute);
    expect(bob.connection.current).toEqual({ status: "offline" });
    expect(relay.sockets).toBe(1);
    await clock.until(chat.send({ text: "for later" }));
    await clock.advance(minute);
    bob.goOnline();
    await clock.until(bob.caughtUp());
    expect((await clock.until(take(bob.conversations()[0]!, 1)))[0]!.text).toBe("for later");
    await alice.close();
    await bob.close();
  });

  it("treats the platform's own error as a lost answer", async () => {
    const { clock, relay, arrive } = stage();
    const alice = await arrive("alice");
    const bob = await arrive("bob");
    const chat = await clock.until(alice.conversation({ with: ["bob"] }));
    let appended = 0;
    relay.filter = ({ direction, frame, deliver }) => {
      if (direction !== "up" || frame.op !== "append" || appended++ > 0) return true;
      deliver(JSON.stringify({ message: "Internal server error", connectionId: "abc=", requestId: "r" }));
      return false;
    };
    const { sent } = await clock.until(chat.send({ text: "again" }));
    await clock.until(sent);
    expect(appended).toBe(2);
    expect((await clock.until(take(bob.conversations()[0]!, 1)))[0]!.text).toBe("again");
    await alice.close();
    await bob.close();
  });

  it("ends iterations and refuses to go on after close", async () => {
    const { clock, arrive } = stage();
    const alice = await arrive("alice");
    const bob = await arrive("bob");
    const chat = await clock.until(alice.conversation({ with: ["bob"] }));
    const reading = take(chat, 5);
    await clock.settle();
    await alice.close();
    expect(await clock.until(reading)).toEqual([]);
    await expect(chat.send({ text: "too late" })).rejects.toMatchObject({ code: "closed" });
    await expect(alice.caughtUp()).rejects.toMatchObject({ code: "closed" });
    await bob.close();
  });
});

describe("a new device", () => {
  it("is told where it cannot be registered", async () => {
    const { clock, relay, arrive } = stage();
    const alice = await arrive("alice");
    const { url, transport, blobs } = relay;
    const options = { url, suite, transport, blobs, clock };
    const attempt = (more: Partial<Parameters<typeof connect>[0]>): Promise<unknown> =>
      clock.until(connect({ ...options, token: relay.token("alice"), store: memoryStore(), ...more }).catch((e) => e));
    expect(await attempt({})).toMatchObject({ code: "device_not_linked", remedy: "link" });
    expect(await attempt({ token: relay.token("bob"), account: "carol" })).toMatchObject({ code: "account_mismatch" });
    expect(await attempt({ token: () => Promise.reject(new Error("signed out")) })).toMatchObject({
      code: "token_failed",
      remedy: "signIn",
    });
    relay.reachable = false;
    expect(await attempt({ token: relay.token("dave") })).toMatchObject({ code: "connection_lost", retryable: true });
    await alice.close();
  });

  it("lets go of the store where connect rejects", async () => {
    const { clock, relay } = stage();
    const { url, transport, blobs } = relay;
    const store = memoryStore();
    relay.reachable = false;
    const options = { url, token: relay.token("alice"), suite, transport, blobs, clock };
    const attempt = clock.until(connect({ ...options, store }));
    await expect(attempt).rejects.toMatchObject({ code: "connection_lost" });
    relay.reachable = true;
    const alice = await clock.until(connect({ ...options, store: store.reopen() }));
    expect(alice.account).toBe("alice");
    await alice.close();
  });

  it("keeps half of its key packages out, and one of last resort", async () => {
    const { clock, relay, arrive } = stage();
    const alice = await arrive("alice");
    const name = `alice ${alice.device}`;
    const packages = relay.tables.keyPackages.get(name)!;
    expect(packages.size).toBe(20);
    expect(relay.tables.lastResorts.has(name)).toBe(true);
    const published = new Set(packages.keys());
    for (const hash of [...published].slice(0, 11)) packages.delete(hash);
    relay.cut();
    await clock.settle();
    await clock.until(alice.caughtUp());
    expect(packages.size).toBe(20);
    expect([...packages.keys()].filter((hash) => published.has(hash))).toHaveLength(9);
    await alice.close();
  });
});
