/** Devices that cannot follow, rosters that were destroyed, and what mends them; over the relay's own rules in one process. */
import type { Client, Conversation, TimelineItem } from "@tacit/client";
import { memoryStore } from "@tacit/client/memory";
import { encodeBase64Url } from "@tacit/protocol";
import type { LiveConversation } from "../../client/src/liveConversation.ts";
import { linked } from "./support/household.ts";
import { history, stage, take, type Stage } from "./support/stage.ts";
import { publishKeyPackage, stranger } from "./support/stranger.ts";

const minute = 60_000;
const hour = 60 * minute;

/** Deletes from the log what TTL would. */
function expire(s: Stage, log: string, upTo: number): void {
  const entries = s.relay.tables.log.get(log)!;
  for (const seq of [...entries.keys()]) if (seq <= upTo) entries.delete(seq);
}

const kinds = async (conversation: Conversation): Promise<readonly string[]> =>
  (await history(conversation)).map(({ kind }) => kind);

async function said(s: Stage, conversation: Conversation, text: string): Promise<void> {
  await s.clock.until((await s.clock.until(conversation.send({ text }))).sent);
}

/** Alice has said hello to bob. */
async function pair(s: Stage, store = memoryStore()) {
  const [alice, bob] = [await s.arrive("alice", { store }), await s.arrive("bob")];
  const chat = await s.clock.until(alice.conversation({ with: ["bob"] }));
  await said(s, chat, "hello");
  await s.clock.settle();
  return { alice, bob, chat, atBob: bob.conversations()[0]! };
}

/** The same in a group. */
async function pairInGroup(s: Stage) {
  const [clients, views] = await group(s, ["alice", "bob"]);
  const [alice, bob] = clients as [Client, Client];
  const [chat, atBob] = views as [Conversation, Conversation];
  await said(s, chat, "hello");
  await s.clock.settle();
  return { alice, bob, chat, atBob };
}

async function group(
  s: Stage,
  names: readonly string[],
): Promise<readonly [readonly Client[], readonly Conversation[]]> {
  const clients: Client[] = [];
  for (const name of names) clients.push(await s.arrive(name));
  const [first, ...others] = clients as [Client, ...Client[]];
  const created = await s.clock.until(first.createGroup({ members: others.map(({ account }) => account) }));
  await s.clock.settle();
  const views = others.map((client) => client.conversations()[0]!);
  for (const view of views) await s.clock.until(view.accept());
  return [clients, [created, ...views]];
}

function roleIn({ info }: Conversation, account: string): string | undefined {
  return info.current.members.find((member) => member.account === account)?.role;
}

async function closeAll(clients: readonly Client[]): Promise<void> {
  for (const client of clients) await client.close();
}

