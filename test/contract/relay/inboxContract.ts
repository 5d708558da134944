/** Inbox: what is reserved is not seen, what is read stays, and goes when it is acknowledged. Messages are for one account. */
import { randomId } from "../../../bench/rawDevice.ts";
import type { InboxMessage, StoredEntry } from "../../../lambdas/ports.ts";
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
        const page = await inbox.page("cid", device, after, 2);
        seen.push(...page.items.map(({ id }) => id));
        after = page.next;
      } while (after !== undefined);
      expect(seen).toEqual(ids);
      expect(await inbox.page("cid", randomId(32), undefined, 2)).toEqual({ items: [], next: undefined });
    });

    test("many reservations take one page", async () => {
      const { inbox, device, ids } = await welcomed(2);
      const last = ids[1]!;
      await Promise.all(
        Array.from({ length: 600 }, (_, i) =>
          inbox.reserve({ device, id: `0x${i}`, by: "mallory", keyPackage: randomId(32), ttl: 5_000 }),
        ),
      );
      expect((await inbox.page("cid", device, undefined, 1)).items.map(({ id }) => id)).toEqual([ids[0]]);
      expect((await inbox.page("cid", device, ids[0], 50)).items.map(({ id }) => id)).toEqual([last]);
      expect((await inbox.page("cid", device, undefined, 50)).items.map(({ id }) => id)).toEqual(ids);
    });

    test("a Welcome stays until it is removed, a reservation also then", async () => {
      const { inbox, device, ids } = await welcomed(2);
      await inbox.remove("cid", device, ids[0]!);
      await inbox.remove("cid", device, ids[0]!);
      await inbox.remove("cid", device, `${ids[1]}x`);
      expect((await inbox.page("cid", device, undefined, 10)).items.map(({ id }) => id)).toEqual([ids[1]]);
    });
  });

  describe("messages", () => {
    const messageTo = (device: string, more: Partial<InboxMessage> = {}): InboxMessage => ({
      account: "cid",
      device,
      mark: randomId(32),
      id: `0${randomId()}`,
      from: { account: "dan#x", device: randomId(32) },
      payload: { inline: randomId(20) },
      at: 77,
      ttl: 5_000,
      ...more,
    });

    test("come back as they were sent, among the Welcomes, in the order of ids", async () => {
      const { inbox, device, ids } = await welcomed(2);
      const blob = { hash: randomId(32), size: 9 };
      const sent = [
        messageTo(device, { id: `0a${randomId()}` }),
        messageTo(device, { id: `1!${randomId()}`.replace("!", "-"), payload: { blob } }),
        messageTo(device, { id: `7${randomId()}` }),
      ];
      for (const one of sent) await inbox.send(one);
      const all = (await inbox.page("cid", device, undefined, 50)).items;
      expect(all.map(({ id }) => id)).toEqual([...ids, ...sent.map(({ id }) => id)].sort());
      const { account, device: from } = sent[1]!.from;
      const expected = { kind: "message", id: sent[1]!.id, account, device: from, payload: { blob }, at: 77 };
      expect(all.find(({ id }) => id === sent[1]!.id)).toEqual(expected);

      const paged: string[] = [];
      let after: string | undefined;
      do {
        const page = await inbox.page("cid", device, after, 1);
        expect(page.items.length).toBeLessThanOrEqual(1);
        paged.push(...page.items.map(({ id }) => id));
        after = page.next;
      } while (after !== undefined);
      expect(paged).toEqual(all.map(({ id }) => id));
    });

    test("a repetition overwrites, wherever the first stands", async () => {
      const { inbox } = make();
      const [device, mark] = [randomId(32), randomId(32)];
      const first = messageTo(device, { mark });
      await inbox.send(first);
      const payload = { inline: randomId(20) };
      const again = messageTo(device, { mark, payload, at: 99 });
      await inbox.send(again);
      await Promise.all([inbox.send(again), inbox.send(again)]);
      const { items } = await inbox.page("cid", device, undefined, 50);
      expect(items).toMatchObject([{ id: first.id, payload, at: 99 }]);
    });

    test("are for a device of that account, and for nobody who has the same device's name", async () => {
      const { inbox } = make();
      const device = randomId(32);
      const [own, foreign] = [messageTo(device), messageTo(device, { account: "mallory" })];
      await inbox.send(own);
      await inbox.send(foreign);
      expect((await inbox.page("cid", device, undefined, 50)).items.map(({ id }) => id)).toEqual([own.id]);
      await inbox.remove("cid", device, foreign.id);
      expect((await inbox.page("mallory", device, undefined, 50)).items.map(({ id }) => id)).toEqual([foreign.id]);
      await inbox.remove("cid", device, own.id);
      await inbox.remove("cid", device, own.id);
      expect((await inbox.page("cid", device, undefined, 50)).items).toEqual([]);
    });
  });
}
