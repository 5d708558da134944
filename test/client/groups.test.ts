/** Groups, over the relay's own rules in one process: who may do what, and what everybody sees of it. */
import {
  isTacitError,
  type BlobTransfer,
  type Client,
  type Conversation,
  type TimelineItem,
  type Transport,
} from "@tacit/client";
import type { LiveConversation } from "../../client/src/conversation/liveConversation.ts";
import { bytesWithin } from "../support/bytesWithin.ts";
import { utf8 } from "../../client/src/session/bytes.ts";
import { closeAll } from "./support/conversations.ts";
import { device } from "./support/devices.ts";
import { history, stage, take, type Stage } from "./support/stage.ts";
import { invite, publishKeyPackage, stranger } from "./support/stranger.ts";

async function people(s: Stage, names: readonly string[]): Promise<readonly Client[]> {
  const clients: Client[] = [];
  for (const name of names) clients.push(await s.arrive(name));
  return clients;
}

/** A group of all, created by the first; everybody else has accepted. */
async function group(s: Stage, clients: readonly Client[], title = "Plans"): Promise<readonly Conversation[]> {
  const [first, ...others] = clients as [Client, ...Client[]];
  const created = await s.clock.until(first.createGroup({ title, members: others.map(({ account }) => account) }));
  await s.clock.settle();
  const views = others.map((client) => client.conversations().find(({ id }) => id === created.id)!);
  for (const view of views) await s.clock.until(view.accept());
  return [created, ...views];
}

const seen = async (conversation: Conversation): Promise<readonly string[]> =>
  (await history(conversation)).map(describeItem);

function describeItem(item: TimelineItem): string {
  switch (item.kind) {
    case "message":
      return `${item.from}: ${item.text}`;
    case "membersChanged":
      return `${item.by} +${item.added.join(",")} -${item.removed.join(",")}`;
    case "left":
      return `left ${item.accounts.join(",")}`;
    case "titleChanged":
      return `${item.by} title ${item.title}`;
    case "roleChanged":
      return `${item.by} made ${item.account} ${item.role}`;
    default:
      return "by" in item ? `${item.kind} by ${item.by}` : item.kind;
  }
}