describe("a device that missed a commit which expired", () => {
  it("is put in anew by a member, once, and says what may be missing", async () => {
    const s = stage();
    const [clients, [atAlice, atBob, atCarol]] = await group(s, ["alice", "bob", "carol"]);
    await said(s, atAlice!, "before");
    await s.clock.settle();
    clients[1]!.goOffline();
    await said(s, atAlice!, "missed");
    await s.clock.until(atAlice!.rotateKeys());
    await said(s, atAlice!, "missed too");
    expire(s, atAlice!.id, 4);
    clients[1]!.goOnline();
    await s.clock.until(clients[1]!.caughtUp());
    await s.clock.until(said(s, atBob!, "back"), hour);
    expect(atBob!.state.current).toBe("open");
    await s.clock.settle();
    expect(await kinds(atBob!)).toEqual(["opened", "message", "missing", "cannotFollow", "rejoined", "message"]);
    for (const view of [atAlice!, atCarol!]) {
      const restored = (await history(view)).filter(({ kind }) => kind === "deviceRestored");
      expect(restored).toMatchObject([{ account: "bob", device: clients[1]!.device }]);
    }
    await said(s, atCarol!, "welcome back");
    await s.clock.settle();
    expect((await history(atBob!)).at(-1)).toMatchObject({ kind: "message", text: "welcome back" });
    expect(s.relay.unexpected).toEqual([]);
    await closeAll(clients);
  });

  it("is put in anew by the other side of a direct conversation", async () => {
    const s = stage();
    const { alice, bob, chat, atBob } = await pair(s);
    await said(s, atBob, "hi");
    bob.goOffline();
    await s.clock.until(chat.rotateKeys());
    await said(s, chat, "unseen");
    expire(s, chat.id, 4);
    bob.goOnline();
    await s.clock.until(bob.caughtUp());
    await s.clock.until(said(s, atBob, "again"), hour);
    await s.clock.settle();
    expect((await history(chat)).at(-1)).toMatchObject({ kind: "message", text: "again", mine: false });
    expect(atBob.id).toBe(chat.id);
    await closeAll([alice, bob]);
  });

  it("takes what was sealed for the log before into the successor as it can be read there", async () => {
    const s = stage();
    const { alice, bob, chat, atBob } = await pair(s);
    await said(s, atBob, "hi");
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
    await said(s, chat, "unseen");
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
    await said(s, atBob, "hi");
    bob.goOffline();
    await s.clock.until(chat.rotateKeys());
    await said(s, chat, "unseen");
    await s.clock.settle();
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
    await s.clock.settle();
    expect((await history(atBob)).at(-1)).toMatchObject({ text: "here" });
    expect(alice.conversations()).toHaveLength(1);
    // And after a restart.
    await alice.close();
    const again = await s.arrive("alice", { store: storeOfAlice.reopen() });
    await said(s, again.conversations()[0]!, "still here");
    await s.clock.settle();
    expect((await history(atBob)).at(-1)).toMatchObject({ text: "still here" });
    await closeAll([again, bob]);
  });

  it("goes on with a device that was revoked meanwhile, which its account takes out before it says anything", async () => {
    const s = stage();
    const { alice, bob, chat, atBob } = await pair(s);
    const { client: phone } = await linked(s, alice);
    await s.clock.advance(minute);
    await said(s, atBob, "hi");
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
    await s.clock.settle();
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
      await said(s, atBob, "hi");
      for (const device of [alice, bob]) device.goOffline();
      const atPhone = phone.conversations()[0]!;
      await s.clock.until(atPhone.repair());
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
      await s.clock.settle();
      expect((await history(atBob)).at(-1)).toMatchObject({ kind: "message", text: "here as well" });
      const own = atBob.info.current.members.find(({ account }) => account === "alice");
      expect(own?.devices).toEqual([alice.device]);
      await closeAll([alice, bob, phone]);
    },
  );

  it("that asks again and again is put in anew less and less often", async () => {
    const s = stage();
    const [clients, [atAlice, atBob]] = await group(s, ["alice", "bob", "carol"]);
    for (let i = 0; i < 5; i++) {
      await s.clock.until(atBob!.repair());
      await s.clock.advance(10 * minute);
    }
    const restored = (await history(atAlice!)).filter(({ kind }) => kind === "deviceRestored");
    expect(restored).toHaveLength(3);
    expect(atBob!.state.current).toBe("repairing");
    // When the day is over, the next request is served.
    await s.clock.advance(60 * hour);
    expect(atBob!.state.current).toBe("open");
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
    await s.clock.settle();
    const others = (kind === "group" ? [bob, carol] : [bob]).map((client) => client.conversations()[0]!);
    for (const view of others) await s.clock.until(view.accept());
    const { client: phone } = await linked(s, alice);
    await s.clock.advance(minute);
    const atPhone = phone.conversations()[0]!;
    const [lost, atLost, atSibling] = whose === "holder" ? [alice, chat, atPhone] : [phone, atPhone, chat];

    lost.goOffline();
    await s.clock.until(others[0]!.rotateKeys());
    await said(s, others[0]!, "missed");
    expire(s, chat.id, [...s.relay.tables.log.get(chat.id)!.keys()].at(-1)!);
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

    await said(s, atLost, "and back");
    await said(s, atSibling, "welcome");
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
    await s.clock.settle();
    for (const view of [atLost, atSibling]) {
      expect((await history(view)).at(-1)).toMatchObject({ kind: "message", text: "here too" });
    }
    expect(s.relay.unexpected).toEqual([]);
    await closeAll([alice, bob, carol, phone]);
  });
});

