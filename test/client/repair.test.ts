/** Devices that cannot follow, and what mends them; over the relay's own rules in one process. */
import { memoryStore } from "@tacit/client/memory";
import type { LiveConversation } from "../../client/src/conversation/liveConversation.ts";
import { closeAll, expire, group, kinds, loseCommit, said, say } from "./support/conversations.ts";
import { linked } from "./support/household.ts";
import { history, stage, type Stage } from "./support/stage.ts";

const minute = 60_000;
const hour = 60 * minute;

/** Alice has said hello to bob. */
async function pair(s: Stage, store = memoryStore()) {
  const [alice, bob] = [await s.arrive("alice", { store }), await s.arrive("bob")];
  const chat = await s.clock.until(alice.conversation({ with: ["bob"] }));
  await said(s, chat, "hello");
  return { alice, bob, chat, atBob: bob.conversations()[0]! };
}

/** The same in a group. */
async function pairInGroup(s: Stage) {
  const { clients, views } = await group(s, ["alice", "bob"]);
  const [alice, bob] = clients;
  const [chat, atBob] = views;
  await said(s, chat, "hello");
  return { alice, bob, chat, atBob };
}

describe("a device that missed a commit which expired", () => {
  it("is put in anew by a member, once, and says what may be missing", async () => {
    const s = stage();
    const { clients, views } = await group(s, ["alice", "bob", "carol"]);
    const [atAlice, atBob, atCarol] = views;
    await said(s, atAlice, "before");
    clients[1].goOffline();
    await say(s, atAlice, "missed");
    await s.clock.until(atAlice.rotateKeys());
    await say(s, atAlice, "missed too");
    expire(s, atAlice.id, 4);
    clients[1].goOnline();
    await s.clock.until(clients[1].caughtUp());
    await s.clock.until(say(s, atBob, "back"), hour);
    expect(atBob.state.current).toBe("open");
    await s.clock.settle();
    expect(await kinds(atBob)).toEqual(["opened", "message", "missing", "cannotFollow", "rejoined", "message"]);
    for (const view of [atAlice, atCarol]) {
      const restored = (await history(view)).filter(({ kind }) => kind === "deviceRestored");
      expect(restored).toMatchObject([{ account: "bob", device: clients[1].device }]);
    }
    await said(s, atCarol, "welcome back");
    expect((await history(atBob)).at(-1)).toMatchObject({ kind: "message", text: "welcome back" });
    expect(s.relay.unexpected).toEqual([]);
    await closeAll(clients);
  });

  it("reads on where it was put in anew more than once while it was away", async () => {
    const s = stage();
    const { clients, views } = await group(s, ["alice", "bob", "carol"]);
    const [, bob] = clients;
    const atAlice = views[0] as LiveConversation;
    bob.goOffline();
    for (let times = 0; times < 3; times++) {
      await s.clock.advance(minute);
      const since = s.clock.now();
      await atAlice.intend({ kind: "readmit", account: "bob", device: bob.device, since, claimed: [] });
    }
    await s.clock.advance(minute);
    bob.goOnline();
    await s.clock.until(bob.caughtUp());
    await said(s, views[0], "there you are");
    expect((await kinds(views[1])).at(-1)).toBe("message");
    expect((await kinds(views[0])).filter((kind) => kind === "deviceRestored").length).toBe(3);
    await closeAll(clients);
  });

  it("is put in anew by the other side of a direct conversation", async () => {
    const s = stage();
    const { alice, bob, chat, atBob } = await pair(s);
    await say(s, atBob, "hi");
    bob.goOffline();
    await s.clock.until(chat.rotateKeys());
    await say(s, chat, "unseen");
    expire(s, chat.id, 4);
    bob.goOnline();
    await s.clock.until(bob.caughtUp());
    await s.clock.until(say(s, atBob, "again"), hour);
    await s.clock.settle();
    expect((await history(chat)).at(-1)).toMatchObject({ kind: "message", text: "again", mine: false });
    expect(atBob.id).toBe(chat.id);
    await closeAll([alice, bob]);
  });

  it("takes what was sealed for the log before into the successor as it can be read there", async () => {
    const s = stage();
    const { alice, bob, chat, atBob } = await pair(s);
    await say(s, atBob, "hi");
    s.relay.filter = ({ direction, account, frame }) =>
      direction !== "up" || account !== "alice" || frame.op !== "append";
    const waiting = await s.clock.until(chat.send({ text: "on its way" }));
    await s.clock.settle();
    alice.goOffline();
    s.relay.filter = () => true;
    await s.clock.until(atBob.repair());
    await s.clock.advance(hour);
    expect(s.relay.tables.conversations.size).toBe(2);
    alice.goOnline();
    await s.clock.until(waiting.sent);
    await s.clock.settle();
    expect((await history(atBob)).at(-1)).toMatchObject({ kind: "message", text: "on its way" });
    await closeAll([alice, bob]);
  });

  it("waits for whoever was invited by a stranger to say that they want it", async () => {
    const s = stage();
    const { alice, bob, chat, atBob } = await pair(s);
    bob.goOffline();
    await s.clock.until(chat.rotateKeys());
    await say(s, chat, "unseen");
    expire(s, chat.id, 3);
    bob.goOnline();
    await s.clock.until(bob.caughtUp());
    await s.clock.advance(hour);
    expect((await kinds(atBob)).at(-1)).toBe("cannotFollow");
    expect(atBob.state.current).toBe("requested");
    await s.clock.until(atBob.accept());
    await s.clock.advance(hour);
    expect(atBob.state.current).toBe("open");
    await closeAll([alice, bob]);
  });

  it("goes on in a successor of a direct conversation where the other side is away, and what waits is sent there", async () => {
    const s = stage();
    const storeOfAlice = memoryStore();
    const { alice, bob, chat, atBob } = await pair(s, storeOfAlice);
    await say(s, atBob, "hi");
    bob.goOffline();
    await s.clock.until(chat.rotateKeys());
    await said(s, chat, "unseen");
    alice.goOffline();
    expire(s, chat.id, 4);
    bob.goOnline();
    await s.clock.until(bob.caughtUp());
    const waiting = await s.clock.until(atBob.send({ text: "anybody there?" }));
    await s.clock.until(waiting.sent, hour);
    expect(await kinds(atBob)).toEqual([
      "opened",
      "message",
      "message",
      "missing",
      "cannotFollow",
      "rejoined",
      "message",
    ]);
    expect(s.relay.tables.conversations.size).toBe(2);
    alice.goOnline();
    await s.clock.until(alice.caughtUp());
    await s.clock.settle();
    expect((await history(chat)).slice(-2)).toMatchObject([
      { kind: "rejoined", by: "bob", successor: true },
      { kind: "message", text: "anybody there?" },
    ]);
    await said(s, chat, "here");
    expect((await history(atBob)).at(-1)).toMatchObject({ text: "here" });
    expect(alice.conversations()).toHaveLength(1);
    // And after a restart.
    await alice.close();
    const again = await s.arrive("alice", { store: storeOfAlice.reopen() });
    await said(s, again.conversations()[0]!, "still here");
    expect((await history(atBob)).at(-1)).toMatchObject({ text: "still here" });
    await closeAll([again, bob]);
  });

  it("goes on with a device that was revoked meanwhile, which its account takes out before it says anything", async () => {
    const s = stage();
    const { alice, bob, chat, atBob } = await pair(s);
    const { client: phone } = await linked(s, alice);
    await s.clock.advance(minute);
    await say(s, atBob, "hi");
    for (const device of [alice, phone]) device.goOffline();
    // It has claimed the phone's key package, and the creation is on its way for long.
    s.relay.filter = ({ direction, account, frame }) =>
      direction === "down" || account !== "bob" || frame.op !== "createConversation";
    await s.clock.until(atBob.repair());
    await s.clock.advance(hour);
    alice.goOnline();
    await s.clock.until(alice.caughtUp());
    await s.clock.until(alice.revokeDevice(phone.device));
    await s.clock.advance(minute);
    s.relay.filter = () => true;
    await s.clock.advance(hour);
    expect(s.relay.tables.conversations.size).toBe(2);
    await said(s, chat, "without the phone");
    expect((await history(atBob)).at(-1)).toMatchObject({ kind: "message", text: "without the phone" });
    const [, successor] = [...s.relay.tables.log.values()];
    expect([...successor!.values()].map(({ kind }) => kind)).toEqual(["commit", "commit", "message"]);
    const own = atBob.info.current.members.find(({ account }) => account === "alice");
    expect(own?.devices).toEqual([alice.device]);
    await closeAll([alice, bob, phone]);
  });

  it.each([["a direct conversation"], ["a group"]])(
    "opens a successor of %s, and is revoked before its account goes there: who did go takes the account along",
    async (kind) => {
      const s = stage();
      const { alice, bob, chat, atBob } = kind === "a group" ? await pairInGroup(s) : await pair(s);
      const { client: phone } = await linked(s, alice);
      await s.clock.advance(minute);
      await say(s, atBob, "hi");
      await loseCommit(s, phone, chat);
      for (const device of [alice, bob]) device.goOffline();
      phone.goOnline();
      await s.clock.advance(40 * hour);
      expect(s.relay.tables.conversations.size).toBe(2);
      bob.goOnline();
      await s.clock.until(bob.caughtUp());
      await s.clock.settle();
      expect(await kinds(atBob)).toContain("rejoined");
      phone.goOffline();
      s.relay.filter = ({ direction, account, frame }) =>
        direction === "down" || account !== "alice" || frame.op !== "readInbox";
      alice.goOnline();
      await s.clock.until(alice.revokeDevice(phone.device), minute);
      await s.clock.advance(minute);
      s.relay.filter = () => true;
      await s.clock.advance(hour);
      await said(s, chat, "here as well");
      expect((await history(atBob)).at(-1)).toMatchObject({ kind: "message", text: "here as well" });
      const own = atBob.info.current.members.find(({ account }) => account === "alice");
      expect(own?.devices).toEqual([alice.device]);
      await closeAll([alice, bob, phone]);
    },
  );

  it("is followed where it went on, though the title was another there", async () => {
    const s = stage();
    const { clients, views } = await group(s, ["alice", "bob", "carol"]);
    const [atAlice, , atCarol] = views;
    const [alice, bob, carol] = clients;
    const { title } = atCarol.info.current;
    carol.goOffline();
    await s.clock.until(atAlice.setTitle("Now"));
    await s.clock.settle();
    expire(s, atAlice.id);
    for (const client of [alice, bob]) client.goOffline();
    carol.goOnline();
    await s.clock.advance(40 * hour);
    expect(s.relay.tables.conversations.size).toBe(2);
    for (const client of [alice, bob]) {
      client.goOnline();
      await s.clock.until(client.caughtUp());
    }
    await said(s, atCarol, "here");
    for (const view of views.slice(0, 2)) {
      expect((await history(view)).slice(-3)).toMatchObject([
        { kind: "rejoined", by: "carol", successor: true },
        { kind: "titleChanged", title, by: "carol" },
        { kind: "message", text: "here" },
      ]);
      expect(view.info.current.title).toBe(title);
    }
    await closeAll(clients);
  });

  it("goes on nowhere else once its account was taken out", async () => {
    const s = stage();
    const { clients, views } = await group(s, ["alice", "bob", "carol"]);
    const [atAlice, , atCarol] = views;
    const [alice, bob, carol] = clients;
    await loseCommit(s, carol, atAlice);
    for (const client of [alice, bob]) client.goOffline();
    carol.goOnline();
    await s.clock.advance(12 * hour);
    // Nobody is to answer what she asked before.
    s.relay.tables.messages.clear();
    alice.goOnline();
    await s.clock.until(atAlice.remove(["carol"]));
    await s.clock.advance(72 * hour);
    expect(s.relay.tables.conversations.size).toBe(1);
    expect(atCarol.state.current).toBe("ended");
    expect((await kinds(atCarol)).slice(-2)).toEqual(["cannotFollow", "noLongerMember"]);
    await closeAll(clients);
  });

  it("that its user alone wants to be put in anew reads on where nobody does it", async () => {
    const s = stage();
    const { clients, views } = await group(s, ["alice", "bob", "carol"]);
    const [atAlice, , atCarol] = views;
    const [alice, bob, carol] = clients;
    carol.goOffline();
    const rotated = atCarol.rotateKeys();
    await s.clock.settle();
    await s.clock.until(atCarol.repair());
    for (const client of [alice, bob]) client.goOffline();
    s.relay.filter = ({ direction, account, frame }) =>
      direction !== "up" || account !== "alice" || frame.op !== "readInbox";
    alice.goOnline();
    await said(s, atAlice, "meanwhile");
    carol.goOnline();
    await s.clock.advance(7 * hour);
    expect(atCarol.state.current).toBe("repairing");
    // Six requests, with pauses of a quarter more or less than 31 hours in all.
    await s.clock.advance(36 * hour);
    await s.clock.until(rotated);
    expect(atCarol.state.current).toBe("open");
    const shown = await history(atCarol);
    expect(shown[1]).toMatchObject({ kind: "message", text: "meanwhile" });
    expect(shown).toContainEqual(expect.objectContaining({ kind: "keysChanged", by: "carol" }));
    expect(shown.map(({ kind }) => kind)).not.toContain("rejoined");
    expect(s.relay.tables.conversations.size).toBe(1);
    await closeAll(clients);
  });

  it("that its user alone wants to be put in anew, and that is taken out, reads who did that", async () => {
    const s = stage();
    const { clients, views } = await group(s, ["alice", "bob", "carol"]);
    const [atAlice, , atCarol] = views;
    s.relay.filter = ({ direction, frame }) => direction !== "up" || frame.op !== "sendInbox";
    await s.clock.until(atCarol.repair());
    await s.clock.until(atAlice.remove(["carol"]));
    s.relay.filter = () => true;
    await s.clock.advance(2 * hour);
    expect(atCarol.state.current).toBe("ended");
    expect((await history(atCarol)).at(-1)).toMatchObject({ kind: "membersChanged", removed: ["carol"], by: "alice" });
    await closeAll(clients);
  });

  it("that asks again and again is put in anew less and less often", async () => {
    const s = stage();
    const { clients, views } = await group(s, ["alice", "bob", "carol"]);
    const [atAlice, atBob] = views;
    for (let i = 0; i < 5; i++) {
      await s.clock.until(atBob.repair());
      await s.clock.advance(10 * minute);
    }
    const restored = (await history(atAlice)).filter(({ kind }) => kind === "deviceRestored");
    expect(restored).toHaveLength(3);
    expect(atBob.state.current).toBe("repairing");
    // When the day is over, the next request is served.
    await s.clock.advance(60 * hour);
    expect(atBob.state.current).toBe("open");
    await closeAll(clients);
  });
});

