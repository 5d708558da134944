/** What members without manners, and a relay that lies, do to a conversation and its roster; and what is left of both. */
import type { Conversation, TimelineItem, Transport } from "@tacit/client";
import { encodeBase64Url } from "@tacit/protocol";
import type { LiveConversation } from "../../client/src/conversation/liveConversation.ts";
import { seededRandom } from "../support/memoryPorts.ts";
import { closeAll, expire, group, kinds, loseCommit, said, say, texts } from "./support/conversations.ts";
import { slowTransport } from "./support/latency.ts";
import { forge, noise, showing } from "./support/liar.ts";
import { history, stage, take, type Stage } from "./support/stage.ts";
import { garbage, garbageFor, groupWithMallory, posted } from "./support/mallory.ts";
import { askForRepair, publishKeyPackage, stranger, type Stranger } from "./support/stranger.ts";

const minute = 60_000;
const hour = 60 * minute;

const served = ({ relay }: Stage, { id }: Conversation): readonly string[] =>
  [...relay.tables.conversations.get(id)!.roster].sort();

describe("a member that posts garbage", () => {
  it("is passed over by all, and the roster is restored by who was dropped", async () => {
    const s = stage();
    const { clients, views } = await group(s, ["alice", "bob"]);
    const [atAlice, atBob] = views;
    const mallory = await stranger(s, "mallory");
    await publishKeyPackage(s, mallory);
    await s.clock.until(atAlice.invite(["mallory"]));
    await said(s, atAlice, "welcome");
    const commit = {
      conversation: atAlice.id,
      entry: encodeBase64Url(new Uint8Array(16).fill(7)),
      turn: 2,
      after: 1_000,
      payload: { inline: encodeBase64Url(new Uint8Array(100).fill(3)) },
      welcomes: [],
      blobs: [],
      add: [],
      remove: ["alice", "bob"],
    };
    await s.clock.until(mallory.socket.request("commit", commit));
    await s.clock.settle();
    await s.clock.advance(minute);
    // Nobody serves the disturber any more; taking her out of the group is for Alice to decide, who owns it.
    expect(served(s, atAlice)).toEqual(["alice", "bob"]);
    expect((await kinds(atBob)).slice(-2)).toEqual(["void", "suspended"]);
    await s.clock.until(atAlice.remove(["mallory"]));
    await s.clock.settle();
    expect(atBob.members).toEqual(["alice", "bob"]);
    await said(s, atBob, "still talking");
    expect((await s.clock.until(take(atAlice, 2))).map(({ text }) => text)).toEqual(["welcome", "still talking"]);
    await closeAll(clients);
  });

  it("is known to whoever comes in later, also where the commit that brings them in expires before they read it", async () => {
    const s = stage();
    const { clients, views, mallory } = await groupWithMallory(s, ["alice", "bob"]);
    const [atAlice, atBob] = views as [Conversation, Conversation];
    const dave = await s.arrive("dave");
    dave.goOffline();
    expect(await garbage(s, mallory, atAlice, { remove: ["bob"] })).toBe("taken");
    await s.clock.advance(minute);
    await s.clock.until(atAlice.invite(["dave"]));
    await said(s, atAlice, "welcome, dave");
    expect(served(s, atAlice)).toEqual(["alice", "bob", "dave"]);
    expire(s, atAlice.id);
    dave.goOnline();
    await s.clock.until(dave.caughtUp());
    const [atDave] = dave.conversations() as [Conversation];
    await s.clock.until(atDave.accept());
    await s.clock.until(atDave.rotateKeys());
    await said(s, atDave, "hello");
    await said(s, atBob, "good to have you here");
    for (const view of [atAlice, atBob, atDave]) {
      expect((await texts(view)).slice(-2)).toEqual(["hello", "good to have you here"]);
      expect(view.members).toEqual(["alice", "bob", "dave", "mallory"]);
    }
    // Mallory stays out all the same, until somebody takes her out of the group as well.
    expect((await kinds(atAlice)).slice(-3)).toEqual(["keysChanged", "message", "message"]);
    await s.clock.until(atAlice.remove(["mallory"]));
    await s.clock.settle();
    expect(atDave.members).toEqual(["alice", "bob", "dave"]);
    await closeAll([...clients, dave]);
  });

  it("twice, before anybody can restore whom the first dropped: they are taken back, and miss nothing", async () => {
    const s = stage();
    const { clients, views, mallory } = await groupWithMallory(s, ["alice", "bob", "carol"]);
    const [atAlice, atBob, atCarol] = views as [Conversation, Conversation, Conversation];
    clients[0]!.goOffline();
    clients[1]!.goOffline();
    clients[2]!.goOffline();
    expect(await garbage(s, mallory, atAlice, { remove: ["bob"] })).toBe("taken");
    expect(await garbage(s, mallory, atAlice, {})).toBe("taken");
    expect(served(s, atAlice)).toEqual(["alice", "carol", "mallory"]);
    clients[0]!.goOnline();
    clients[2]!.goOnline();
    await said(s, atAlice, "while Bob is out");
    clients[1]!.goOnline();
    await s.clock.advance(5 * minute);
    expect(served(s, atAlice)).toContain("bob");
    await said(s, atBob, "back");
    for (const view of [atAlice, atBob, atCarol]) expect(await texts(view)).toEqual(["while Bob is out", "back"]);
    await closeAll(clients);
  });

  it("that drops everybody, with the owner away: who is there restores the roster, and she is served no more", async () => {
    const s = stage();
    const { clients, views, mallory } = await groupWithMallory(s, ["alice", "bob", "carol"]);
    const [atAlice, atBob, atCarol] = views as [Conversation, Conversation, Conversation];
    clients[0]!.goOffline();
    expect(await garbage(s, mallory, atAlice, { remove: ["alice", "bob", "carol"] })).toBe("taken");
    await s.clock.advance(minute);
    expect(served(s, atBob)).toEqual(["alice", "bob", "carol"]);
    // Out of the relay's roster; in the group until somebody who may removes her.
    expect(atBob.members).toContain("mallory");
    expect(await garbage(s, mallory, atAlice, { remove: ["alice", "bob", "carol"] })).toBe("not_a_member");
    expect((await history(atCarol)).slice(-2)).toMatchObject([
      { kind: "void", by: "mallory" },
      { kind: "suspended", account: "mallory" },
    ]);
    clients[0]!.goOnline();
    await s.clock.until(clients[0]!.caughtUp());
    await s.clock.until(atAlice.remove(["mallory"]));
    await said(s, atBob, "quiet again");
    expect(atCarol.members).toEqual(["alice", "bob", "carol"]);
    expect(await texts(atAlice)).toEqual(["quiet again"]);
    expect(s.relay.unexpected).toEqual([]);
    await closeAll(clients);
  });

  it("and puts herself back after she was suspended: that is void, and the fight is over", async () => {
    const s = stage();
    const { clients, views, mallory } = await groupWithMallory(s, ["alice", "bob", "carol"]);
    const [atAlice] = views as [Conversation];
    expect(await garbage(s, mallory, atAlice, { remove: ["bob"] })).toBe("taken");
    await s.clock.advance(minute);
    expect(served(s, atAlice)).toEqual(["alice", "bob", "carol"]);
    const by = s.relay.tables.conversations.get(atAlice.id)!.lastCommit.by;
    expect(await garbage(s, mallory, atAlice, { add: ["mallory"], remove: [by] })).toBe("taken");
    await s.clock.advance(minute);
    expect(served(s, atAlice)).toEqual(["alice", "bob", "carol"]);
    expect(await garbage(s, mallory, atAlice, { add: ["mallory"] })).toBe("not_a_member");
    for (const view of views) await said(s, view, "here");
    await closeAll(clients);
  });

  it("nor stops others by a request to be put in anew, with a key package whose signature does not hold", async () => {
    const s = stage();
    const { clients, views, mallory } = await groupWithMallory(s, ["alice", "bob"]);
    const [atAlice, atBob] = views;
    const { id } = atAlice!;
    for (const packages of s.relay.tables.keyPackages.values()) packages.clear();
    for (let i = 0; i < 3; i++) await publishKeyPackage(s, mallory, { isForged: true });
    for (const { account, device } of clients) await askForRepair(s, mallory, { account, device, conversation: id });
    await s.clock.advance(minute);
    for (const view of views) await say(s, view, "undisturbed");
    await s.clock.settle();
    for (const view of [atAlice!, atBob!]) {
      expect((await texts(view)).slice(-2)).toEqual(["undisturbed", "undisturbed"]);
      expect((view as LiveConversation).snapshot.intents).toEqual([]);
    }
    await closeAll(clients);
  });

  it("and had asked an honest member to put her in anew: nobody does, and nobody is suspended for it", async () => {
    const s = stage();
    const { clients, views, mallory } = await groupWithMallory(s, ["alice", "bob", "carol"]);
    const [atAlice, atBob] = views as [Conversation, Conversation];
    await publishKeyPackage(s, mallory);
    clients[1]!.goOffline();
    await askForRepair(s, mallory, { account: "bob", device: clients[1]!.device, conversation: atAlice.id });
    expect(await garbage(s, mallory, atAlice, { remove: ["carol"] })).toBe("taken");
    await s.clock.advance(minute);
    clients[1]!.goOnline();
    await s.clock.advance(minute);
    expect(served(s, atAlice)).toEqual(["alice", "bob", "carol"]);
    await said(s, atBob, "still served");
    for (const view of views) {
      const told = (await history(view)).filter(({ kind }) => kind === "suspended" || kind === "void");
      expect(told).toMatchObject([
        { kind: "void", by: "mallory" },
        { kind: "suspended", account: "mallory" },
      ]);
      expect(await texts(view)).toEqual(["still served"]);
    }
    await closeAll(clients);
  });

  it("that drops a member who cannot follow, with all others away for half an hour: she is put in anew", async () => {
    const s = stage();
    const { clients, views, mallory } = await groupWithMallory(s, ["alice", "bob", "carol"]);
    const { id } = views[0]!;
    clients[2]!.goOffline();
    await s.clock.until(views[0]!.rotateKeys());
    expire(s, id);
    for (const client of clients.slice(0, 2)) client.goOffline();
    expect(await garbage(s, mallory, views[0]!, { remove: ["carol"] })).toBe("taken");
    clients[2]!.goOnline();
    await s.clock.advance(hour / 2);
    for (const client of clients.slice(0, 2)) client.goOnline();
    await s.clock.advance(2 * hour);
    await said(s, views[0]!, "there you are");
    for (const view of views) expect((await texts(view)).at(-1)).toBe("there you are");
    expect(await kinds(views[2]!)).not.toContain("noLongerMember");
    await closeAll(clients);
  });

  it("that brings a stranger onto the roster: the stranger is taken off it", async () => {
    const s = stage();
    const { clients, views, mallory } = await groupWithMallory(s, ["alice", "bob"]);
    const [atAlice, atBob] = views as [Conversation, Conversation];
    const eve = await stranger(s, "eve");
    await publishKeyPackage(s, eve);
    const { keyPackages } = await s.clock.until(mallory.socket.request("claimKeyPackages", { account: "eve" }));
    const welcomes = keyPackages.map(({ device, claim }) => ({
      device,
      claim,
      payload: { inline: encodeBase64Url(noise()) },
    }));
    // Nobody but the two is left on it, so that whoever restores may not remove Eve at once.
    expect(await garbage(s, mallory, atAlice, { add: ["eve"], remove: ["alice", "bob"], welcomes })).toBe("taken");
    expect(served(s, atAlice)).toEqual(["eve", "mallory"]);
    await s.clock.advance(minute);
    expect(served(s, atAlice)).toEqual(["alice", "bob"]);
    expect(await garbage(s, eve, atAlice, { remove: ["alice"] })).not.toBe("taken");
    await said(s, atAlice, "among ourselves");
    expect(await texts(atBob)).toEqual(["among ourselves"]);
    await closeAll(clients);
  });

  it("with an accomplice, so that nobody may restore: those who were dropped go on without the roster", async () => {
    const s = stage();
    const { clients, views, mallory } = await groupWithMallory(s, ["alice", "bob"]);
    const [atAlice, atBob] = views as [Conversation, Conversation];
    for (const client of clients) client.goOffline();
    expect(await garbage(s, mallory, atAlice, { remove: ["alice", "bob"] })).toBe("taken");
    expect(await garbage(s, mallory, atAlice, {})).toBe("taken");
    for (const client of clients) client.goOnline();
    await s.clock.until(clients[0]!.caughtUp());
    const waiting = await s.clock.until(atBob.send({ text: "still with you" }));
    await s.clock.until(waiting.sent, 3 * hour);
    await s.clock.settle();
    expect(await texts(atAlice)).toEqual(["still with you"]);
    await said(s, atAlice, "and I with you");
    expect(await texts(atBob)).toEqual(["still with you", "and I with you"]);
    expect((await kinds(atAlice)).filter((kind) => kind === "rejoined")).toHaveLength(1);
    await closeAll(clients);
  });
});