describe("a commit that expired before anybody read it, its maker included", () => {
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

  it("is known to its maker by the relay's answer: the others are put in anew, and nobody goes elsewhere", async () => {
    const s = stage();
    const [clients, views] = await group(s, ["alice", "bob", "carol"]);
    await said(s, views[0]!, "before");
    await s.clock.settle();
    await unheard(s, clients, views);
    for (const client of clients.slice(1)) client.goOnline();
    await s.clock.advance(minute);
    for (const view of views.slice(1)) expect(view.state.current).toBe("repairing");
    clients[0]!.goOnline();
    await s.clock.advance(hour);
    await said(s, views[1]!, "after");
    await s.clock.settle();
    expect(s.relay.tables.conversations.size).toBe(1);
    // The log came to life again after all of it had expired: whether anything stood in between, nobody knows.
    expect((await kinds(views[0]!)).slice(2)).toEqual([
      ...["keysChanged", "missing", "deviceRestored", "deviceRestored", "message"],
    ]);
    for (const view of views) {
      expect(view.state.current).toBe("open");
      expect((await history(view)).at(-1)).toMatchObject({ kind: "message", text: "after" });
    }
    await closeAll(clients);
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
    const [clients, views] = await group(s, ["alice", "bob", "carol", "dave"]);
    const eve = await s.arrive("eve");
    await unheard(s, clients, views, change);
    if (wasBack) {
      clients[0]!.goOnline();
      await s.clock.advance(minute);
      clients[0]!.goOffline();
    }
    for (const client of clients.slice(1, 3)) client.goOnline();
    await s.clock.advance(72 * hour);
    expect(s.relay.tables.conversations.size).toBe(2);
    clients[0]!.goOnline();
    await s.clock.until(clients[0]!.caughtUp());
    await said(s, views[0]!, "here I am");
    await s.clock.settle();
    for (const view of views.slice(0, 3)) {
      expect(isTrue(view)).toBe(true);
      expect((await history(view)).at(-1)).toMatchObject({ kind: "message", text: "here I am" });
    }
    expect(s.relay.tables.conversations.size).toBe(2);
    await closeAll([...clients, eve]);
  });

  it("and what others said after it, its maker reads", async () => {
    const s = stage();
    const [clients, views] = await group(s, ["alice", "bob"]);
    s.relay.filter = ({ direction, account }) => direction === "up" || account !== "alice";
    views[0]!.rotateKeys().catch(() => {});
    await s.clock.settle();
    clients[0]!.goOffline();
    s.relay.filter = () => true;
    const [seq] = [...s.relay.tables.log.get(views[0]!.id)!.keys()].slice(-1);
    await said(s, views[1]!, "before it expired");
    await said(s, views[1]!, "after it expired");
    expire(s, views[0]!.id, seq!);
    clients[0]!.goOnline();
    await s.clock.until(clients[0]!.caughtUp());
    expect((await kinds(views[0]!)).slice(-3)).toEqual(["keysChanged", "message", "message"]);
    expect(views[0]!.state.current).toBe("open");
    await closeAll(clients);
  });

  it("that was another's leaves its maker as lost as the others: the relay says so", async () => {
    const s = stage();
    const [clients, views] = await group(s, ["alice", "bob", "carol"]);
    await said(s, views[0]!, "before");
    await s.clock.settle();
    await unheard(s, clients, views);
    // As if it had been bob's.
    const log = s.relay.tables.conversations.get(views[0]!.id)!;
    s.relay.tables.conversations.set(views[0]!.id, {
      ...log,
      lastCommit: { ...log.lastCommit, id: encodeBase64Url(new Uint8Array(16)), by: "bob" },
    });
    clients[0]!.goOnline();
    await s.clock.advance(minute);
    expect(views[0]!.state.current).toBe("repairing");
    expect((await kinds(views[0]!)).slice(-2)).toEqual(["missing", "cannotFollow"]);
    await closeAll(clients);
  });
});