describe("a device that cannot follow while everybody else is away", () => {
  it.each([
    ["direct conversation", "linked device", "holder"],
    ["direct conversation", "holder", "linked device"],
    ["group", "linked device", "holder"],
    ["group", "holder", "linked device"],
  ])("in a %s: the account's %s is put in anew by its %s", async (kind, whose) => {
    const s = stage();
    const [alice, bob, carol] = [await s.arrive("alice"), await s.arrive("bob"), await s.arrive("carol")];
    const created =
      kind === "group" ? alice.createGroup({ members: ["bob", "carol"] }) : alice.conversation({ with: ["bob"] });
    const chat = await s.clock.until(created);
    await said(s, chat, "before");
    const others = (kind === "group" ? [bob, carol] : [bob]).map((client) => client.conversations()[0]!);
    for (const view of others) await s.clock.until(view.accept());
    const { client: phone } = await linked(s, alice);
    await s.clock.advance(minute);
    const atPhone = phone.conversations()[0]!;
    const [lost, atLost, atSibling] = whose === "holder" ? [alice, chat, atPhone] : [phone, atPhone, chat];

    lost.goOffline();
    await s.clock.until(others[0]!.rotateKeys());
    await say(s, others[0]!, "missed");
    expire(s, chat.id);
    await s.clock.settle();
    for (const client of [bob, carol]) client.goOffline();
    lost.goOnline();
    await s.clock.until(lost.caughtUp());
    await s.clock.advance(minute);
    expect(atLost.state.current).toBe("open");
    expect((await kinds(atLost)).slice(-2)).toEqual(["cannotFollow", "rejoined"]);
    const anew = { kind: "deviceRestored", account: "alice", device: lost.device, by: "alice" };
    expect((await history(atSibling)).at(-1)).toMatchObject(anew);
    // In the same log, and by a commit of the account.
    expect(s.relay.tables.conversations.size).toBe(1);
    expect(s.relay.tables.conversations.get(chat.id)!.lastCommit.by).toBe("alice");

    await say(s, atLost, "and back");
    await say(s, atSibling, "welcome");
    for (const client of [bob, carol]) client.goOnline();
    for (const client of [bob, carol]) await s.clock.until(client.caughtUp());
    for (const view of others) {
      expect((await history(view)).slice(-3)).toMatchObject([
        anew,
        { kind: "message", text: "and back" },
        { kind: "message", text: "welcome" },
      ]);
    }
    await said(s, others[0]!, "here too");
    for (const view of [atLost, atSibling]) {
      expect((await history(view)).at(-1)).toMatchObject({ kind: "message", text: "here too" });
    }
    expect(s.relay.unexpected).toEqual([]);
    await closeAll([alice, bob, carol, phone]);
  });
});

