/** Commits that expire before those whom they concern have read them; over the relay's own rules in one process. */
import type { Client, Conversation } from "@tacit/client";
import { encodeBase64Url } from "@tacit/protocol";
import { closeAll, expire, group, kinds, roleIn, said, say } from "./support/conversations.ts";
import { history, stage, type Stage } from "./support/stage.ts";

const minute = 60_000;
const hour = 60 * minute;

/** All of them go away, and alice's change lands without her, or anybody, hearing of it. */
async function unheard(
  s: Stage,
  clients: readonly Client[],
  [atAlice]: readonly Conversation[],
  change = (conversation: Conversation): Promise<void> => conversation.rotateKeys(),
): Promise<void> {
  for (const client of clients.slice(1)) client.goOffline();
  let hasCommitted = false;
  s.relay.filter = ({ direction, account, frame }) => {
    if (account !== "alice") return true;
    hasCommitted ||= frame.op === "commit";
    return direction === "up" || !hasCommitted;
  };
  change(atAlice!).catch(() => {});
  await s.clock.settle();
  clients[0]!.goOffline();
  s.relay.filter = () => true;
  const log = s.relay.tables.log.get(atAlice!.id)!;
  const [seq, { kind }] = [...log].at(-1)!;
  expect([seq > 1, kind]).toEqual([true, "commit"]);
  expire(s, atAlice!.id, seq);
}