describe("a linked device that a successor reaches before the log does", () => {
  it("comes into both: its account, which stays with the others, brings it in there", async () => {
    const s = stage();
    const [clients, views] = await group(s, ["alice", "bob", "carol"]);
    const { id } = views[0]!;
    clients[1]!.goOffline();
    await s.clock.until(views[0]!.remove(["carol"]));
    await said(s, views[0]!, "without carol");
    expire(s, id, [...s.relay.tables.log.get(id)!.keys()].at(-1)!);
    // Alice has linked a phone, and is kept from bringing it into the group.
    s.relay.filter = ({ direction, account, frame }) =>
      direction === "down" || account !== "alice" || frame.op !== "commit";
    const { client: phone } = await linked(s, clients[0]!);
    clients[0]!.goOffline();
    clients[1]!.goOnline();
    await s.clock.advance(72 * hour);
    expect(s.relay.tables.conversations.size).toBe(2);
    expect(phone.conversations().map((each) => each.id)).not.toContain(id);
    expect(phone.conversations()).toHaveLength(1);
    s.relay.filter = () => true;
    clients[0]!.goOnline();
    await s.clock.advance(hour);
    const atPhone = phone.conversations().find((each) => each.id === id);
    await said(s, views[0]!, "here we are");
    await s.clock.settle();
    expect(atPhone!.members).toEqual(["alice", "bob"]);
    expect((await history(atPhone!)).at(-1)).toMatchObject({ kind: "message", text: "here we are", mine: true });
    await closeAll([...clients, phone]);
  });
});

describe("an account that was taken out while its devices were away, in entries that expired", () => {
  it("is told so, opens nothing of its own, and comes back when it is invited again", async () => {
    const s = stage();
    const [clients, [atAlice, atBob]] = await group(s, ["alice", "bob", "carol"]);
    const [, bob] = clients;
    const { client: phone } = await linked(s, bob!);
    await s.clock.advance(minute);
    const views = [atBob!, phone.conversations()[0]!];
    for (const device of [bob!, phone]) device.goOffline();
    await s.clock.until(atAlice!.remove(["bob"]));
    expire(s, atAlice!.id, [...s.relay.tables.log.get(atAlice!.id)!.keys()].at(-1)!);
    for (const device of [bob!, phone]) device.goOnline();
    await s.clock.advance(48 * hour);
    for (const view of views) {
      expect(view.state.current).toBe("ended");
      expect((await kinds(view)).slice(-2)).toEqual(["cannotFollow", "noLongerMember"]);
    }
    expect(s.relay.tables.conversations.size).toBe(1);
    await s.clock.until(atAlice!.invite(["bob"]));
    await s.clock.advance(minute);
    for (const view of views) if (view.state.current === "requested") await s.clock.until(view.accept());
    await s.clock.until(said(s, atAlice!, "in again"), hour);
    await s.clock.settle();
    for (const view of views) expect((await history(view)).at(-1)).toMatchObject({ text: "in again" });
    await closeAll([...clients, phone]);
  });
});

describe("a member whose requests reach nobody", () => {
  it("is not told that it is none, where those that it knows have left", async () => {
    const s = stage();
    const [clients, views] = await group(s, ["alice", "bob", "carol"]);
    const dave = await s.arrive("dave");
    clients[1]!.goOffline();
    await s.clock.until(views[0]!.invite(["dave"]));
    await s.clock.settle();
    await s.clock.until(dave.conversations()[0]!.accept());
    await s.clock.until(views[0]!.setRole("dave", "owner"));
    for (const view of [views[2]!, views[0]!]) await s.clock.until(view.leave());
    await s.clock.advance(minute);
    expect(s.relay.tables.conversations.get(views[1]!.id)!.roster).toEqual(["bob", "dave"]);
    expire(s, views[1]!.id, [...s.relay.tables.log.get(views[1]!.id)!.keys()].at(-1)!);
    clients[1]!.goOnline();
    await s.clock.advance(24 * hour);
    expect(views[1]!.state.current).toBe("repairing");
    expect((await kinds(views[1]!)).at(-1)).toBe("cannotFollow");
    await closeAll([...clients, dave]);
  });

  it("nor where the relay has it off the roster for a while", async () => {
    const s = stage();
    const [clients, views] = await group(s, ["alice", "bob"]);
    const { id } = views[0]!;
    clients[1]!.goOffline();
    await s.clock.until(views[0]!.rotateKeys());
    expire(s, id, [...s.relay.tables.log.get(id)!.keys()].at(-1)!);
    clients[0]!.goOffline();
    const whole = s.relay.tables.conversations.get(id)!;
    clients[1]!.goOnline();
    await s.clock.advance(hour / 20);
    s.relay.tables.conversations.set(id, { ...whole, roster: ["alice"] });
    await s.clock.advance(hour);
    s.relay.tables.conversations.set(id, whole);
    await s.clock.advance(hour / 2);
    expect(views[1]!.state.current).toBe("repairing");
    clients[0]!.goOnline();
    await s.clock.until(said(s, views[1]!, "still here"), 24 * hour);
    expect((await history(views[0]!)).at(-1)).toMatchObject({ kind: "message", text: "still here" });
    await closeAll(clients);
  });
});

