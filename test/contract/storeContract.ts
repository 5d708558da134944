/** What every Store does. An adapter's own test runs it, and adds what is its own. */
import type { Store } from "@tacit/client";

export interface StoreUnderTest {
  /** An empty one. */
  readonly create: () => Promise<Store>;
  /** The same contents again, after `close`, as a restarted process would. Rejects with `store_locked` while it is open. */
  readonly reopen: (store: Store) => Promise<Store>;
}

const bytes = (...values: readonly number[]): Uint8Array => Uint8Array.from(values);

export function storeContract({ create, reopen }: StoreUnderTest): void {
  describe("as every store", () => {
    let store: Store;
    beforeEach(async () => {
      store = await create();
    });
    afterEach(async () => {
      await store.close();
    });

    it("reads what was committed, in the order of the keys that were asked for", async () => {
      await store.commit([
        { key: "a", value: bytes(1) },
        { key: "b", value: bytes() },
      ]);
      expect(await store.get(["b", "missing", "a"])).toEqual([bytes(), undefined, bytes(1)]);
      expect(await store.get([])).toEqual([]);
    });

    it("replaces, deletes, and lets the later of two writes of one key count", async () => {
      await store.commit([
        { key: "a", value: bytes(1) },
        { key: "b", value: bytes(1) },
      ]);
      await store.commit([{ key: "a", value: bytes(2) }, { key: "b" }, { key: "never there" }]);
      expect(await store.get(["a", "b"])).toEqual([bytes(2), undefined]);
      await store.commit([{ key: "a" }, { key: "a", value: bytes(3) }, { key: "b", value: bytes(4) }, { key: "b" }]);
      expect(await store.get(["a", "b"])).toEqual([bytes(3), undefined]);
    });

    it("scans by prefix, in order, in pages, both ways", async () => {
      const names = ["m/0", "n", "n/", "n/01", "n/02", "n/1", "n/~", "n0", "o/1"];
      await store.commit([...names].reverse().map((key, index) => ({ key, value: bytes(index) })));
      const keys = async (...scan: Parameters<Store["scan"]>): Promise<readonly string[]> =>
        (await store.scan(...scan)).map(([key]) => key);
      expect(await keys("n/0")).toEqual(["n/01", "n/02"]);
      expect(await keys("n/", { after: "n/01" })).toEqual(["n/02", "n/1", "n/~"]);
      expect(await keys("n/", { after: "n/01", limit: 1 })).toEqual(["n/02"]);
      expect(await keys("n/", { after: "a" })).toEqual(["n/", "n/01", "n/02", "n/1", "n/~"]);
      expect(await keys("n/", { reverse: true, limit: 2 })).toEqual(["n/~", "n/1"]);
      expect(await keys("n/", { reverse: true, after: "n/1", limit: 2 })).toEqual(["n/02", "n/01"]);
      expect(await keys("n/", { after: "n/~" })).toEqual([]);
      expect(await keys("x/")).toEqual([]);
      expect(await store.scan("o/")).toEqual([["o/1", bytes(0)]]);
    });

    it("keeps no reference to what it was given, and gives none away", async () => {
      const given = bytes(1, 2);
      await store.commit([{ key: "a", value: given }]);
      given.fill(9);
      const [read] = await store.get(["a"]);
      read!.fill(9);
      const [[, scanned]] = (await store.scan("a")) as [readonly [string, Uint8Array]];
      scanned.fill(9);
      expect(await store.get(["a"])).toEqual([bytes(1, 2)]);
    });

    it("takes a view into a larger array for what it shows", async () => {
      await store.commit([{ key: "a", value: bytes(1, 2, 3, 4).subarray(1, 3) }]);
      expect(await store.get(["a"])).toEqual([bytes(2, 3)]);
    });

    it("keeps everything over a restart", async () => {
      await store.commit([{ key: "a", value: bytes(1) }]);
      await store.close();
      store = await reopen(store);
      expect(await store.get(["a"])).toEqual([bytes(1)]);
    });

    it("is open once at a time", async () => {
      await expect(reopen(store)).rejects.toMatchObject({ code: "store_locked", retryable: true });
      await store.commit([{ key: "a", value: bytes(1) }]);
      await store.close();
      store = await reopen(store);
      expect(await store.get(["a"])).toEqual([bytes(1)]);
    });

    it("refuses everything after close, which can be repeated", async () => {
      await store.close();
      await store.close();
      await expect(store.get(["a"])).rejects.toMatchObject({ code: "closed" });
      await expect(store.scan("a")).rejects.toMatchObject({ code: "closed" });
      await expect(store.commit([{ key: "a" }])).rejects.toMatchObject({ code: "closed" });
    });
  });
}