describe("a member that answers each turn with another garbage commit", () => {
  it("is out after all, and what others wanted meanwhile is done", async () => {
    const s = stage();
    const random = seededRandom("races");
    /** Milliseconds. */
    const oneWay = (): number => 30 + random.fraction() * 30;
    let lost = 0;
    // Alice's is slow at first, so that she loses every race; then all have the same.
    const networkOf = (name: string): Transport =>
      slowTransport(s.relay.transport, s.clock, {
        shortest: 0,
        longest: 1,
        random: () => (name === "alice" && lost < 6 ? 200 : oneWay()),
      });
    const { clients, views, mallory } = await groupWithMallory(s, ["alice", "bob", "carol"], networkOf);
    const [atAlice, atBob, atCarol] = views as [Conversation, Conversation, Conversation];
    const log = atAlice.id;
    const turnNow = (): number => s.relay.tables.conversations.get(log)!.turn;
    const answers: string[] = [];
    let answered = 0;
    /** Of a turn that she has heard of; to the relay and back it takes its time. */
    const answer = (turn: number): void => {
      if (turn <= answered || answers.includes("not_a_member")) return;
      answered = turn;
      s.clock.after(oneWay(), () => {
        void posted(mallory, garbageFor(log, turn)).then((outcome) => {
          answers.push(outcome);
          if (outcome === "taken") s.clock.after(oneWay(), () => answer(turn + 1));
        });
      });
    };
    s.relay.filter = ({ direction, account, frame }) => {
      if (direction === "down" && account === "mallory" && frame.push === "entries") {
        const turn = turnNow();
        s.clock.after(oneWay(), () => answer(turn));
      }
      if (direction === "down" && account === "alice" && (frame["error"] as { code?: string })?.code === "stale")
        lost++;
      return true;
    };
    answer(turnNow());
    await s.clock.advance(1_000);
    expect(answers.length).toBeGreaterThan(5);
    const wanted = [atAlice.remove(["mallory"]), atBob.rotateKeys(), atCarol.rotateKeys()];
    const spoken = await s.clock.until(Promise.all(views.map((view) => view.send({ text: "through it all" }))));
    await s.clock.until(Promise.all([...wanted, ...spoken.map(({ sent }) => sent)]), hour);
    await s.clock.advance(2 * minute);
    expect(lost).toBeGreaterThanOrEqual(6);
    expect(await garbage(s, mallory, atAlice, {})).toBe("not_a_member");
    for (const view of views) {
      expect(view.members).toEqual(["alice", "bob", "carol"]);
      expect(await texts(view)).toEqual(Array.from({ length: 3 }, () => "through it all"));
    }
    expect(served(s, atAlice)).toEqual(["alice", "bob", "carol"]);
    await said(s, atBob, "quiet again");
    await s.clock.advance(minute);
    expect((await texts(atCarol)).at(-1)).toBe("quiet again");
    expect(s.relay.unexpected).toEqual([]);
    await closeAll(clients);
  }, 120_000);
});