describe("a member that puts a device in anew without need", () => {
  it("spends nobody's times but its own: when the device needs it, others do it", async () => {
    const s = stage();
    const [clients, [atAlice, atBob, , atMallory]] = await group(s, ["alice", "bob", "carol", "mallory"]);
    const { account, device } = clients[1]!;
    for (let i = 0; i < 4; i++) {
      // By a client of her own making: nobody asked for it.
      const since = s.clock.now();
      await s.clock.until(
        (atMallory as LiveConversation).intend({ kind: "readmit", account, device, since, claimed: [] }),
      );
      await s.clock.advance(minute);
    }
    const restored = async (): Promise<readonly TimelineItem[]> =>
      (await history(atAlice!)).filter(({ kind }) => kind === "deviceRestored");
    expect(await restored()).toHaveLength(4);
    expect(atBob!.state.current).toBe("open");
    await clients[3]!.close();
    await s.clock.until(atBob!.repair());
    await s.clock.advance(minute);
    expect(atBob!.state.current).toBe("open");
    expect(await restored()).toHaveLength(5);
    await said(s, atBob!, "in again");
    await closeAll(clients.slice(0, 3));
  });
});

describe("in a group of more than fifty", () => {
  /** Alice owns it; the others are names that nobody answers for. */
  async function crowd(s: Stage, size = 50) {
    const [alice, bob] = [await s.arrive("alice"), await s.arrive("bob")];
    const names = Array.from({ length: size }, (_, index) => `member-${index}`);
    for (const name of names) {
      const member = await stranger(s, name);
      for (let i = 0; i < 2; i++) await publishKeyPackage(s, member);
      member.socket.close();
    }
    const atAlice = await s.clock.until(alice.createGroup({ members: ["bob", ...names] }));
    await s.clock.settle();
    const atBob = bob.conversations()[0]!;
    await s.clock.until(atBob.accept());
    return { alice, bob, atAlice, atBob };
  }

  it("a device that nobody answers says so, and goes on in a successor where its owner wants that", async () => {
    const s = stage();
    const { alice, bob, atAlice, atBob } = await crowd(s);
    bob.goOffline();
    await s.clock.until(atAlice.repair());
    await s.clock.advance(4 * hour);
    expect(await kinds(atAlice)).toEqual(["opened", "membersChanged"]);
    await s.clock.advance(72 * hour);
    expect(await kinds(atAlice)).toEqual(["opened", "membersChanged", "unanswered"]);
    expect(atAlice.state.current).toBe("repairing");
    expect(s.relay.tables.conversations.size).toBe(1);
    await s.clock.until(atAlice.repair());
    await s.clock.until(said(s, atAlice, "we go on here"), hour);
    expect((await kinds(atAlice)).slice(-3)).toEqual(["rejoined", "membersChanged", "message"]);
    expect(s.relay.tables.conversations.size).toBe(2);
    bob.goOnline();
    await s.clock.until(bob.caughtUp());
    await s.clock.settle();
    expect((await history(atBob)).slice(-3)).toMatchObject([
      { kind: "rejoined", successor: true },
      { kind: "membersChanged" },
      { kind: "message" },
    ]);
    await closeAll([alice, bob]);
  });

  it("takes everybody along into the successor of a group that no single commit creates", async () => {
    const s = stage();
    const zoe = await s.arrive("zoe");
    const { alice, bob, atAlice, atBob } = await crowd(s, 54);
    await s.clock.until(atAlice.invite(["zoe"]));
    await s.clock.settle();
    const atZoe = zoe.conversations()[0]!;
    await s.clock.until(atZoe.accept());
    for (const client of [bob, zoe]) client.goOffline();
    await s.clock.until(atAlice.repair());
    await s.clock.advance(76 * hour);
    const [unreachable] = [...s.relay.tables.keyPackages.keys()].filter((name) => name.startsWith("member-7"));
    s.relay.tables.keyPackages.get(unreachable!)!.clear();
    await s.clock.until(atAlice.repair());
    await s.clock.until(said(s, atAlice, "we go on here"), hour);
    await s.clock.advance(minute);
    expect(s.relay.tables.conversations.size).toBe(2);
    for (const client of [bob, zoe]) client.goOnline();
    await s.clock.until(zoe.caughtUp());
    await s.clock.settle();
    for (const view of [atAlice, atBob, atZoe]) {
      expect(view.state.current).toBe("open");
      // Whoever cannot be reached is left behind, and keeps nobody from going on.
      expect(view.members).toHaveLength(56);
      expect(view.members).not.toContain("member-7");
      expect(roleIn(view, "alice")).toBe("owner");
    }
    await said(s, atZoe, "so do I");
    await s.clock.settle();
    expect((await history(atBob)).at(-1)).toMatchObject({ kind: "message", text: "so do I" });
    await closeAll([alice, bob, zoe]);
  });

  it("a plain member's device goes on asking, also when its user wants more", async () => {
    const s = stage();
    const { alice, bob, atBob } = await crowd(s);
    alice.goOffline();
    await s.clock.until(atBob.repair());
    await s.clock.advance(72 * hour);
    expect((await kinds(atBob)).slice(-1)).toEqual(["unanswered"]);
    await s.clock.until(atBob.repair());
    let asked = 0;
    s.relay.filter = ({ direction, account, frame }) => {
      if (direction === "up" && account === "bob" && frame.op === "sendInbox") asked++;
      return true;
    };
    await s.clock.advance(48 * hour);
    // Some members each time, once a day or so: a few of them are there, one of these days.
    expect(asked).toBeGreaterThanOrEqual(8);
    expect(s.relay.tables.conversations.size).toBe(1);
    await closeAll([alice, bob]);
  });
});

