/** Ringing hundreds: through the queue, in slices, the last of a second's messages once, and nobody misses the newest. */
import { limits, type Request } from "@tacit/protocol";
import { randomId } from "../../bench/rawDevice.ts";
import { ringSlice } from "../../lambdas/core/ringSlice.ts";
import type { BellSlice } from "../../lambdas/ports.ts";
import {
  ask,
  commitOf,
  group,
  hour,
  message,
  newStage,
  payload,
  person,
  socketOf,
  welcomeFor,
  type Device,
  type Stage,
} from "./stage.ts";

/** Alice and bob in a group with `count` others, each of whom has one registered socket. */
async function crowd(count: number, nameOf = (i: number): string => `guest-${i}`) {
  const stage = newStage();
  const [alice, bob] = [await person(stage, "alice"), await person(stage, "bob")];
  const conversation = await group([alice, bob]);
  const guests = Array.from({ length: count }, (_, i) => nameOf(i));
  const { conversations, connections } = stage.memory.tables;
  const current = conversations.get(conversation)!;
  conversations.set(conversation, { ...current, roster: [...current.roster, ...guests] });
  for (const [i, guest] of guests.entries()) {
    const registration = { connection: `socket of ${i}`, connectedAt: stage.now, lease: stage.now + hour };
    connections.set(guest, new Map([[deviceOf(i), registration]]));
  }
  stage.memory.posted.length = 0;
  stage.now += 10_000;
  return { stage, alice, bob, conversation, guests };
}

const deviceOf = (i: number): string => String(i).padStart(43, "d");
const send = (device: Device, conversation: string, count = 1, turn = 1) =>
  ask(device, "append", { conversation, turn, entries: Array.from({ length: count }, () => message()) });
const slices = ({ memory }: Stage): readonly BellSlice[] => memory.queued.map(({ slice }) => slice);

/** The worker comes when the queue lets it, and not before. */
async function work(stage: Stage, until = Infinity): Promise<void> {
  const { queued } = stage.memory;
  for (;;) {
    queued.sort((a, b) => a.due - b.due);
    if (queued[0] === undefined || queued[0].due > until) return;
    const { slice, due } = queued.shift()!;
    stage.now = Math.max(stage.now, due);
    await ringSlice(stage.relay, slice);
  }
}
/** The seqs that `connection` was rung for. */
const rungFor = ({ memory }: Stage, connection: string): readonly number[] =>
  memory.posted.flatMap(({ connection: to, frame }) =>
    to === connection && frame["push"] === "entries" ? [frame["seq"] as number] : [],
  );

test("two hundred are rung at once, one more through the queue", async () => {
  const few = await crowd(199);
  await send(few.alice, few.conversation);
  expect(few.stage.memory.queued).toEqual([]);
  expect(few.stage.memory.posted).toHaveLength(200);

  const { stage, alice, bob, conversation } = await crowd(200);
  await send(alice, conversation);
  expect(stage.memory.posted).toEqual([]);
  expect(stage.memory.queued.map(({ due }) => due)).toEqual([stage.now, stage.now]);
  expect(slices(stage).map(({ targets }) => targets.length)).toEqual([200, 1]);
  expect(slices(stage)[0]).toMatchObject({ conversation, seq: 2, at: stage.now });
  expect(slices(stage).every(({ coalesceUntil }) => coalesceUntil === undefined)).toBe(true);
  await work(stage);
  const rung = stage.memory.posted.map(({ connection }) => connection);
  expect(new Set(rung).size).toBe(201);
  expect(rung).toContain(bob.caller.connection);
  expect(rung).not.toContain(alice.caller.connection);
});

test("a commit rings who was in, who is in, and who comes in, and waits for nobody", async () => {
  const { stage, alice, bob, conversation } = await crowd(300);
  const carol = await person(stage, "carol");
  await send(alice, conversation);
  stage.memory.queued.length = 0;
  const commit = commitOf(conversation, { add: ["carol"], remove: ["bob"], welcomes: [welcomeFor(carol, alice)] });
  expect((await ask(alice, "commit", commit)).ok).toBeDefined();
  expect(stage.memory.queued.every(({ due }) => due === stage.now)).toBe(true);
  const targets = slices(stage).flatMap((slice) => slice.targets);
  expect(targets.filter(({ inbox }) => inbox).map(({ account }) => account)).toEqual(["carol"]);
  stage.memory.posted.length = 0;
  await work(stage);
  const kinds = (device: Device) =>
    stage.memory.posted.flatMap(({ connection, frame }) =>
      connection === device.caller.connection ? [frame["push"]] : [],
    );
  // Her Welcome leads her to the entry.
  expect(kinds(carol)).toEqual(["inbox"]);
  expect(kinds(bob)).toEqual(["entries"]);
});