describe("a member that puts a device in anew without need", () => {
  it("spends nobody's times but its own: when the device needs it, others do it", async () => {
    const s = stage();
    const { clients, views } = await group(s, ["alice", "bob", "carol", "mallory"]);
    const [atAlice, atBob, , atMallory] = views;
    const { account, device } = clients[1];
    for (let i = 0; i < 4; i++) {
      // By a client of her own making: nobody asked for it.
      const since = s.clock.now();
      await s.clock.until(
        (atMallory as LiveConversation).intend({ kind: "readmit", account, device, since, claimed: [] }),
      );
      await s.clock.advance(minute);
    }
    const restored = async (): Promise<readonly TimelineItem[]> =>
      (await history(atAlice)).filter(({ kind }) => kind === "deviceRestored");
    expect(await restored()).toHaveLength(4);
    expect(atBob.state.current).toBe("open");
    await clients[3].close();
    await s.clock.until(atBob.repair());
    await s.clock.advance(minute);
    expect(atBob.state.current).toBe("open");
    expect(await restored()).toHaveLength(5);
    await say(s, atBob, "in again");
    await closeAll(clients.slice(0, 3));
  });
});

describe("a request to leave that is garbage", () => {
  it.each<[string, (s: Stage, mallory: Stranger, log: string) => Promise<unknown>]>([
    [
      "posted by whom the group cannot take out",
      ({ clock, relay }, { socket }, conversation) => {
        const { turn } = relay.tables.conversations.get(conversation)!;
        const payload = { inline: encodeBase64Url(noise()) };
        const entry = encodeBase64Url(noise(16));
        return clock.until(socket.request("propose", { conversation, turn, entry, payload, leave: true }));
      },
    ],
    [
      "forged in another's name",
      async (s, _mallory, log) => forge(s, log, { kind: "proposal", account: "carol", leave: true }),
    ],
  ])("does not keep a plain member from going on in a successor: %s", async (_, leave) => {
    const s = stage();
    const { clients, views, mallory } = await groupWithMallory(s, ["alice", "bob", "carol"]);
    const [atAlice, atBob, atCarol] = views as [Conversation, Conversation, Conversation];
    await publishKeyPackage(s, mallory);
    await loseCommit(s, clients[1]!, atAlice);
    await said(s, atAlice, "unseen");
    clients[0]!.goOffline();
    clients[2]!.goOffline();
    clients[1]!.goOnline();
    await s.clock.until(clients[1]!.caughtUp());
    await leave(s, mallory, atAlice.id);
    const waiting = await s.clock.until(atBob.send({ text: "whoever follows" }));
    await s.clock.until(waiting.sent, 48 * hour);
    expect((await kinds(atBob)).slice(-2)).toEqual(["rejoined", "message"]);
    for (const client of [clients[0]!, clients[2]!]) {
      client.goOnline();
      await s.clock.until(client.caughtUp());
    }
    await said(s, atAlice, "I do");
    for (const view of views) expect((await texts(view)).slice(-2)).toEqual(["whoever follows", "I do"]);
    expect(atCarol.members).toEqual(["alice", "bob", "carol", "mallory"]);
    await closeAll(clients);
  });
});