describe("a commit that expired before anybody read it, its maker included", () => {
  it("is known to its maker by the relay's answer: the others are put in anew, and nobody goes elsewhere", async () => {
    const s = stage();
    const { clients, views } = await group(s, ["alice", "bob", "carol"]);
    await said(s, views[0], "before");
    await unheard(s, clients, views);
    for (const client of clients.slice(1)) client.goOnline();
    await s.clock.advance(minute);
    for (const view of views.slice(1)) expect(view.state.current).toBe("repairing");
    clients[0].goOnline();
    await s.clock.advance(hour);
    await said(s, views[1], "after");
    expect(s.relay.tables.conversations.size).toBe(1);
    // The log came to life again after all of it had expired: whether anything stood in between, nobody knows.
    expect((await kinds(views[0])).slice(2)).toEqual([
      ...["keysChanged", "missing", "deviceRestored", "deviceRestored", "message"],
    ]);
    for (const view of views) {
      expect(view.state.current).toBe("open");
      expect((await history(view)).at(-1)).toMatchObject({ kind: "message", text: "after" });
    }
    await closeAll(clients);
  });

  it("that created a group: those who went on in it put its maker in anew", async () => {
    const s = stage();
    const [alice, bob] = [await s.arrive("alice"), await s.arrive("bob")];
    let hasCreated = false;
    s.relay.filter = ({ direction, account, frame }) => {
      if (account !== "alice") return true;
      hasCreated ||= frame.op === "createConversation";
      return direction === "up" || !hasCreated;
    };
    alice.createGroup({ title: "Tea", members: ["bob"] }).catch(() => {});
    await s.clock.settle();
    alice.goOffline();
    s.relay.filter = () => true;
    const atBob = bob.conversations()[0]!;
    await s.clock.until(atBob.accept());
    await s.clock.until(atBob.rotateKeys());
    expire(s, atBob.id);
    alice.goOnline();
    await s.clock.advance(hour);
    const atAlice = alice.conversations()[0]!;
    await said(s, atAlice, "here I am");
    expect(s.relay.tables.conversations.size).toBe(1);
    expect((await history(atBob)).at(-1)).toMatchObject({ kind: "message", text: "here I am" });
    expect((await kinds(atAlice)).slice(0, 1)).toEqual(["rejoined"]);
    await closeAll([alice, bob]);
  });

  it.each<[string, boolean, (conversation: Conversation) => Promise<void>, (conversation: Conversation) => boolean]>([
    ["a title", false, (at) => at.setTitle("Tea"), (at) => at.info.current.title === "Tea"],
    [
      "a title, and its maker was back for a moment",
      true,
      (at) => at.setTitle("Tea"),
      (at) => at.info.current.title === "Tea",
    ],
    ["a removal", false, (at) => at.remove(["dave"]), (at) => !at.members.includes("dave")],
    [
      "a removal, and its maker was back for a moment",
      true,
      (at) => at.remove(["dave"]),
      (at) => !at.members.includes("dave"),
    ],
    ["an invitation", false, (at) => at.invite(["eve"]), (at) => at.members.includes("eve")],
    ["a role", false, (at) => at.setRole("bob", "admin"), (at) => roleIn(at, "bob") === "admin"],
  ])("with %s: where the others went on without it, its maker follows, and it becomes true there", async (...row) => {
    const [, wasBack, change, isTrue] = row;
    const s = stage();
    const { clients, views } = await group(s, ["alice", "bob", "carol", "dave"]);
    const eve = await s.arrive("eve");
    await unheard(s, clients, views, change);
    if (wasBack) {
      clients[0].goOnline();
      await s.clock.advance(minute);
      clients[0].goOffline();
    }
    for (const client of clients.slice(1, 3)) client.goOnline();
    await s.clock.advance(72 * hour);
    expect(s.relay.tables.conversations.size).toBe(2);
    clients[0].goOnline();
    await s.clock.until(clients[0].caughtUp());
    await said(s, views[0], "here I am");
    for (const view of views.slice(0, 3)) {
      expect(isTrue(view)).toBe(true);
      expect((await history(view)).at(-1)).toMatchObject({ kind: "message", text: "here I am" });
    }
    expect(s.relay.tables.conversations.size).toBe(2);
    await closeAll([...clients, eve]);
  });

  it("and what others said after it, its maker reads", async () => {
    const s = stage();
    const { clients, views } = await group(s, ["alice", "bob"]);
    s.relay.filter = ({ direction, account }) => direction === "up" || account !== "alice";
    views[0].rotateKeys().catch(() => {});
    await s.clock.settle();
    clients[0].goOffline();
    s.relay.filter = () => true;
    const [seq] = [...s.relay.tables.log.get(views[0].id)!.keys()].slice(-1);
    await say(s, views[1], "before it expired");
    await say(s, views[1], "after it expired");
    expire(s, views[0].id, seq);
    clients[0].goOnline();
    await s.clock.until(clients[0].caughtUp());
    expect((await kinds(views[0])).slice(-3)).toEqual(["keysChanged", "message", "message"]);
    expect(views[0].state.current).toBe("open");
    await closeAll(clients);
  });

  it("that was another's leaves its maker as lost as the others: the relay says so", async () => {
    const s = stage();
    const { clients, views } = await group(s, ["alice", "bob", "carol"]);
    await said(s, views[0], "before");
    await unheard(s, clients, views);
    // As if it had been bob's.
    const log = s.relay.tables.conversations.get(views[0].id)!;
    s.relay.tables.conversations.set(views[0].id, {
      ...log,
      lastCommit: { ...log.lastCommit, id: encodeBase64Url(new Uint8Array(16)), by: "bob" },
    });
    clients[0].goOnline();
    await s.clock.advance(minute);
    expect(views[0].state.current).toBe("repairing");
    expect((await kinds(views[0])).slice(-2)).toEqual(["missing", "cannotFollow"]);
    await closeAll(clients);
  });
});