describe("a group", () => {
  it("is created with a title, and all read what each writes", async () => {
    const s = stage();
    const clients = await people(s, ["alice", "bob", "carol"]);
    const views = await group(s, clients);
    expect(views.map(({ kind }) => kind)).toEqual(["group", "group", "group"]);
    for (const view of views) {
      expect(view.info.current.title).toBe("Plans");
      expect(view.info.current.members.map(({ account, role }) => [account, role])).toEqual([
        ["alice", "owner"],
        ["bob", "member"],
        ["carol", "member"],
      ]);
      await s.clock.until((await s.clock.until(view.send({ text: "hello" }))).sent);
    }
    for (const view of views) {
      expect((await s.clock.until(take(view, 3))).map(({ from }) => from)).toEqual(["alice", "bob", "carol"]);
    }
    // The relay has the roster, and nothing of what the group is.
    expect(JSON.stringify([...s.relay.tables.conversations.values()])).not.toContain("Plans");
    await closeAll(clients);
  });

  it("by a stranger is a request until it is answered", async () => {
    const s = stage();
    const clients = await people(s, ["alice", "bob", "carol"]);
    const [alice, bob, carol] = clients as [Client, Client, Client];
    const chat = await s.clock.until(alice.createGroup({ title: "Offers", members: ["bob", "carol"] }));
    await s.clock.settle();
    const [atBob, atCarol] = [bob.conversations()[0]!, carol.conversations()[0]!];
    expect(atBob.state.current).toBe("requested");
    expect(atBob.info.current.invitedBy).toBe("alice");
    await s.clock.until(atBob.accept());
    expect(atBob.state.current).toBe("open");
    await s.clock.until(atCarol.decline());
    await s.clock.advance(10_000);
    expect(atCarol.state.current).toBe("ended");
    expect(chat.members).toEqual(["alice", "bob"]);
    expect(await seen(atBob)).toEqual(["opened by alice", "left carol"]);
    // Known by now.
    const second = await s.clock.until(alice.createGroup({ members: ["bob"] }));
    await s.clock.settle();
    expect(bob.conversations().find(({ id }) => id === second.id)!.state.current).toBe("open");
    // Whom one declined is a stranger still, and was never told which keys count.
    expect(carol.contact("alice")).toBeUndefined();
    const third = await s.clock.until(alice.createGroup({ members: ["carol"] }));
    await s.clock.settle();
    expect(carol.conversations().find(({ id }) => id === third.id)!.state.current).toBe("requested");
    await closeAll(clients);
  });

  it("that was declined between two is a request again where the other goes on", async () => {
    const s = stage();
    const clients = await people(s, ["alice", "bob"]);
    const [alice, bob] = clients as [Client, Client];
    const chat = await s.clock.until(alice.conversation({ with: ["bob"] }));
    await s.clock.settle();
    const atBob = bob.conversations()[0]!;
    await s.clock.until(atBob.decline());
    expect(atBob.state.current).toBe("ended");
    await s.clock.until(chat.repair());
    await s.clock.advance(7_200_000);
    expect(chat.state.current).toBe("open");
    expect(atBob.state.current).toBe("requested");
    await s.clock.until(atBob.block());
    expect(atBob.state.current).toBe("ended");
    await closeAll(clients);
  });

  it("to what says that it goes on from one that was left keeps nothing from this device, whoever it claims to be from", async () => {
    const s = stage();
    const clients = await people(s, ["alice", "bob"]);
    const [alice, bob] = clients as [Client, Client];
    const views = await group(s, clients);
    await s.clock.until(views[1]!.leave());
    const [mallory, ghost] = [await stranger(s, "mallory"), await device("ghost")];
    const id = `g-${"M".repeat(22)}`;
    const data = { owners: ["ghost"], generation: 1, predecessor: views[0]!.id };
    const forged = { from: "mallory", victim: "bob", groupId: utf8(id), conversation: id, data };
    await invite(s, { ...mallory, member: ghost.member }, forged);
    await s.clock.settle();
    const next = await s.clock.until(alice.createGroup({ title: "Tea", members: ["bob"] }));
    await s.clock.advance(60_000);
    expect(bob.connection.current.status).toBe("online");
    expect(bob.conversations().map((each) => each.id)).toContain(next.id);
    expect(bob.contact("ghost")).toBeUndefined();
    expect(views[1]!.state.current).toBe("ended");
    await closeAll(clients);
  });

  it("of somebody who was blocked does not show up", async () => {
    const s = stage();
    const clients = await people(s, ["alice", "bob"]);
    const [alice, bob] = clients as [Client, Client];
    await s.clock.until(alice.createGroup({ title: "Buy", members: ["bob"] }));
    await s.clock.settle();
    await s.clock.until(bob.conversations()[0]!.block());
    await s.clock.advance(10_000);
    await s.clock.until(alice.createGroup({ title: "Buy more", members: ["bob"] }));
    await s.clock.settle();
    expect(bob.conversations().map(({ state }) => state.current)).toEqual(["ended"]);
    await closeAll(clients);
  });

  it("changes its members, title and roles, by those who may", async () => {
    const s = stage();
    const clients = await people(s, ["alice", "bob", "carol", "dave"]);
    const views = await group(s, clients.slice(0, 3));
    const [atAlice, atBob, atCarol] = views as [Conversation, Conversation, Conversation];
    const forbidden = async (attempt: Promise<void>): Promise<void> => {
      const error = await s.clock.until(
        attempt.then(
          () => undefined,
          (reason: unknown) => reason,
        ),
      );
      expect(isTacitError(error, "forbidden")).toBe(true);
    };
    await forbidden(atBob.invite(["dave"]));
    await forbidden(atBob.remove(["carol"]));
    await forbidden(atBob.setTitle("Bob's"));
    await forbidden(atBob.setRole("bob", "owner"));

    await s.clock.until(atAlice.setRole("bob", "admin"));
    await s.clock.settle();
    await s.clock.until(atBob.invite(["dave"]));
    await s.clock.until(atBob.setTitle("Bob's"));
    await forbidden(atBob.remove(["alice"]));
    await forbidden(atBob.setRole("carol", "admin"));
    await s.clock.until(atBob.remove(["carol"]));
    await s.clock.settle();
    expect(atCarol.state.current).toBe("ended");
    expect(await seen(atAlice)).toEqual([
      "opened by alice",
      "alice made bob admin",
      "bob +dave -",
      "bob title Bob's",
      "bob + -carol",
    ]);
    const atDave = clients[3]!.conversations()[0]!;
    expect(atDave.info.current.title).toBe("Bob's");
    expect(atDave.members).toEqual(["alice", "bob", "dave"]);
    await closeAll(clients);
  });

  it("is left by proposal, and its roles go on", async () => {
    const s = stage();
    const clients = await people(s, ["alice", "bob", "carol"]);
    const views = await group(s, clients);
    const [atAlice, atBob, atCarol] = views as [Conversation, Conversation, Conversation];
    await s.clock.until((await s.clock.until(atBob.send({ text: "bye, Alice" }))).sent);
    await s.clock.until(atAlice.leave());
    expect(atAlice.state.current).toBe("ended");
    await s.clock.advance(10_000);
    expect(atBob.members).toEqual(["bob", "carol"]);
    // Somebody owns it: the first of those who remain.
    expect(atCarol.info.current.members.map(({ role }) => role)).toEqual(["owner", "member"]);
    expect(await seen(atCarol)).toEqual(["opened by alice", "bob: bye, Alice", "left alice"]);
    await s.clock.until((await s.clock.until(atBob.send({ text: "alone" }))).sent);
    expect(await seen(atAlice)).not.toContain("bob: alone");
    await closeAll(clients);
  });

  it.each([
    ["refused by the relay", false],
    ["taken by a relay that is not told how far its maker had read", true],
  ])("accuses nobody whose change was made before somebody left, and came after: %s", async (_, lies) => {
    const s = stage();
    const transport: Transport = {
      open(...args) {
        const socket = s.relay.transport.open(...args);
        const lie = (text: string): string =>
          lies && text.includes('"op":"commit"') ? text.replace(/"after":\d+/, '"after":1000') : text;
        return { ...socket, send: (text) => socket.send(lie(text)) };
      },
    };
    const clients = [await s.arrive("alice", { transport }), ...(await people(s, ["bob", "carol", "dave"]))];
    const [atAlice, atBob, atCarol] = await group(s, clients);
    clients[1]!.goOffline();
    clients[3]!.goOffline();
    let isLost = false;
    const refusals: unknown[] = [];
    s.relay.filter = ({ direction, account, frame }) => {
      if (account === "alice" && "error" in frame) refusals.push((frame["error"] as { code: string }).code);
      if (isLost || direction !== "up" || account !== "alice" || frame.op !== "commit") return true;
      isLost = true;
      return false;
    };
    const removed = atAlice!.remove(["dave"]);
    await s.clock.settle();
    clients[0]!.goOffline();
    expect(isLost).toBe(true);
    await s.clock.until(atCarol!.leave());
    clients[0]!.goOnline();
    await s.clock.until(removed);
    expect(refusals).toEqual(lies ? [] : ["invalid_roster"]);
    clients[1]!.goOnline();
    await s.clock.until(clients[1]!.caughtUp());
    for (const view of [atAlice!, atBob!]) {
      expect(view.members).toEqual(["alice", "bob"]);
      const items = await seen(view);
      expect(items.filter((item) => item.startsWith("void"))).toEqual([]);
      expect(items).toContain("left carol");
    }
    await closeAll(clients);
  });

  it("is followed by whoever asks to leave while others change it", async () => {
    const s = stage();
    const clients = await people(s, ["alice", "bob", "carol"]);
    const [atAlice, atBob, atCarol] = await group(s, clients);
    let isLost = false;
    s.relay.filter = ({ direction, account, frame }) => {
      if (isLost || direction !== "up" || account !== "bob" || frame.op !== "propose") return true;
      isLost = true;
      return false;
    };
    const left = atBob!.leave();
    await s.clock.settle();
    expect(isLost).toBe(true);
    await s.clock.until(atAlice!.rotateKeys());
    await s.clock.until((await s.clock.until(atAlice!.send({ text: "before bob is out" }))).sent);
    await s.clock.until(left);
    const items = await seen(atBob!);
    expect(items).toContain("keysChanged by alice");
    expect(items).toContain("alice: before bob is out");
    expect(items.filter((item) => /^(void|unreadable)/.test(item))).toEqual([]);
    expect(atBob!.state.current).toBe("ended");
    await s.clock.advance(10_000);
    expect(atCarol!.members).toEqual(["alice", "carol"]);
    await closeAll(clients);
  });

  it("is left also where that expired before it was read", async () => {
    const s = stage();
    const clients = await people(s, ["alice", "bob", "carol"]);
    const [, atBob] = await group(s, clients);
    clients[0]!.goOffline();
    clients[2]!.goOffline();
    let losesAnswers = false;
    s.relay.filter = ({ direction, account, frame }) => {
      if (direction === "up" && account === "bob" && frame.op === "propose") losesAnswers = true;
      return !(losesAnswers && direction === "down" && account === "bob");
    };
    const left = atBob!.leave();
    await s.clock.settle();
    clients[1]!.goOffline();
    s.relay.filter = () => true;
    const log = s.relay.tables.log.get(atBob!.id)!;
    expect([...log.values()].at(-1)).toMatchObject({ kind: "proposal", leave: true });
    log.delete([...log.keys()].at(-1)!);
    clients[1]!.goOnline();
    await s.clock.until(left);
    expect(atBob!.state.current).toBe("ended");
    await closeAll(clients);
  });

  it("is read from where a member was taken in again, also where that comes while it reads what was before", async () => {
    const s = stage();
    let [isHeld, pages] = [false, 0];
    const open: Transport["open"] = (url, protocols, events) =>
      s.relay.transport.open(url, protocols, {
        ...events,
        message(text) {
          const isPage = text.includes('"entries":[') && !text.includes('"push"');
          // The second page after what the inbox holds, and that after the first page.
          const wait = !isHeld ? 0 : text.includes('"items":[{') ? 1_000 : isPage && ++pages === 2 ? 5_000 : 0;
          if (wait === 0) events.message(text);
          else s.clock.after(wait, () => events.message(text));
        },
      });
    const alice = await s.arrive("alice");
    const bob = await s.arrive("bob", { transport: { open } });
    const [atAlice, atBob] = await group(s, [alice, bob]);
    bob.goOffline();
    await s.clock.until(atAlice!.remove(["bob"]));
    const told = async (count: number): Promise<void> => {
      const sendings = [];
      for (let i = 0; i < count; i++) sendings.push((await s.clock.until(atAlice!.send({ text: `${i}` }))).sent);
      await s.clock.until(Promise.all(sendings), 600_000);
    };
    await told(10);
    await s.clock.until(atAlice!.invite(["bob"]));
    // What follows it does not fit one page.
    await told(140);
    isHeld = true;
    bob.goOnline();
    // A doorbell makes him read before the inbox is.
    await s.clock.advance(500);
    await s.clock.until(atAlice!.send({ text: "140" }));
    await s.clock.advance(60_000);
    if (atBob!.state.current === "requested") await s.clock.until(atBob!.accept());
    const items = await seen(atBob!);
    expect(items.filter((item) => /^(missing|cannotFollow|unreadable)/.test(item))).toEqual([]);
    expect(items.slice(-141)).toEqual(Array.from({ length: 141 }, (_, i) => `alice: ${i}`));
    expect(pages).toBeGreaterThan(1);
    await closeAll([alice, bob]);
  });

  it("is in nobody's way where whoever is invited has a member's signature key", async () => {
    const s = stage();
    const clients = await people(s, ["alice", "bob"]);
    const [atAlice, atBob] = await group(s, clients);
    const mallory = await stranger(s, "mallory");
    const twin = await stranger(s, "twin", { as: mallory });
    for (const each of [mallory, twin]) await publishKeyPackage(s, each);
    await s.clock.until(atAlice!.invite(["mallory"]));
    const refused = await s.clock.until(atAlice!.invite(["twin"]).catch((error: unknown) => error));
    expect(refused).toMatchObject({ code: "identity_invalid" });
    expect((atAlice as LiveConversation).snapshot.intents).toEqual([]);
    await s.clock.until(atAlice!.remove(["mallory"]));
    await s.clock.settle();
    expect(atBob!.members).toEqual(["alice", "bob"]);
    await closeAll(clients);
  });

  it("has a title and a picture that only members can open", async () => {
    const s = stage();
    const frames: unknown[] = [];
    const bodies: Uint8Array[] = [];
    s.relay.filter = ({ frame }) => {
      frames.push(frame);
      return true;
    };
    const blobs: BlobTransfer = {
      get: (...asked) => s.relay.blobs.get(...asked),
      async put(url, headers, body) {
        bodies.push(body.slice());
        await s.relay.blobs.put(url, headers, body);
      },
    };
    const clients = [await s.arrive("alice", { blobs }), await s.arrive("bob", { blobs })];
    const views = await group(s, clients, "The surprise for Carol");
    const picture = new Uint8Array(5_000).map((_, index) => index % 251);
    await s.clock.until(views[0]!.setPicture(picture));
    await s.clock.until(views[0]!.setTitle("The party for Carol"));
    await s.clock.settle();
    expect(views[1]!.info.current.title).toBe("The party for Carol");
    const { key, hash } = (views[1] as LiveConversation).snapshot.data.picture!;
    const passed = bytesWithin(frames, bodies, Object.values(s.relay.tables));
    // The search finds what is there: which blob it is, and who is in.
    for (const known of [Buffer.from(hash, "base64url"), "alice", "bob"]) expect(passed.includes(known)).toBe(true);
    expect(bodies.some((body) => body.length >= picture.length)).toBe(true);
    const secrets = ["The surprise for Carol", "The party for Carol", key, Buffer.from(key, "base64url")];
    for (const secret of secrets) expect(passed.includes(secret)).toBe(false);
    for (let at = 0; at < picture.length; at += 500) {
      expect(passed.includes(Buffer.from(picture.subarray(at, at + 24)))).toBe(false);
    }
    expect(views[1]!.info.current.hasPicture).toBe(true);
    expect(await s.clock.until(views[1]!.picture())).toEqual(picture);
    await s.clock.until(views[0]!.setPicture(undefined));
    await s.clock.settle();
    expect(views[1]!.info.current.hasPicture).toBe(false);
    await closeAll(clients);
  });

  it("redoes what lost against another, whoever commits at the same moment", async () => {
    const s = stage();
    const names = ["alice", "bob", "carol", "dave", "erin", "frank"];
    const clients = await people(s, [...names, "gina", "hans"]);
    const views = await group(s, clients.slice(0, 6));
    await s.clock.until(views[0]!.setRole("bob", "admin"));
    await s.clock.settle();
    await s.clock.until(
      Promise.all([
        views[0]!.invite(["gina"]),
        views[1]!.invite(["hans"]),
        views[0]!.setTitle("All at once"),
        ...views.slice(2).map((view) => view.rotateKeys()),
        ...views.map(async (view) => (await view.send({ text: "in the middle" })).sent),
      ]),
    );
    await s.clock.settle();
    const timelines = await Promise.all(views.map(seen));
    for (const timeline of timelines) expect(timeline).toEqual(timelines[0]);
    expect(views[0]!.members).toEqual([...names, "gina", "hans"]);
    expect(views[5]!.info.current.title).toBe("All at once");
    expect(timelines[0]!.filter((line) => line.endsWith("in the middle"))).toHaveLength(6);
    expect(s.relay.unexpected).toEqual([]);
    await closeAll(clients);
  });
});
