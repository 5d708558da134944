/** Devices that a lying relay has led into an epoch of their own; and members who only make it look so. docs/decisions/0039 */
import type { Conversation } from "@tacit/client";
import { memoryStore } from "@tacit/client/memory";
import { createMessage } from "@tacit/mls";
import type { Entry } from "@tacit/protocol";
import type { LiveConversation } from "../../client/src/conversation/liveConversation.ts";
import { commitBy } from "../scenario/attacks/attacker.ts";
import { closeAll, group, kinds, said, texts } from "./support/conversations.ts";
import { forge, hiding, showing } from "./support/liar.ts";
import { stage, type Stage } from "./support/stage.ts";

const minute = 60_000;
const hour = 60 * minute;

const count = async (conversation: Conversation, wanted: string): Promise<number> =>
  (await kinds(conversation)).filter((kind) => kind === wanted).length;
const snapshot = (conversation: Conversation) => (conversation as LiveConversation).snapshot;

async function pair(s: Stage) {
  const clients = [await s.arrive("alice"), await s.arrive("bob")];
  const atAlice = await s.clock.until(clients[0]!.conversation({ with: ["bob"] }));
  await said(s, atAlice, "hello");
  const atBob = clients[1]!.conversations()[0]!;
  await s.clock.until(atBob.accept());
  return { clients, atAlice, atBob };
}

/** Tells of another author of the commit of one turn: void to whoever believes it. */
function voiding(turn: number): (entries: readonly Entry[]) => readonly Entry[] {
  return (entries) =>
    entries.map((entry) => (entry.kind === "commit" && entry.turn === turn ? { ...entry, account: "nobody" } : entry));
}

/** Requests to be put in anew, as they go up. */
function counting(s: Stage): { readonly asked: () => number } {
  let asked = 0;
  const before = s.relay.filter;
  s.relay.filter = (on) => {
    if (on.direction === "up" && on.frame.op === "sendInbox") asked++;
    return before(on);
  };
  return { asked: () => asked };
}

describe("a device that alone found a commit void", () => {
  it("asks by itself after three entries, is put in anew, and reads what came since", async () => {
    const s = stage();
    const { clients, views } = await group(s, ["alice", "bob", "carol"]);
    const [atAlice, atBob, atCarol] = views;
    await said(s, atAlice, "before");
    s.relay.filter = showing(voiding(1), "bob");
    await s.clock.until(atAlice.rotateKeys());
    await s.clock.settle();
    for (const text of ["one", "two", "three"]) await said(s, atAlice, text);
    expect(await texts(atBob)).toEqual(["before"]);
    await s.clock.advance(5 * minute);
    expect(await kinds(atBob)).toEqual([
      "opened",
      "message",
      "void",
      "unreadable",
      "unreadable",
      "unreadable",
      // The commit that puts it in anew is as little readable as the others.
      "void",
      "rejoined",
    ]);
    for (const view of [atAlice, atCarol]) expect(await count(view, "deviceRestored")).toBe(1);
    await said(s, atBob, "back");
    await said(s, atCarol, "good");
    for (const view of [atAlice, atBob, atCarol]) expect((await texts(view)).slice(-2)).toEqual(["back", "good"]);
    expect(snapshot(atBob).chain).toEqual(snapshot(atAlice).chain);
    expect(s.relay.tables.conversations.size).toBe(1);
    await closeAll(clients);
  });

  it("reads also what was said between the commit that put it in anew and its coming", async () => {
    const s = stage();
    const { clients, views } = await group(s, ["alice", "bob", "carol"]);
    const [atAlice, atBob] = views;
    s.relay.filter = showing(voiding(1), "bob");
    await s.clock.until(atAlice.rotateKeys());
    for (const text of ["one", "two", "three"]) await said(s, atAlice, text);
    // Its inbox is not read for a while; its log is.
    const lie = showing(voiding(1), "bob");
    let isBarred = true;
    s.relay.filter = (on) =>
      !(isBarred && on.account === "bob" && on.direction === "up" && on.frame.op === "readInbox") && lie(on);
    await s.clock.advance(minute);
    expect(await count(atAlice, "deviceRestored")).toBe(1);
    await said(s, atAlice, "while he looks for the door");
    expect((await kinds(atBob)).slice(-2)).toEqual(["void", "unreadable"]);
    isBarred = false;
    s.relay.cut("bob");
    await s.clock.advance(minute);
    expect(await texts(atBob)).toEqual(["while he looks for the door"]);
    await said(s, atBob, "in");
    expect(await texts(atAlice)).toEqual(["one", "two", "three", "while he looks for the door", "in"]);
    await closeAll(clients);
  });

  it("in a direct conversation likewise, and without a successor", async () => {
    const s = stage();
    const { clients, atAlice, atBob } = await pair(s);
    s.relay.filter = showing(voiding(1), "bob");
    await s.clock.until(atAlice.rotateKeys());
    for (const text of ["one", "two", "three"]) await said(s, atAlice, text);
    await s.clock.advance(5 * minute);
    expect(await count(atBob, "rejoined")).toBe(1);
    await said(s, atBob, "back");
    await said(s, atAlice, "good");
    expect((await texts(atAlice)).slice(-2)).toEqual(["back", "good"]);
    expect((await texts(atBob)).slice(-2)).toEqual(["back", "good"]);
    expect(s.relay.tables.conversations.size).toBe(1);
    await closeAll(clients);
  });
});

