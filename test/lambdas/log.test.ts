/** Appending, proposing and reading. */
import { limits, type Request } from "@tacit/protocol";
import { randomId } from "../../bench/rawDevice.ts";
import type { Log } from "../../lambdas/ports.ts";
import { dyingMargin, placeEntry } from "../../lambdas/core/placeEntry.ts";
import {
  ask,
  commitOf,
  group,
  hour,
  message,
  minute,
  newStage,
  payload,
  person,
  pushes,
  welcomeFor,
  type Device,
} from "./stage.ts";

async function pair() {
  const stage = newStage();
  const alice = await person(stage, "alice");
  const bob = await person(stage, "bob");
  return { stage, alice, bob, conversation: await group([alice, bob]) };
}

const append = (device: Device, conversation: string, more: Partial<Request<"append">> = {}) =>
  ask(device, "append", { conversation, turn: 1, entries: [message()], ...more });

describe("placeEntry", () => {
  const head = { seq: 7, ttl: 1_000 };
  const dies = 1_000_000;

  test.each([
    ["alive", 100, head, dies - dyingMargin - 1, { kind: "put", seq: 8, prev: 7, ceiling: undefined }],
    ["alive at the ceiling", 7, head, 0, { kind: "put", seq: 8, prev: 7, ceiling: 71 }],
    ["dying, from", 100, head, dies - dyingMargin, { kind: "dying" }],
    ["dying, to", 100, head, dies - 1, { kind: "dying" }],
    ["dead", 100, head, dies, { kind: "revive", seq: 101, prev: 100, ceiling: 164 }],
    ["absent", 100, undefined, 0, { kind: "revive", seq: 101, prev: 100, ceiling: 164 }],
  ])("a head that is %s", (_title, ceiling, newest, now, place) => {
    expect(placeEntry({ ceiling }, newest, now)).toEqual(place);
  });
});

describe("append", () => {
  test("several land in order, and the others' devices are rung with them", async () => {
    const { alice, bob, conversation } = await pair();
    const entries = [message(1), message(2), message(3)];
    const { ok, closes } = await append(alice, conversation, { entries });
    expect(ok!.accepted.map(({ id, seq, turn }) => [id, seq, turn])).toEqual(
      entries.map(({ id }, i) => [id, i + 2, 1]),
    );
    expect(closes).toBeUndefined();
    const [bell] = pushes(bob, "entries");
    expect(bell).toMatchObject({ conversation, seq: 4 });
    expect((bell!["entries"] as object[]).map((entry) => Object.keys(entry).sort())).toEqual(
      Array(3).fill(["at", "expires", "id", "kind", "payload", "prev", "seq", "turn"]),
    );
    expect(pushes(alice, "entries")).toEqual([]);
  });

  test("what is too large for a doorbell is only announced", async () => {
    const { alice, bob, conversation } = await pair();
    const entries = [1, 2].map((fill) => ({ ...message(), payload: payload(fill, 11_500) }));
    expect((await append(alice, conversation, { entries })).ok?.accepted).toHaveLength(2);
    expect(pushes(bob, "entries").at(-1)).toEqual({ push: "entries", conversation, seq: 3 });
  });

  test("a turn that is over or not yet: stale, with the head", async () => {
    const { alice, conversation } = await pair();
    for (const turn of [0, 2]) {
      expect((await append(alice, conversation, { turn })).error).toMatchObject({
        code: "stale",
        head: { seq: 1, turn: 1 },
      });
    }
  });

  test("a commit between two of a batch: the first are accepted, the rest is not", async () => {
    const { stage, alice, bob, conversation } = await pair();
    let puts = 0;
    const log = {
      ...stage.relay.log,
      put: async (...args: Parameters<Log["put"]>) => {
        if (++puts === 3) await ask(bob, "commit", commitOf(conversation));
        return stage.relay.log.put(...args);
      },
    };
    const entries = [message(1), message(2), message(3)];
    const racing = { ...alice, stage: { ...stage, relay: { ...stage.relay, log } } };
    expect((await append(racing, conversation, { entries })).ok?.accepted).toHaveLength(2);
    const { entries: read } = (await ask(bob, "read", { conversation, after: 1 })).ok!;
    expect(read.map(({ kind }) => kind)).toEqual(["message", "message", "commit"]);
  });

  test("nobody gets through: busy, and it says how long to wait", async () => {
    const { stage, alice, conversation } = await pair();
    const log = { ...stage.relay.log, put: () => Promise.resolve({ landed: false, found: undefined } as const) };
    const crowded = { ...alice, stage: { ...stage, relay: { ...stage.relay, log } } };
    expect((await append(crowded, conversation)).error).toMatchObject({
      code: "busy",
      retryable: true,
      retryAfter: 1_000,
    });
  });

  test("a dying head: busy; a dead one: the log goes on above everything before", async () => {
    const { stage, alice, conversation } = await pair();
    const { ttl } = (await stage.relay.log.newest(conversation))!;
    const later = () => ({ ...alice, caller: { ...alice.caller, expires: Infinity, connectedAt: stage.now } });
    stage.now = ttl * 1_000 - 1;
    expect((await append(later(), conversation)).error?.code).toBe("busy");
    stage.now = ttl * 1_000;
    expect((await append(later(), conversation)).ok?.accepted).toMatchObject([{ seq: 65 }]);
    stage.memory.tables.log.get(conversation)!.delete(1);
    const { entries } = (await ask(later(), "read", { conversation, after: 0 })).ok!;
    expect(entries).toMatchObject([{ seq: 65, prev: 64 }]);
  });

  test("the ttl never decreases, though settings do", async () => {
    const { stage, alice, conversation } = await pair();
    const before = (await stage.relay.log.newest(conversation))!.ttl;
    const settings = { ...stage.relay.settings, retention: minute };
    const shorter = { ...alice, stage: { ...stage, relay: { ...stage.relay, settings } } };
    await append(shorter, conversation);
    const after = (await stage.relay.log.newest(conversation))!;
    expect([after.seq, after.ttl, after.expires]).toEqual([2, before, stage.now + minute]);
  });
});