describe("messages that follow closely", () => {
  test("of each second the last is rung, once, for everybody but who sent it alone", async () => {
    const { stage, alice, bob, conversation } = await crowd(250);
    stage.now = Math.ceil(stage.now / 1_000) * 1_000;
    const from = stage.now;
    // At 0, 150, 300, … ms: the first is rung at once, the rest wait.
    for (let i = 0; i < 14; i++) {
      stage.now = from + i * 150;
      await send(i % 2 === 0 ? alice : bob, conversation);
    }
    await work(stage);
    const at = (seq: number) => (seq - 2) * 150;
    const last = (window: number) =>
      Array.from({ length: 14 }, (_, i) => i + 2)
        .filter((seq) => at(seq) < (window + 1) * 1_000)
        .at(-1)!;
    expect(rungFor(stage, "socket of 7")).toEqual([2, last(0), last(1)]);
    expect(last(1)).toBe(15);
    // Whoever sent the last of a second is told of the others' in it.
    for (const device of [alice, bob]) {
      const rung = rungFor(stage, device.caller.connection);
      expect(rung).toEqual(expect.arrayContaining([last(0), last(1)]));
    }
  });

  test("a group that never pauses is rung every second", async () => {
    const { stage, alice, conversation } = await crowd(250);
    stage.now = Math.ceil(stage.now / 1_000) * 1_000;
    const from = stage.now;
    for (let i = 0; i < 100; i++) {
      stage.now = from + i * 100;
      await work(stage, stage.now);
      stage.now = from + i * 100;
      await send(alice, conversation);
    }
    await work(stage);
    expect(rungFor(stage, "socket of 7")).toEqual([2, 11, 21, 31, 41, 51, 61, 71, 81, 91, 101]);
  });

  test("nobody misses the newest, whatever the rhythm, and a commit among them", async () => {
    for (let seed = 1; seed <= 12; seed++) {
      const { stage, alice, bob, conversation } = await crowd(230);
      let state = seed;
      const next = () => (state = (state * 48_271) % 0x7fffffff) / 0x7fffffff;
      let turn = 1;
      let newest = 0;
      for (let i = 0; i < 25; i++) {
        stage.now += Math.floor(next() * next() * 3_000);
        const now = stage.now;
        await work(stage, now);
        stage.now = now;
        const device = next() < 0.5 ? alice : bob;
        if (next() < 0.15) {
          newest = (await ask(device, "commit", commitOf(conversation, { turn }))).ok!.seq;
          turn++;
        } else newest = (await send(device, conversation, 1 + Math.floor(next() * 3), turn)).ok!.accepted.at(-1)!.seq;
      }
      await work(stage);
      const rung = rungFor(stage, "socket of 7");
      expect(Math.max(...rung)).toBe(newest);
      expect(new Set(rung).size).toBe(rung.length);
      // Whoever sent the newest has its answer; the other is rung.
      const [a, b] = [alice, bob].map(({ caller }) => Math.max(...rungFor(stage, caller.connection)));
      expect([a, b]).toContain(newest);
    }
  });

  test("an entry that lands late, with an earlier time than the bell: both are rung, none is lost", async () => {
    const { stage, alice, bob, conversation } = await crowd(250);
    await send(alice, conversation);
    stage.now += 300;
    await send(alice, conversation);
    await work(stage);
    // Its function took the time, and then stood still for a while.
    const now = stage.now;
    stage.now -= 900;
    await send(bob, conversation);
    stage.now = now;
    await work(stage);
    expect(rungFor(stage, "socket of 7")).toEqual([2, 3, 4]);
  });

  test("where the log cannot be read the bell is rung", async () => {
    const { stage, alice, conversation } = await crowd(250);
    await send(alice, conversation);
    await send(alice, conversation);
    const [waiting] = slices(stage).filter(({ coalesceUntil }) => coalesceUntil !== undefined);
    const log = { ...stage.relay.log, page: () => Promise.reject(new Error("throttled")) };
    await ringSlice({ ...stage.relay, log }, waiting!);
    expect(stage.memory.unexpected).toHaveLength(1);
    expect(rungFor(stage, "socket of 7")).toEqual([3]);
  });
});

