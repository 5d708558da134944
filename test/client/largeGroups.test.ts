/** Groups of more than fifty, where no device opens a successor by itself; over the relay's own rules in one process. */
import { newConversation } from "../../client/src/session/conversation.ts";
import { isLeftAlone, mayGoOnElsewhere } from "../../client/src/session/repair/successor.ts";
import { closeAll, kinds, loseCommit, say } from "./support/conversations.ts";
import { history, stage, type Stage } from "./support/stage.ts";
import { publishKeyPackage, stranger } from "./support/stranger.ts";

const minute = 60_000;
const hour = 60 * minute;

describe("in a group of more than fifty", () => {
  /** Alice owns it; the others are names that nobody answers for. */
  async function crowd(s: Stage) {
    const [alice, bob] = [await s.arrive("alice"), await s.arrive("bob")];
    const names = Array.from({ length: 50 }, (_, index) => `member-${index}`);
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
    await loseCommit(s, alice, atBob);
    bob.goOffline();
    alice.goOnline();
    await s.clock.advance(4 * hour);
    expect(await kinds(atAlice)).toEqual(["opened", "membersChanged", "missing", "cannotFollow"]);
    await s.clock.advance(72 * hour);
    expect(await kinds(atAlice)).toEqual(["opened", "membersChanged", "missing", "cannotFollow", "unanswered"]);
    expect(atAlice.state.current).toBe("repairing");
    expect(s.relay.tables.conversations.size).toBe(1);
    await s.clock.until(atAlice.repair());
    await s.clock.until(say(s, atAlice, "we go on here"), hour);
    expect((await kinds(atAlice)).slice(-2)).toEqual(["rejoined", "message"]);
    expect(s.relay.tables.conversations.size).toBe(2);
    bob.goOnline();
    await s.clock.until(bob.caughtUp());
    await s.clock.settle();
    expect((await history(atBob)).slice(-2)).toMatchObject([
      { kind: "rejoined", successor: true },
      { kind: "message" },
    ]);
    await closeAll([alice, bob]);
  });

  it("goes on nowhere else where one commit does not name them all", () => {
    const wanting = (size: number) => ({
      ...newConversation(
        "g-crowd",
        Array.from({ length: size }, (_, index) => `member-${index}`),
      ),
      phase: "stuck" as const,
      repair: { attempts: 6, due: 0, after: 0, elsewhere: true as const },
    });
    expect([250, 251].map((size) => mayGoOnElsewhere(wanting(size)))).toEqual([true, false]);
    expect(isLeftAlone(wanting(251))).toBe(true);
  });

  it("a plain member's device goes on asking, also when its user wants more", async () => {
    const s = stage();
    const { alice, bob, atAlice, atBob } = await crowd(s);
    await loseCommit(s, bob, atAlice);
    alice.goOffline();
    bob.goOnline();
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