describe("read", () => {
  test("pages follow each other, and leave out what has expired", async () => {
    const { stage, alice, bob, conversation } = await pair();
    for (let i = 0; i < 3; i++) await append(alice, conversation);
    stage.now = (await stage.relay.log.newest(conversation))!.expires;
    const late = (device: Device) => ({
      ...device,
      caller: { ...device.caller, expires: Infinity, connectedAt: stage.now },
    });
    await append(late(alice), conversation);
    // A page of expired entries alone has a next one.
    expect((await ask(late(bob), "read", { conversation, after: 0, limit: 2 })).ok).toEqual({
      entries: [],
      next: 2,
      head: { seq: 5, turn: 1 },
    });
    const rest = (await ask(late(bob), "read", { conversation, after: 2 })).ok!;
    expect(rest.entries.map(({ seq, prev }) => [seq, prev])).toEqual([[5, 4]]);
    expect(rest.next).toBeUndefined();
  });

  test("a request to leave is shown when it has expired, in its place, to whoever has not read it", async () => {
    const stage = newStage();
    const [alice, bob, carol] = [
      await person(stage, "alice"),
      await person(stage, "bob"),
      await person(stage, "carol"),
    ];
    const conversation = await group([alice, bob, carol]);
    await append(alice, conversation);
    const leave = { conversation, turn: 1, entry: randomId(), payload: payload(7), leave: true };
    const left = (await ask(bob, "propose", leave)).ok!;
    await append(alice, conversation);
    stage.now = (await stage.relay.log.newest(conversation))!.expires;
    const late = (device: Device) => ({
      ...device,
      caller: { ...device.caller, expires: Infinity, connectedAt: stage.now },
    });
    const seqs = async (after: number, more: { limit?: number } = {}) => {
      const answer = (await ask(late(carol), "read", { conversation, after, ...more })).ok!;
      return [answer.entries.map(({ seq }) => seq), answer.next];
    };
    expect(await seqs(0)).toEqual([[left.seq], undefined]);
    await append(late(alice), conversation);
    expect(await seqs(0)).toEqual([[left.seq, 5], undefined]);
    expect(await seqs(left.seq)).toEqual([[5], undefined]);
    // Not before its place in the pages.
    expect(await seqs(0, { limit: 2 })).toEqual([[], 2]);
    expect(await seqs(2, { limit: 2 })).toEqual([[left.seq], 4]);
    // The table deletes what has expired.
    for (const seq of [1, 2, 3, 4]) stage.memory.tables.log.get(conversation)!.delete(seq);
    expect(await seqs(0)).toEqual([[left.seq, 5], undefined]);
    const { entries } = (await ask(late(carol), "read", { conversation, after: 0 })).ok!;
    expect(entries[0]).toMatchObject({ kind: "proposal", prev: 2, leave: true, payload: leave.payload });
  });

  test("a request to leave is shown also where its account is back, and where many before it are gone for good", async () => {
    const { stage, alice, bob, conversation } = await pair();
    const carol = await person(stage, "carol");
    const add = { add: ["carol"], welcomes: [welcomeFor(carol, alice)] };
    expect((await ask(alice, "commit", commitOf(conversation, add))).ok).toBeDefined();
    const leave = { conversation, turn: 2, entry: randomId(), payload: payload(7), leave: true };
    const { seq } = (await ask(carol, "propose", leave)).ok!;
    const back = { turn: 2, add: ["carol"], welcomes: [welcomeFor(carol, alice)] };
    expect((await ask(alice, "commit", commitOf(conversation, back))).ok).toBeDefined();
    const beside = stage.memory.tables.log.get(`${conversation}/leaves`)!;
    const kept = { ...beside.get(seq)!, expires: 0 };
    beside.clear();
    for (let before = 1; before <= 250; before++) beside.set(before, { ...kept, seq: before, ttl: 0 });
    beside.set(251, { ...kept, seq: 251 });
    const current = stage.memory.tables.conversations.get(conversation)!;
    stage.memory.tables.conversations.set(conversation, { ...current, lastLeave: 251 });
    const { entries } = (await ask(bob, "read", { conversation, after: 0 })).ok!;
    expect(entries.map(({ seq: at }) => at)).toEqual([1, 2, 3, 4, 251]);
    const blind = commitOf(conversation, { turn: 3, after: seq });
    expect((await ask(bob, "commit", blind)).error?.code).toBe("invalid_roster");
  });

  test("a page fits its frame, whatever is on it", async () => {
    const { alice, bob, conversation } = await pair();
    for (let i = 0; i < 12; i++) {
      await append(alice, conversation, { entries: [{ ...message(), payload: payload(i, limits.inlinePayload) }] });
    }
    const seen: number[] = [];
    for (let after: number | undefined = 0; after !== undefined;) {
      const page: Awaited<ReturnType<typeof ask<"read">>> = await ask(bob, "read", { conversation, after });
      expect(JSON.stringify(page).length).toBeLessThan(limits.answerFrame);
      seen.push(...page.ok!.entries.map(({ seq }) => seq));
      after = page.ok!.next;
    }
    expect(seen).toEqual(Array.from({ length: 13 }, (_, i) => i + 1));
  });

  test("little more is looked at than is given, and nothing for a stranger", async () => {
    const { stage, alice, conversation } = await pair();
    for (let i = 0; i < 60; i++) {
      await append(alice, conversation, { entries: [{ ...message(), payload: payload(i, limits.inlinePayload) }] });
    }
    const { log } = stage.relay;
    let entries = 0;
    const page: typeof log.page = async (...args) => {
      const result = await log.page(...args);
      entries += result.entries.length;
      return result;
    };
    const counted = { ...stage, relay: { ...stage.relay, log: { ...log, page } } };
    const mallory = await person(stage, "mallory");
    await ask({ ...mallory, stage: counted }, "read", { conversation, after: 0 });
    expect(entries).toBe(0);
    expect((await ask({ ...alice, stage: counted }, "read", { conversation, after: 0 })).ok?.entries).toBeDefined();
    expect(entries).toBeLessThanOrEqual(20);
  });

  test("whoever was dropped reads up to and including the entry that did it", async () => {
    const { alice, bob, conversation } = await pair();
    await append(alice, conversation);
    expect((await ask(alice, "commit", commitOf(conversation, { remove: ["bob"] }))).ok?.seq).toBe(3);
    await append(alice, conversation, { turn: 2 });
    const { entries, next, head } = (await ask(bob, "read", { conversation, after: 0 })).ok!;
    expect([entries.map(({ seq }) => seq), next, head]).toEqual([[1, 2, 3], undefined, { seq: 3, turn: 2 }]);
    const paged = (await ask(bob, "read", { conversation, after: 1, limit: 2 })).ok!;
    expect([paged.entries.length, paged.next]).toEqual([2, undefined]);
    // Back on the roster, Bob reads on.
    await ask(alice, "commit", commitOf(conversation, { turn: 2, add: ["bob"] }));
    expect((await ask(bob, "read", { conversation, after: 3 })).ok!.entries).toHaveLength(2);
  });
});