describe("a member that posts garbage", () => {
  it("is passed over by all, and the roster is restored by who was dropped", async () => {
    const s = stage();
    const [clients, [atAlice, atBob]] = await group(s, ["alice", "bob"]);
    const mallory = await stranger(s, "mallory");
    await publishKeyPackage(s, mallory);
    await s.clock.until(atAlice!.invite(["mallory"]));
    await said(s, atAlice!, "welcome");
    await s.clock.settle();
    const garbage = {
      conversation: atAlice!.id,
      entry: encodeBase64Url(new Uint8Array(16).fill(7)),
      turn: 2,
      after: 1_000,
      payload: { inline: encodeBase64Url(new Uint8Array(100).fill(3)) },
      welcomes: [],
      blobs: [],
      add: [],
      remove: ["alice", "bob"],
    };
    await s.clock.until(mallory.socket.request("commit", garbage));
    await s.clock.settle();
    await s.clock.advance(minute);
    // Nobody serves the disturber any more; taking her out of the group is for Alice to decide, who owns it.
    expect([...s.relay.tables.conversations.get(atAlice!.id)!.roster].sort()).toEqual(["alice", "bob"]);
    expect((await kinds(atBob!)).slice(-2)).toEqual(["void", "suspended"]);
    await s.clock.until(atAlice!.remove(["mallory"]));
    await s.clock.settle();
    expect(atBob!.members).toEqual(["alice", "bob"]);
    await said(s, atBob!, "still talking");
    await s.clock.settle();
    expect((await s.clock.until(take(atAlice!, 2))).map(({ text }) => text)).toEqual(["welcome", "still talking"]);
    await closeAll(clients);
  });
});