describe("a device that was not shown a commit", () => {
  it("though nothing seems to be missing, asks likewise", async () => {
    const s = stage();
    const { clients, views } = await group(s, ["alice", "bob", "carol"]);
    const [atAlice, atBob] = views;
    const hide = hiding(({ kind, turn }) => kind === "commit" && turn === 1, "bob");
    // The head must not tell that there was one.
    const asIfNone = (text: string): string => {
      const frame = JSON.parse(text) as { ok?: { head?: { turn: number } } };
      if (frame.ok?.head?.turn === 2) frame.ok.head.turn = 1;
      return JSON.stringify(frame);
    };
    s.relay.filter = (on) => hide({ ...on, deliver: (text) => on.deliver(asIfNone(text)) });
    await s.clock.until(atAlice.rotateKeys());
    for (const text of ["one", "two", "three"]) await said(s, atAlice, text);
    await s.clock.advance(5 * minute);
    expect((await kinds(atBob)).slice(0, 4)).toEqual(["opened", "unreadable", "unreadable", "unreadable"]);
    expect(await count(atBob, "rejoined")).toBe(1);
    await said(s, atBob, "back");
    expect((await texts(atAlice)).at(-1)).toBe("back");
    await closeAll(clients);
  });
});

describe("a device that alone followed a commit", () => {
  it("comes back to the others", async () => {
    const s = stage();
    const { clients, views } = await group(s, ["alice", "bob", "carol", "dave"]);
    const [atAlice, atBob, atCarol, atDave] = views as [Conversation, Conversation, Conversation, Conversation];
    const lies = ["alice", "carol", "dave"].map((account) => showing(voiding(1), account));
    s.relay.filter = (on) => lies.every((lie) => lie(on));
    await s.clock.until(atBob.rotateKeys());
    await s.clock.settle();
    expect(snapshot(atBob).group!.epoch.groupContext.epoch).toBe(2n);
    expect(snapshot(atAlice).group!.epoch.groupContext.epoch).toBe(1n);
    for (const text of ["one", "two", "three"]) await said(s, atCarol, text);
    await s.clock.advance(2 * hour);
    await said(s, atBob, "here");
    await said(s, atDave, "all here");
    for (const view of views) expect((await texts(view)).slice(-2)).toEqual(["here", "all here"]);
    await closeAll(clients);
  });
});