describe("a linked device that a successor reaches before the log does", () => {
  it("comes into both: its account, which stays with the others, brings it in there", async () => {
    const s = stage();
    const { clients, views } = await group(s, ["alice", "bob", "carol"]);
    const { id } = views[0];
    clients[1].goOffline();
    await s.clock.until(views[0].remove(["carol"]));
    await say(s, views[0], "without carol");
    expire(s, id);
    // Alice has linked a phone, and is kept from bringing it into the group.
    s.relay.filter = ({ direction, account, frame }) =>
      direction === "down" || account !== "alice" || frame.op !== "commit";
    const { client: phone } = await linked(s, clients[0]);
    clients[0].goOffline();
    clients[1].goOnline();
    await s.clock.advance(72 * hour);
    expect(s.relay.tables.conversations.size).toBe(2);
    expect(phone.conversations().map((each) => each.id)).not.toContain(id);
    expect(phone.conversations()).toHaveLength(1);
    s.relay.filter = () => true;
    clients[0].goOnline();
    await s.clock.advance(hour);
    const atPhone = phone.conversations().find((each) => each.id === id);
    await said(s, views[0], "here we are");
    expect(atPhone!.members).toEqual(["alice", "bob"]);
    expect((await history(atPhone!)).at(-1)).toMatchObject({ kind: "message", text: "here we are", mine: true });
    await closeAll([...clients, phone]);
  });
});