describe("whoever was removed, and read so,", () => {
  /** Dave is removed, and bob and carol miss that: they open a successor that he is in. */
  async function takenAlong(s: Stage) {
    const { clients, views } = await group(s, ["alice", "bob", "carol", "dave"]);
    for (const client of clients.slice(1, 3)) client.goOffline();
    await s.clock.until(views[0].remove(["dave"]));
    await s.clock.settle();
    expect(views[3].state.current).toBe("ended");
    clients[0].goOffline();
    expire(s, views[0].id);
    for (const client of clients.slice(1, 3)) client.goOnline();
    await s.clock.advance(72 * hour);
    expect(views[1].members).toEqual(["alice", "bob", "carol", "dave"]);
    return { clients, views, along: clients[3].conversations().find(({ id }) => id !== views[3].id)! };
  }

  it("is invited again to where the others went on meanwhile", async () => {
    const s = stage();
    const { clients, views } = await group(s, ["alice", "bob", "carol", "dave"]);
    await s.clock.until(views[0].remove(["dave"]));
    await s.clock.settle();
    expect(views[3].state.current).toBe("ended");
    await unheard(s, clients, views);
    for (const client of clients.slice(1)) client.goOnline();
    await s.clock.advance(72 * hour);
    expect(s.relay.tables.conversations.size).toBe(2);
    clients[0].goOnline();
    await s.clock.until(clients[0].caughtUp());
    await s.clock.until(views[0].invite(["dave"]));
    await s.clock.settle();
    const again = clients[3].conversations().find(({ id }) => id !== views[3].id)!;
    await said(s, again, "here I am again");
    expect(await kinds(again)).toEqual(["opened", "message"]);
    expect(views[3].state.current).toBe("ended");
    for (const view of views.slice(0, 3)) {
      expect((await history(view)).at(-1)).toMatchObject({ kind: "message", text: "here I am again" });
    }
    await closeAll(clients);
  });

  it("and is taken along by those who missed that, is told that they are in a conversation with them", async () => {
    const s = stage();
    const { clients, views, along } = await takenAlong(s);
    await said(s, views[1], "who is here?");
    const seen = (await kinds(along)).filter((kind) => kind !== "keysChanged");
    expect(seen).toEqual(["opened", "message"]);
    expect(along.state.current).toBe("open");
    expect(views[3].state.current).toBe("ended");
    await closeAll(clients);
  });

  it("taken along, and leaves there, can still be invited by those who stayed where they were", async () => {
    const s = stage();
    const { clients, views, along } = await takenAlong(s);
    await s.clock.until(along.leave());
    for (const client of clients.slice(1, 3)) client.goOffline();
    clients[0].goOnline();
    await s.clock.until(clients[0].caughtUp());
    await s.clock.until(views[0].invite(["dave"]));
    await s.clock.settle();
    expect(views[3].state.current).toBe("open");
    await said(s, views[0], "welcome back");
    expect((await kinds(views[3])).slice(-2)).toEqual(["opened", "message"]);
    await closeAll(clients);
  });
});

describe("a request to leave that expired before some came back", () => {
  it("is shown to them all the same, so that they judge what is committed like those who had read it", async () => {
    const s = stage();
    const { clients, views } = await group(s, ["alice", "bob", "carol", "dave"]);
    for (const client of [clients[0], clients[2]]) client.goOffline();
    s.relay.filter = ({ direction, account, frame }) =>
      !(direction === "up" && account === "bob" && frame.op === "commit");
    await s.clock.until(views[3].leave());
    await s.clock.settle();
    clients[1].goOffline();
    s.relay.filter = () => true;
    const [seq, { kind }] = [...s.relay.tables.log.get(views[0].id)!].at(-1)!;
    expect(kind).toBe("proposal");
    expire(s, views[0].id, seq);
    for (const client of [clients[0], clients[2]]) client.goOnline();
    await s.clock.advance(minute);
    await s.clock.until(views[0].rotateKeys());
    await said(s, views[0], "dave is out");
    clients[1].goOnline();
    await s.clock.advance(minute);
    await said(s, views[1], "so he is");
    for (const view of views.slice(0, 3)) {
      expect(view.members).toEqual(["alice", "bob", "carol"]);
      const seen = await kinds(view);
      expect(seen).toContain("left");
      expect(seen.filter((each) => ["void", "unreadable", "cannotFollow"].includes(each))).toEqual([]);
      expect((await history(view)).at(-1)).toMatchObject({ kind: "message", text: "so he is" });
    }
    await closeAll(clients);
  });
});
