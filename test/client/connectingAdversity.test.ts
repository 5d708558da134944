/** Connections that are given up while they come about, and options that cannot be. */
import { connect, type Store, type Transport } from "@tacit/client";
import { memoryStore } from "@tacit/client/memory";
import { sealedStore } from "../../client/src/sealedStore.ts";
import { stage, type Stage } from "./support/stage.ts";
import { options } from "./support/trouble.ts";

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
