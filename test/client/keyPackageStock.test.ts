/** Key packages over months and years. */
import { stage, take } from "./support/stage.ts";

const day = 86_400_000;

describe("key packages", () => {
  it.each([
    ["are renewed before they end, and nobody is given those that have", false],
    ["that have ended, and are given out all the same, are passed over by who claims them", true],
  ])("%s", async (_, isLate) => {
    const s = stage();
    const bob = await s.arrive("bob");
    const name = `bob ${bob.device}`;
    const lastResort = s.relay.tables.lastResorts.get(name)!.hash;
    // Others have claimed some of them.
    const packages = s.relay.tables.keyPackages.get(name)!;
    for (const hash of [...packages.keys()].slice(0, 11)) packages.delete(hash);
    bob.goOffline();
    await s.clock.advance(50 * day);
    bob.goOnline();
    await s.clock.until(bob.caughtUp());
    bob.goOffline();
    expect(s.relay.tables.lastResorts.get(name)!.hash).not.toBe(lastResort);
    expect(packages.size).toBe(9 + 20);
    await s.clock.advance(45 * day);
    if (isLate) for (const one of packages.values()) packages.set(one.hash, { ...one, notAfter: Infinity });
    const alice = await s.arrive("alice");
    const chat = await s.clock.until(alice.conversation({ with: ["bob"] }));
    expect(chat.state.current).toBe("open");
    expect(packages.size).toBe(isLate ? 19 : 28);
    await s.clock.until((await s.clock.until(chat.send({ text: "long time no see" }))).sent);
    bob.goOnline();
    await s.clock.until(bob.caughtUp());
    expect((await s.clock.until(take(bob.conversations()[0]!, 1)))[0]!.text).toBe("long time no see");
    await alice.close();
    await bob.close();
  });

  it("do not run out for whoever is there for years and is invited by nobody", async () => {
    const s = stage();
    const bob = await s.arrive("bob");
    const packages = s.relay.tables.keyPackages.get(`bob ${bob.device}`)!;
    const fresh = (): number =>
      [...packages.values()].filter(({ notAfter }) => notAfter * 1_000 > s.clock.now() + 80 * day).length;
    for (let times = 0; times < 16; times++) {
      bob.goOffline();
      await s.clock.advance(46 * day);
      bob.goOnline();
      await s.clock.until(bob.caughtUp());
      expect(fresh()).toBe(20);
    }
    await bob.close();
  });
});