describe("a relay", () => {
  it("that forges garbage in Bob's name does not make the owner remove him; she can take him back", async () => {
    const s = stage();
    const { clients, views } = await group(s, ["alice", "bob", "carol"]);
    const [atAlice, atBob, atCarol] = views;
    forge(s, atAlice.id, { kind: "commit", account: "bob", remove: ["carol"] });
    await s.clock.advance(minute);
    expect(atAlice.members).toEqual(["alice", "bob", "carol"]);
    expect(served(s, atAlice)).toEqual(["alice", "carol"]);
    await s.clock.until(atAlice.invite(["bob"]));
    await s.clock.advance(minute);
    expect(served(s, atAlice)).toEqual(["alice", "bob", "carol"]);
    await said(s, atBob, "it was not me");
    expect(await texts(atCarol)).toEqual(["it was not me"]);
    // Whoever did it tells it like everybody else.
    for (const view of [atAlice, atCarol]) expect((await kinds(view)).slice(-2)).toEqual(["deviceRestored", "message"]);
    await closeAll(clients);
  });

  it("that says Bob left does not end the conversation on his device: he is taken back", async () => {
    const s = stage();
    const { clients, views } = await group(s, ["alice", "bob", "carol"]);
    const [atAlice, atBob, atCarol] = views;
    forge(s, atAlice.id, { kind: "proposal", account: "bob", leave: true });
    await s.clock.settle();
    expect(atBob.state.current).toBe("open");
    await s.clock.advance(5 * minute);
    await said(s, atBob, "I am here");
    expect(await texts(atCarol)).toEqual(["I am here"]);
    expect(atAlice.members).toContain("bob");
    await closeAll(clients);
  });

  it("that tells of another roster in a direct conversation harms it no longer than it lies", async () => {
    const s = stage();
    const [alice, bob] = [await s.arrive("alice"), await s.arrive("bob")];
    const chat = await s.clock.until(alice.conversation({ with: ["bob"] }));
    await said(s, chat, "hello");
    const atBob = bob.conversations()[0]!;
    await s.clock.until(atBob.accept());
    s.relay.filter = showing((entries) =>
      entries.map((entry) =>
        entry.kind === "commit" ? { ...entry, roster: { add: ["mallory"], remove: ["alice"] } } : entry,
      ),
    );
    const rotation = chat.rotateKeys();
    await s.clock.advance(minute);
    s.relay.filter = () => true;
    await s.clock.until(rotation, hour);
    await said(s, chat, "as before");
    await said(s, atBob, "indeed");
    expect((await texts(atBob)).slice(-2)).toEqual(["as before", "indeed"]);
    await alice.close();
    await bob.close();
  });
});
