/** The bounded cache of imported keys. */
import { keyCache } from "../../../mls/src/providers/keyCache.ts";
import { hex } from "./support.ts";

test("loads a key once, and forgets the one that was not used for longest", () => {
  const loaded: string[] = [];
  const keys = keyCache(
    hex,
    (_, encoded) => {
      loaded.push(encoded);
      return { encoded };
    },
    2,
  );
  const use = (byte: number) => keys(Uint8Array.of(byte)).encoded;
  expect([1, 2, 1, 2, 1].map(use)).toEqual(["01", "02", "01", "02", "01"]);
  expect(loaded).toEqual(["01", "02"]);
  use(3);
  use(1);
  expect(loaded).toEqual(["01", "02", "03"]);
  use(2);
  expect(loaded).toEqual(["01", "02", "03", "02"]);
});

test("a key that failed to load is tried again, whether it threw or rejected", async () => {
  let broken = true;
  const throwing = keyCache(
    hex,
    () => {
      if (broken) throw new Error("no");
      return "key";
    },
    2,
  );
  const rejecting = keyCache(
    hex,
    async () => {
      if (broken) throw new Error("no");
      return "key";
    },
    2,
  );
  const bytes = Uint8Array.of(1);
  expect(() => throwing(bytes)).toThrow("no");
  await expect(rejecting(bytes)).rejects.toThrow("no");
  broken = false;
  expect(throwing(bytes)).toBe("key");
  expect(await rejecting(bytes)).toBe("key");
});