describe("a device that is in, to which the relay says that it is not", () => {
  it("asks the others, is put in anew, and says that something may be missing", async () => {
    const s = stage();
    const { clients, views } = await group(s, ["alice", "bob", "carol"]);
    const { id } = views[0];
    clients[1].goOffline();
    await said(s, views[0], "unseen");
    const whole = s.relay.tables.conversations.get(id)!;
    s.relay.tables.conversations.set(id, { ...whole, roster: ["alice", "carol"] });
    clients[1].goOnline();
    await s.clock.advance(minute);
    expect(views[1].state.current).toBe("repairing");
    s.relay.tables.conversations.set(id, whole);
    await s.clock.advance(hour);
    await said(s, views[0], "there you are");
    expect(views[1].state.current).toBe("open");
    expect((await kinds(views[1])).slice(-3)).toEqual(["cannotFollow", "rejoined", "message"]);
    await closeAll(clients);
  });
});

describe("a device whose request to leave was not answered", () => {
  it("has left where the relay says that it is no member", async () => {
    const s = stage();
    const { clients, views } = await group(s, ["alice", "bob"]);
    const { id } = views[0];
    s.relay.filter = ({ direction, frame }) => direction === "down" || frame.op !== "propose";
    const leaving = views[1].leave();
    await s.clock.settle();
    clients[1].goOffline();
    s.relay.filter = () => true;
    const whole = s.relay.tables.conversations.get(id)!;
    s.relay.tables.conversations.set(id, { ...whole, roster: ["alice"] });
    clients[1].goOnline();
    await s.clock.until(leaving);
    expect(views[1].state.current).toBe("ended");
    expect((await kinds(views[1])).at(-1)).toBe("left");
    await closeAll(clients);
  });
});

