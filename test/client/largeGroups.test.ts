/** Groups of more than fifty, where no device opens a successor by itself; over the relay's own rules in one process. */
import { closeAll, kinds, roleIn, said, say } from "./support/conversations.ts";
import { history, stage, type Stage } from "./support/stage.ts";
import { publishKeyPackage, stranger } from "./support/stranger.ts";

const minute = 60_000;
const hour = 60 * minute;

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
    await s.clock.until(say(s, atAlice, "we go on here"), hour);
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
    await s.clock.until(say(s, atAlice, "we go on here"), hour);
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
