/** Key package reuse: the relay gives one key package of Bob's to two people, so that one private key opens both Welcomes. */
import { stage } from "../../client/support/stage.ts";
import { failuresOf, said, textsOf } from "./attacker.ts";

describe("key package reuse", () => {
  it("opens the first Welcome alone; the key is gone, and Bob is told of the second", async () => {
    const s = stage();
    const [alice, bob, carol] = [await s.arrive("alice"), await s.arrive("bob"), await s.arrive("carol")];
    const reported = failuresOf(bob);
    const { keyPackages, lastResorts } = s.relay.tables;
    const ofBob = [...keyPackages.keys()].find((key) => key.includes(bob.device))!;
    const [first] = keyPackages.get(ofBob)!.values();
    const onlyThat = (): void => {
      keyPackages.set(ofBob, new Map([[first!.hash, first!]]));
      lastResorts.delete(ofBob);
    };
    onlyThat();
    const fromAlice = await s.clock.until(alice.createGroup({ title: "Alice's", members: ["bob"] }));
    await s.clock.settle();
    onlyThat();
    await s.clock.until(carol.createGroup({ title: "Carol's", members: ["bob"] }));
    await s.clock.advance(60_000);

    expect(bob.conversations().map(({ info }) => info.current.title)).toEqual(["Alice's"]);
    expect(reported).toEqual(["cannot_follow"]);
    await s.clock.until(bob.conversations()[0]!.accept());
    await said(s, fromAlice, "as if nothing had been");
    expect(await textsOf(bob.conversations()[0]!)).toEqual(["as if nothing had been"]);
    for (const client of [alice, bob, carol]) await client.close();
  });
});