describe("an account that was taken out while its devices were away, in entries that expired", () => {
  it.each([
    ["", false],
    [", also where some requests get lost", true],
  ])("is told so, opens nothing of its own, and comes back when it is invited again%s", async (_where, areLost) => {
    const s = stage();
    const { clients, views } = await group(s, ["alice", "bob", "carol"]);
    const [atAlice, atBob] = views;
    const [, bob] = clients;
    const { client: phone } = await linked(s, bob);
    await s.clock.advance(minute);
    const atBobs = [atBob, phone.conversations()[0]!];
    for (const device of [bob, phone]) device.goOffline();
    await s.clock.until(atAlice.remove(["bob"]));
    expire(s, atAlice.id);
    s.relay.filter = ({ direction, frame }) =>
      !(areLost && direction === "up" && frame.op === "sendInbox" && frame["account"] === "carol");
    for (const device of [bob, phone]) device.goOnline();
    // Whom a device asks first, chance says: of 25 rounds, three that reach the relay are as good as certain.
    await s.clock.advance((areLost ? 480 : 48) * hour);
    s.relay.filter = () => true;
    for (const view of atBobs) {
      expect(view.state.current).toBe("ended");
      expect((await kinds(view)).slice(-2)).toEqual(["cannotFollow", "noLongerMember"]);
    }
    expect(s.relay.tables.conversations.size).toBe(1);
    await s.clock.until(atAlice.invite(["bob"]));
    await s.clock.advance(minute);
    for (const view of atBobs) if (view.state.current === "requested") await s.clock.until(view.accept());
    await s.clock.until(say(s, atAlice, "in again"), hour);
    await s.clock.settle();
    for (const view of atBobs) expect((await history(view)).at(-1)).toMatchObject({ text: "in again" });
    await closeAll([...clients, phone]);
  });
});