describe("a log of which only the older end is left", () => {
  /** The table deletes in any order: the commit has gone, what it followed has not. */
  async function halfDeleted() {
    const { stage, alice, bob, conversation } = await pair();
    await append(alice, conversation);
    await ask(alice, "commit", commitOf(conversation));
    const log = stage.memory.tables.log.get(conversation)!;
    stage.now = log.get(3)!.ttl * 1_000 + hour;
    log.delete(3);
    const late = (device: Device) => ({
      ...device,
      caller: { ...device.caller, expires: Infinity, connectedAt: Infinity },
    });
    return { alice: late(alice), bob: late(bob), conversation };
  }

  test("is read with the conversation's turn, and goes on in it", async () => {
    const { alice, bob, conversation } = await halfDeleted();
    expect((await ask(bob, "read", { conversation, after: 0 })).ok).toMatchObject({ entries: [], head: { turn: 2 } });
    expect((await append(alice, conversation, { turn: 1 })).error?.code).toBe("stale");
    expect((await append(alice, conversation, { turn: 2 })).ok?.accepted).toHaveLength(1);
  });

  test("takes a commit", async () => {
    const { alice, conversation } = await halfDeleted();
    expect((await ask(alice, "commit", commitOf(conversation, { turn: 2 }))).ok).toBeDefined();
  });
});

