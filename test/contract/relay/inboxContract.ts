/** Inbox: what is reserved is not seen, what is read stays, and goes when it is acknowledged. */
import { randomId } from "../../../bench/rawDevice.ts";
import type { StoredEntry } from "../../../lambdas/ports.ts";
import type { MakePorts } from "./ports.ts";

export function inboxContract(make: MakePorts): void {
  /** A device with `count` Welcomes, each of a conversation of its own, and reservations between them. */
  async function welcomed(count: number) {
    const ports = make();
    const device = randomId(32);
    const ids = Array.from({ length: count }, (_, i) => `${i}${randomId()}`);
    for (const id of ids) {
      await ports.inbox.reserve({ device, id, by: "ann", keyPackage: randomId(32), ttl: 5_000 });
      await ports.inbox.reserve({ device, id: `${id}x`, by: "ann", keyPackage: randomId(32), ttl: 5_000 });
      const entryId = randomId();
      const entry: StoredEntry = {
        kind: "commit",
        seq: 1,
        prev: 0,
        id: entryId,
        turn: 0,
        at: 1,
        expires: 2,
        ttl: 3,
        payload: { inline: "AA" },
        account: "ann",
        roster: { add: ["ann"], remove: [] },
      };
      const next = {
        turn: 1,
        ceiling: 64,
        roster: ["ann"],
        dropped: new Map(),
        lastCommit: { id: entryId, seq: 1, at: 1, by: "ann" },
        generation: 0,
        predecessor: undefined,
      };
      const payload = { blob: { hash: randomId(32), size: 9 } };
      const welcomes = [{ device, claim: id, by: "ann", payload, ttl: 9_000 }];
      await ports.landing.land({ conversation: `g-${randomId()}`, entry, expected: undefined, next, welcomes });
    }
    return { inbox: ports.inbox, device, ids };
  }

  describe("inbox", () => {
    test("pages go on after an id, and pass reservations over", async () => {
      const { inbox, device, ids } = await welcomed(3);
      const seen: string[] = [];
      let after: string | undefined;
      do {
        const page = await inbox.page(device, after, 2);
        seen.push(...page.items.map(({ id }) => id));
        after = page.next;
      } while (after !== undefined);
      expect(seen).toEqual(ids);
      expect(await inbox.page(randomId(32), undefined, 2)).toEqual({ items: [], next: undefined });
    });

    test("many reservations take one page", async () => {
      const { inbox, device, ids } = await welcomed(2);
      const last = ids[1]!;
      await Promise.all(
        Array.from({ length: 600 }, (_, i) =>
          inbox.reserve({ device, id: `0x${i}`, by: "mallory", keyPackage: randomId(32), ttl: 5_000 }),
        ),
      );
      expect((await inbox.page(device, undefined, 1)).items.map(({ id }) => id)).toEqual([ids[0]]);
      expect((await inbox.page(device, ids[0], 50)).items.map(({ id }) => id)).toEqual([last]);
      expect((await inbox.page(device, undefined, 50)).items.map(({ id }) => id)).toEqual(ids);
    });

    test("a Welcome stays until it is removed, a reservation also then", async () => {
      const { inbox, device, ids } = await welcomed(2);
      await inbox.remove(device, ids[0]!);
      await inbox.remove(device, ids[0]!);
      await inbox.remove(device, `${ids[1]}x`);
      expect((await inbox.page(device, undefined, 10)).items.map(({ id }) => id)).toEqual([ids[1]]);
    });
  });
}