describe("an account that was taken out when its device had asked for long", () => {
  it("is told so, and does not open a successor before", async () => {
    const s = stage();
    const { clients, views } = await group(s, ["alice", "bob", "carol"]);
    const { id } = views[0];
    clients[1].goOffline();
    await s.clock.until(views[0].rotateKeys());
    expire(s, id);
    for (const client of [clients[0], clients[2]]) client.goOffline();
    clients[1].goOnline();
    await s.clock.advance(2 * hour);
    const whole = s.relay.tables.conversations.get(id)!;
    const dropped = new Map([["bob", { seq: whole.lastCommit.seq, turn: whole.turn }]]);
    s.relay.tables.conversations.set(id, { ...whole, roster: ["alice", "carol"], dropped });
    await s.clock.advance(96 * hour);
    expect((await kinds(views[1])).slice(-2)).toEqual(["cannotFollow", "noLongerMember"]);
    expect(s.relay.tables.conversations.size).toBe(1);
    await closeAll(clients);
  });
});

describe("a member whose requests reach nobody", () => {
  it("is not told that it is none, where those that it knows have left", async () => {
    const s = stage();
    const { clients, views } = await group(s, ["alice", "bob", "carol"]);
    const dave = await s.arrive("dave");
    clients[1].goOffline();
    await s.clock.until(views[0].invite(["dave"]));
    await s.clock.settle();
    await s.clock.until(dave.conversations()[0]!.accept());
    await s.clock.until(views[0].setRole("dave", "owner"));
    for (const view of [views[2], views[0]]) await s.clock.until(view.leave());
    await s.clock.advance(minute);
    expect(s.relay.tables.conversations.get(views[1].id)!.roster).toEqual(["bob", "dave"]);
    expire(s, views[1].id);
    clients[1].goOnline();
    await s.clock.advance(24 * hour);
    expect(views[1].state.current).toBe("repairing");
    expect((await kinds(views[1])).at(-1)).toBe("cannotFollow");
    await closeAll([...clients, dave]);
  });

  it("nor where the relay has it off the roster for a while", async () => {
    const s = stage();
    const { clients, views } = await group(s, ["alice", "bob"]);
    const { id } = views[0];
    clients[1].goOffline();
    await s.clock.until(views[0].rotateKeys());
    expire(s, id);
    clients[0].goOffline();
    const whole = s.relay.tables.conversations.get(id)!;
    clients[1].goOnline();
    await s.clock.advance(hour / 20);
    s.relay.tables.conversations.set(id, { ...whole, roster: ["alice"] });
    await s.clock.advance(hour);
    s.relay.tables.conversations.set(id, whole);
    await s.clock.advance(hour / 2);
    expect(views[1].state.current).toBe("repairing");
    clients[0].goOnline();
    await s.clock.until(say(s, views[1], "still here"), 24 * hour);
    expect((await history(views[0])).at(-1)).toMatchObject({ kind: "message", text: "still here" });
    await closeAll(clients);
  });
});