describe("propose", () => {
  const propose = (device: Device, conversation: string, leave: boolean, entry = "A".repeat(22)) =>
    ask(device, "propose", { conversation, turn: 1, entry, payload: payload(), leave });

  test("names the account, and changes nothing else", async () => {
    const { alice, bob, conversation } = await pair();
    expect((await propose(alice, conversation, false)).ok).toMatchObject({ seq: 2, turn: 1 });
    const { entries } = (await ask(bob, "read", { conversation, after: 1 })).ok!;
    expect(entries).toMatchObject([{ kind: "proposal", account: "alice" }]);
    expect((await append(alice, conversation)).ok).toBeDefined();
  });

  test("rings nobody who left meanwhile", async () => {
    const { stage, alice, bob, conversation } = await pair();
    const { log } = stage.relay;
    let left: Promise<unknown> | undefined;
    const put: typeof log.put = async (...args) => {
      left ??= propose(bob, conversation, true, "B".repeat(21) + "A");
      await left;
      return log.put(...args);
    };
    const slow = { ...alice, stage: { ...stage, relay: { ...stage.relay, log: { ...log, put } } } };
    const before = pushes(bob, "entries").length;
    expect((await propose(slow, conversation, false)).ok?.seq).toBe(3);
    expect(pushes(bob, "entries")).toHaveLength(before);
  });

  test("leaving: off the roster at once; a repetition is told the same", async () => {
    const { alice, bob, conversation } = await pair();
    const left = await propose(bob, conversation, true);
    expect(left.ok?.seq).toBe(2);
    expect((await append(bob, conversation)).error?.code).toBe("not_a_member");
    expect((await propose(bob, conversation, true)).ok).toEqual(left.ok);
    expect((await propose(bob, conversation, true, "B".repeat(21) + "A")).error?.code).toBe("not_a_member");
    expect(pushes(alice, "entries")).toHaveLength(1);
  });
});
