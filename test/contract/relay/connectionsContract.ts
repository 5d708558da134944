/** Connections: one socket for each device, and the newer wins, in whatever order they come. */
import { randomId } from "../../../bench/rawDevice.ts";
import type { MakePorts } from "./ports.ts";

const socket = (connectedAt: number, connection = randomId(8)) => ({
  connection,
  connectedAt,
  lease: connectedAt + 10,
});

export function connectionsContract(make: MakePorts): void {
  describe("connections", () => {
    test("devices of several accounts are read at once", async () => {
      const { connections } = make();
      const accounts = Array.from({ length: 130 }, () => randomId());
      const [first, last] = [accounts[0]!, accounts.at(-1)!];
      const [a, b, c] = [socket(1), socket(2), socket(3)];
      await connections.register(first, "phone", a, 9_000);
      await connections.register(first, "laptop", b, 9_000);
      await connections.register(last, "phone", c, 9_000);
      const found = await connections.of([...accounts, first]);
      expect([...found.keys()].sort()).toEqual([first, last].sort());
      expect(found.get(first)).toEqual(
        new Map([
          ["phone", a],
          ["laptop", b],
        ]),
      );
      expect(found.get(last)).toEqual(new Map([["phone", c]]));
    });

    test("the newer replaces the older, and not the other way round", async () => {
      const { connections } = make();
      const account = randomId();
      const [older, newer] = [socket(1), socket(2)];
      expect(await connections.register(account, "d", newer, 9_000)).toEqual({ registered: true, replaced: undefined });
      expect(await connections.register(account, "d", older, 9_000)).toEqual({ registered: false });
      const newest = socket(3);
      expect(await connections.register(account, "d", newest, 9_000)).toEqual({ registered: true, replaced: newer });
      expect((await connections.of([account])).get(account)?.get("d")).toEqual(newest);
    });

    test("of two that connected in one millisecond, names decide, and both agree", async () => {
      const { connections } = make();
      for (const order of [
        ["a", "b"],
        ["b", "a"],
      ] as const) {
        const account = randomId();
        for (const name of order) await connections.register(account, "d", socket(1, name), 9_000);
        expect((await connections.of([account])).get(account)?.get("d")?.connection).toBe("b");
      }
    });

    test("a socket may register again", async () => {
      const { connections } = make();
      const account = randomId();
      const one = socket(5);
      await connections.register(account, "d", one, 9_000);
      const longer = { ...one, lease: 99 };
      expect(await connections.register(account, "d", longer, 9_000)).toEqual({ registered: true, replaced: one });
      expect((await connections.of([account])).get(account)?.get("d")).toEqual(longer);
    });

    test("only its own is forgotten", async () => {
      const { connections } = make();
      const account = randomId();
      const one = socket(5);
      await connections.unregister(account, "d", one.connection);
      await connections.register(account, "d", one, 9_000);
      await connections.unregister(account, "d", "another");
      expect((await connections.of([account])).get(account)?.get("d")).toEqual(one);
      await connections.unregister(account, "d", one.connection);
      expect((await connections.of([account])).get(account)?.get("d")).toBeUndefined();
    });

    test("a device stays blocked, through whichever socket it comes", async () => {
      const { connections } = make();
      const account = randomId();
      const [one, next] = [socket(5), socket(6)];
      const ofDevice = async (device: string) => (await connections.of([account])).get(account)?.get(device);
      await connections.block(account, "d", 77);
      await connections.register(account, "d", one, 9_000);
      await connections.register(account, "other", one, 9_000);
      await connections.block(account, "d", 78);
      expect(await ofDevice("d")).toEqual({ ...one, blockedUntil: 78 });
      await connections.register(account, "d", next, 9_000);
      expect(await ofDevice("d")).toEqual({ ...next, blockedUntil: 78 });
      await connections.unregister(account, "d", next.connection);
      await connections.register(account, "d", one, 9_000);
      expect(await ofDevice("d")).toEqual({ ...one, blockedUntil: 78 });
      expect(await ofDevice("other")).toEqual(one);
    });
  });
}
