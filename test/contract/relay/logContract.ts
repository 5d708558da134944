/** Log, Conversations and Landing: one seq is used once, and what belongs together lands together. */
import { randomId } from "../../../bench/rawDevice.ts";
import type { Conversation, LandingWrite, StoredEntry } from "../../../lambdas/ports.ts";
import type { MakePorts } from "./ports.ts";

const times = { at: 1_000, expires: 2_000, ttl: 90_000 };

function messageAt(seq: number, more: Partial<StoredEntry> = {}): StoredEntry {
  const id = randomId();
  return {
    kind: "message",
    seq,
    prev: seq - 1,
    id,
    turn: 1,
    payload: { inline: "AAEC" },
    ...times,
    ...more,
  } as StoredEntry;
}

function commitAt(seq: number, turn: number): StoredEntry {
  const roster = { add: ["ann", "bob"], remove: [] };
  return { ...messageAt(seq), kind: "commit", turn, account: "ann", roster };
}

const conversationAfter = (entry: StoredEntry, more: Partial<Conversation> = {}): Conversation => ({
  turn: entry.turn + 1,
  ceiling: 64,
  roster: ["ann", "bob"],
  dropped: new Map(),
  lastCommit: { id: entry.id, seq: entry.seq, at: entry.at, by: "ann" },
  generation: 0,
  predecessor: undefined,
  ...more,
});