describe("a slice", () => {
  test("forgets sockets that are gone, and rings none whose lease is over", async () => {
    const { stage, alice, conversation, guests } = await crowd(250);
    await send(alice, conversation);
    const [slice] = slices(stage);
    stage.memory.gone.add("socket of 3");
    const { connections } = stage.memory.tables;
    connections.get("guest-4")!.set(deviceOf(4), { connection: "newer", connectedAt: stage.now, lease: stage.now });
    stage.memory.gone.add("socket of 4");
    const targets = slice!.targets.map((target) =>
      target.account === "guest-5" ? { ...target, lease: stage.now } : target,
    );
    await ringSlice(stage.relay, { ...slice!, targets });
    expect(connections.get("guest-3")!.size).toBe(0);
    expect(connections.get("guest-4")!.get(deviceOf(4))?.connection).toBe("newer");
    const rung = new Set(stage.memory.posted.map(({ connection }) => connection));
    expect(["socket of 3", "socket of 4", "socket of 5"].filter((one) => rung.has(one))).toEqual([]);
    expect(rung.size).toBe(197);
    expect(guests).toHaveLength(250);
    // Not gone, and not rung either: it may be back.
    expect(connections.get("guest-5")!.size).toBe(1);
  });

  test("one socket that fails is in nobody's way", async () => {
    const { stage, alice, conversation } = await crowd(250);
    await send(alice, conversation);
    const [slice] = slices(stage);
    stage.memory.gone.add("socket of 0");
    const connections = { ...stage.relay.connections, unregister: () => Promise.reject(new Error("throttled")) };
    await ringSlice({ ...stage.relay, connections }, slice!);
    expect(stage.memory.posted).toHaveLength(199);
    expect(stage.memory.unexpected).toHaveLength(1);
  });

  test("is smaller than a message of the queue, whatever the accounts are called", async () => {
    const { stage, alice, conversation, guests } = await crowd(
      900,
      (i) => "\\".repeat(124) + String(i).padStart(4, '"'),
    );
    const commit = commitOf(conversation, { remove: guests.slice(0, 110) });
    expect((await ask(alice, "commit", commit)).ok).toBeDefined();
    const all = slices(stage);
    expect(all[0]!.frame.length).toBeGreaterThan(25_000);
    for (const slice of all) {
      expect(Buffer.byteLength(JSON.stringify(slice))).toBeLessThan(128 * 1024);
      expect(Buffer.byteLength(slice.frame)).toBeLessThanOrEqual(limits.pushFrame);
      expect(slice.targets.length).toBeLessThanOrEqual(200);
    }
    await work(stage);
    expect(new Set(stage.memory.posted.map(({ connection }) => connection)).size).toBe(901);
  });
});

test("where the queue takes nothing, the message is accepted, nobody is rung, and the operator learns it", async () => {
  const { stage, alice, conversation } = await crowd(250);
  const bells = { send: () => Promise.reject(new Error("no such queue")) };
  const deaf = { ...alice, stage: { ...stage, relay: { ...stage.relay, bells } } };
  expect((await send(deaf, conversation)).ok?.accepted).toHaveLength(1);
  expect(stage.memory.posted).toEqual([]);
  expect(stage.memory.unexpected).toHaveLength(1);
  // A queue that lost it, or gave it twice, harms nobody: the next bell says it too.
  await send(alice, conversation);
  const twice = [...stage.memory.queued];
  stage.memory.queued.push(...twice);
  await work(stage);
  expect(new Set(rungFor(stage, "socket of 7"))).toEqual(new Set([3]));
});

test("a thousand accounts, and a commit that changes two hundred and fifty: entries, bells and pages keep their sizes", async () => {
  const { stage, alice, conversation, guests } = await crowd(700, (i) => `auth0|5f7c8ec7c33c6c004bbafe8${i}`);
  const { tables } = stage.memory;
  const added = Array.from({ length: limits.rosterDelta }, (_, i) => `auth0|6f7c8ec7c33c6c004bbaf${i}`);
  for (const account of added) {
    tables.accounts.set(account, {
      signed: { payload: "e30", signature: "AA" },
      version: 1,
      accountKey: "AA",
      devices: [account],
      revoked: [],
    });
  }
  const entry = randomId();
  const name = { conversation, entry, by: "alice" };
  await stage.relay.stages.note(name, added, Math.ceil(stage.now / 1_000) + 100);
  const commit: Request<"commit"> = commitOf(conversation, {
    entry,
    add: added,
    remove: guests.slice(0, limits.rosterDelta),
    staged: true,
    payload: payload(1, 8_000),
  });
  expect(JSON.stringify({ id: "1", op: "commit", ...commit }).length).toBeLessThan(limits.requestFrame);
  expect((await ask(alice, "commit", commit)).ok).toBeDefined();
  expect(stage.memory.queued.length).toBeGreaterThan(2);
  for (const slice of slices(stage)) {
    expect(slice.frame.length).toBeLessThanOrEqual(limits.pushFrame);
    expect(JSON.stringify(slice).length).toBeLessThan(128 * 1024);
  }
  // Pages with several such commits.
  for (let turn = 2; turn < 8; turn++) {
    const [add, remove] = turn % 2 === 0 ? [[], added] : [added, []];
    const device = socketOf(stage, alice.identity, alice.caller);
    const staged = randomId();
    await stage.relay.stages.note({ ...name, entry: staged }, added, Math.ceil(stage.now / 1_000) + 100);
    const next = commitOf(conversation, { entry: staged, turn, add, remove, staged: true, payload: payload(2, 8_000) });
    expect((await ask(device, "commit", next)).ok).toBeDefined();
  }
  const seqs: number[] = [];
  let after: number | undefined = 0;
  while (after !== undefined) {
    const page: Awaited<ReturnType<typeof ask<"read">>> = await ask(alice, "read", { conversation, after });
    expect(JSON.stringify(page).length).toBeLessThan(limits.answerFrame);
    seqs.push(...page.ok!.entries.map(({ seq }) => seq));
    after = page.ok!.next;
  }
  expect(seqs).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
});