describe("two halves, each of which follows its own commit", () => {
  it("become one again", async () => {
    const s = stage();
    const { clients, views } = await group(s, ["alice", "bob", "carol", "dave"]);
    const [atAlice, atBob, atCarol, atDave] = views as [Conversation, Conversation, Conversation, Conversation];
    // Each is shown that the other's commit is void.
    const lies = [
      ...["alice", "carol"].map((account) => showing(voiding(1), account)),
      ...["bob", "dave"].map((account) => showing(voiding(2), account)),
    ];
    s.relay.filter = (on) => lies.every((lie) => lie(on));
    await s.clock.until(atBob.rotateKeys());
    await s.clock.settle();
    await s.clock.until(atAlice.rotateKeys());
    await s.clock.settle();
    const epochs = views.map((view) => snapshot(view).group!.epoch.groupContext.epoch);
    expect(epochs).toEqual([2n, 2n, 2n, 2n]);
    for (const text of ["one", "two", "three"]) {
      await said(s, atAlice, `a ${text}`);
      await said(s, atDave, `d ${text}`);
    }
    expect(await texts(atCarol)).toEqual(["a one", "a two", "a three"]);
    expect(await texts(atBob)).toEqual(["d one", "d two", "d three"]);
    // Each half goes on until somebody notices; both have three by now.
    await s.clock.advance(3 * hour);
    await said(s, atAlice, "from one half");
    await said(s, atBob, "from the other");
    await s.clock.advance(30 * hour);
    for (const view of views) await said(s, view, "all");
    for (const view of views) expect((await texts(view)).slice(-4)).toEqual(["all", "all", "all", "all"]);
    await closeAll(clients);
  });
});

describe("a member that makes it look as if the group had gone on without the others", () => {
  it("costs each of them a few requests a day: nobody is put in anew, nothing is lost", async () => {
    const s = stage();
    const store = memoryStore();
    const clients = [await s.arrive("alice"), await s.arrive("bob"), await s.arrive("mallory", { store })];
    const atAlice = await s.clock.until(clients[0]!.createGroup({ members: ["bob", "mallory"] }));
    await s.clock.settle();
    const [atBob, atMallory] = clients.slice(1).map((client) => client.conversations()[0]!) as [
      Conversation,
      Conversation,
    ];
    for (const view of [atBob, atMallory]) await s.clock.until(view.accept());
    await said(s, atMallory, "hi");
    const { asked } = counting(s);
    // Messages and commits of an epoch that nobody else is in.
    const { turn } = s.relay.tables.conversations.get(atAlice.id)!;
    let later = (await commitBy(snapshot(atMallory).group!, { turn }, [])).next;
    for (let round = 0; round < 30; round++) {
      const { message, state } = await createMessage(later, new TextEncoder().encode("x"));
      later = state;
      forge(s, atAlice.id, { kind: "message", payload: message });
      if (round % 5 === 0) {
        const made = await commitBy(later, { turn: s.relay.tables.conversations.get(atAlice.id)!.turn }, []);
        forge(s, atAlice.id, { kind: "commit", account: "mallory", payload: made.commit });
      }
      await said(s, round % 2 === 0 ? atAlice : atBob, `message ${round}`);
      await s.clock.advance(40 * minute);
    }
    // Three devices, each of which asks two others; five or six times a day at the most.
    expect(asked()).toBeGreaterThan(0);
    expect(asked()).toBeLessThanOrEqual(3 * 2 * 6);
    const expected = ["hi", ...Array.from({ length: 30 }, (_, round) => `message ${round}`)];
    for (const view of [atAlice, atBob]) {
      expect(await texts(view)).toEqual(expected);
      expect(await count(view, "deviceRestored")).toBe(0);
      expect(await count(view, "rejoined")).toBe(0);
      expect(view.state.current).toBe("open");
    }
    expect(s.relay.tables.conversations.size).toBe(1);
    await closeAll(clients);
  });
});