export function logContract(make: MakePorts): void {
  const name = (): string => `g-${randomId()}`;

  async function created(ports = make()) {
    const conversation = name();
    const entry = commitAt(1, 0);
    const next = conversationAfter(entry);
    const write: LandingWrite = { conversation, entry, expected: undefined, next, welcomes: [] };
    expect(await ports.landing.land(write)).toEqual({ kind: "landed" });
    return { ports, conversation, entry, next, write };
  }

  describe("log", () => {
    test("a place is taken once, and who comes late is told by what", async () => {
      const { log } = make();
      const conversation = name();
      const [first, second] = [messageAt(1), messageAt(1)];
      expect(await log.put(conversation, first)).toEqual({ landed: true });
      expect(await log.put(conversation, second)).toEqual({ landed: false, found: first });
      expect(await log.newest(conversation)).toEqual(first);
    });

    test("of many at once, one gets the place", async () => {
      const { log } = make();
      const conversation = name();
      const outcomes = await Promise.all(Array.from({ length: 8 }, () => log.put(conversation, messageAt(1))));
      expect(outcomes.filter(({ landed }) => landed)).toHaveLength(1);
    });

    test("entries come back as they were put", async () => {
      const { log } = make();
      const conversation = name();
      const blob = { hash: "A".repeat(43), size: 77 };
      const entries: StoredEntry[] = [
        commitAt(1, 0),
        messageAt(2, { payload: { blob } }),
        { ...messageAt(3), kind: "proposal", account: "bob" },
        { ...messageAt(4), kind: "proposal", account: "bob", leave: true },
        { ...commitAt(9, 1), prev: 3, kind: "commit", roster: { add: [], remove: ["bob"] }, account: "ann" },
      ];
      for (const entry of entries) await log.put(conversation, entry);
      expect((await log.page(conversation, 0, 10)).entries).toEqual(entries);
      expect(await log.newest(conversation)).toEqual(entries.at(-1));
    });

    test("pages go on after a cursor, in the order of numbers", async () => {
      const { log } = make();
      const conversation = name();
      for (const seq of [1, 2, 9, 10, 11, 100]) await log.put(conversation, messageAt(seq));
      const seqs: number[] = [];
      let more = true;
      while (more) {
        const page = await log.page(conversation, seqs.at(-1) ?? 0, 2);
        expect(page.entries.length).toBeLessThanOrEqual(2);
        seqs.push(...page.entries.map(({ seq }) => seq));
        ({ more } = page);
      }
      expect(seqs).toEqual([1, 2, 9, 10, 11, 100]);
      expect(await log.page(name(), 0, 2)).toEqual({ entries: [], more: false });
      expect(await log.newest(name())).toBeUndefined();
    });
  });

  describe("conversations", () => {
    test("come back as they landed", async () => {
      const { ports, conversation, entry, next } = await created();
      expect(await ports.conversations.get(conversation)).toEqual(next);
      expect(await ports.log.newest(conversation)).toEqual(entry);
      expect(await ports.conversations.get(name())).toBeUndefined();
    });

    test("the ceiling goes up once on one reading", async () => {
      const { ports, conversation, next } = await created();
      expect(await ports.conversations.raiseCeiling(conversation, 64, 128)).toBe(true);
      // The same again is as good as done; another on the old reading is not.
      expect(await ports.conversations.raiseCeiling(conversation, 64, 128)).toBe(true);
      expect(await ports.conversations.raiseCeiling(conversation, 64, 192)).toBe(false);
      expect(await ports.conversations.get(conversation)).toEqual({ ...next, ceiling: 128 });
      expect(await ports.conversations.raiseCeiling(name(), 64, 128)).toBe(false);
    });
  });

  describe("landing", () => {
    test("a conversation is created once", async () => {
      const { ports, conversation, write, next } = await created();
      const other = commitAt(1, 0);
      const rival = { ...write, entry: other, next: conversationAfter(other) };
      expect(await ports.landing.land(rival)).toEqual({ kind: "conflict" });
      expect(await ports.conversations.get(conversation)).toEqual(next);
      expect(await ports.landing.land(write)).toEqual({ kind: "landed" });
    });

    test.each([
      ["the turn", { turn: 0, ceiling: 64 }],
      ["the ceiling", { turn: 1, ceiling: 63 }],
    ])("nothing lands when %s is not as read", async (_what, seen) => {
      const { ports, conversation, next } = await created();
      const entry = commitAt(2, 1);
      const expected = { ...next, ...seen };
      const write = { conversation, entry, expected, next: conversationAfter(entry), welcomes: [] };
      expect(await ports.landing.land(write)).toEqual({ kind: "conflict" });
      expect(await ports.conversations.get(conversation)).toEqual(next);
      expect((await ports.log.newest(conversation))?.seq).toBe(1);
    });

    test("nothing lands when the place is taken, and a repetition of what landed is success", async () => {
      const { ports, conversation, next } = await created();
      await ports.log.put(conversation, messageAt(2));
      const late = commitAt(2, 1);
      const write = { conversation, entry: late, expected: next, next: conversationAfter(late), welcomes: [] };
      expect(await ports.landing.land(write)).toEqual({ kind: "conflict" });
      const entry = commitAt(3, 1);
      const dropped = new Map([
        ["bob", { seq: 3, turn: 2 }],
        ["cat", { seq: 2, turn: 1, left: true as const }],
      ]);
      const after = conversationAfter(entry, {
        roster: ["ann"],
        dropped,
        lastLeave: 2,
        restored: 1,
        ceiling: 128,
        generation: 3,
        predecessor: name(),
      });
      const right = { conversation, entry, expected: next, next: after, welcomes: [] };
      expect(await ports.landing.land(right)).toEqual({ kind: "landed" });
      expect(await ports.landing.land(right)).toEqual({ kind: "landed" });
      expect(await ports.conversations.get(conversation)).toEqual(after);
    });

    test("an entry lands in two places, or in none", async () => {
      const { ports, conversation, next } = await created();
      const entry: StoredEntry = { ...messageAt(2), kind: "proposal", account: "bob", leave: true };
      const copy = { name: `${conversation}/leaves`, ttl: 500_000 };
      const write = { conversation, entry, next, welcomes: [], copy };
      expect(await ports.landing.land({ ...write, expected: { turn: 0, ceiling: 64 } })).toEqual({ kind: "conflict" });
      expect(await ports.log.newest(copy.name)).toBeUndefined();
      expect(await ports.landing.land({ ...write, expected: next })).toEqual({ kind: "landed" });
      expect(await ports.log.newest(conversation)).toEqual(entry);
      expect(await ports.log.newest(copy.name)).toEqual({ ...entry, ttl: copy.ttl });
      // A repetition, by the database's client or by the relay.
      expect(await ports.landing.land({ ...write, expected: next })).toEqual({ kind: "landed" });
    });

    test("a Welcome needs a claim of the committer's own, once; all of a landing or nothing", async () => {
      const { ports, conversation, next } = await created();
      const [device, other] = [randomId(32), randomId(32)];
      const [own, foreign] = [`1${randomId()}`, `2${randomId()}`];
      const keyPackage = randomId(32);
      await ports.inbox.reserve({ device, id: own, by: "ann", keyPackage, ttl: 5_000 });
      await ports.inbox.reserve({ device: other, id: foreign, by: "eve", keyPackage, ttl: 5_000 });
      const welcome = (of: string, claim: string) => ({
        device: of,
        claim,
        by: "ann",
        payload: { inline: "AQ" },
        ttl: 9_000,
      });
      const entry = commitAt(2, 1);
      const write = { conversation, entry, expected: next, next: conversationAfter(entry) };
      for (const [of, claim] of [
        [other, foreign],
        [device, foreign],
        [device, `3${randomId()}`],
      ] as const) {
        const welcomes = [welcome(device, own), welcome(of, claim)];
        expect(await ports.landing.land({ ...write, welcomes })).toEqual({ kind: "notClaimed", index: 1 });
      }
      expect(await ports.inbox.page("cid", device, undefined, 10)).toMatchObject({ items: [] });
      expect((await ports.log.newest(conversation))?.seq).toBe(1);

      expect(await ports.landing.land({ ...write, welcomes: [welcome(device, own)] })).toEqual({ kind: "landed" });
      const item = {
        kind: "welcome",
        id: own,
        conversation,
        seq: 2,
        turn: 2,
        keyPackage,
        payload: { inline: "AQ" },
        at: entry.at,
      };
      expect((await ports.inbox.page("cid", device, undefined, 10)).items).toEqual([item]);

      const again = commitAt(3, 2);
      const twice = { conversation, entry: again, expected: write.next, next: conversationAfter(again) };
      const outcome = await ports.landing.land({ ...twice, welcomes: [welcome(device, own)] });
      expect(outcome).toEqual({ kind: "notClaimed", index: 0 });
    });
  });
}
