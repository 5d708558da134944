/** Alice and Bob over the relay's own rules, in one process. */
import { invitation, stage, take } from "./support/stage.ts";

describe("a direct conversation", () => {
  it("carries messages both ways, in the order of the log", async () => {
    const { clock, relay, arrive } = stage();
    const alice = await arrive("alice");
    const bob = await arrive("bob");
    const invited = invitation(bob);
    const chat = await clock.until(alice.conversation({ with: ["bob"] }));
    const hello = await clock.until(chat.send({ text: "hello" }));
    expect((await clock.until(hello.sent)).text).toBe("hello");
    expect(hello.status).toBe("sent");
    const atBob = await clock.until(invited);
    expect(atBob.id).toBe(chat.id);
    expect(atBob.members).toEqual(["alice", "bob"]);
    await clock.until((await clock.until(atBob.send({ text: "hi" }))).sent);
    await clock.until((await clock.until(chat.send({ text: "how are you?" }))).sent);
    const [seenByAlice, seenByBob] = await clock.until(Promise.all([take(chat, 3), take(atBob, 3)]));
    expect(seenByBob.map(({ from, text }) => [from, text])).toEqual([
      ["alice", "hello"],
      ["bob", "hi"],
      ["alice", "how are you?"],
    ]);
    expect(seenByAlice.map(({ id, text, seq }) => [id, text, seq])).toEqual(
      seenByBob.map(({ id, text, seq }) => [id, text, seq]),
    );
    expect(seenByAlice.map(({ mine }) => mine)).toEqual([true, false, true]);
    expect(chat.outgoing()).toEqual([]);
    expect(relay.unexpected).toEqual([]);
    await alice.close();
    await bob.close();
  });

  it("renews its keys, and goes on", async () => {
    const { clock, arrive } = stage();
    const [alice, bob] = [await arrive("alice"), await arrive("bob")];
    const chat = await clock.until(alice.conversation({ with: ["bob"] }));
    await clock.until(chat.send({ text: "before" }));
    const [atBob] = bob.conversations();
    await clock.until(Promise.all([chat.rotateKeys(), atBob!.rotateKeys(), chat.send({ text: "meanwhile" })]));
    await clock.until((await clock.until(atBob!.send({ text: "after" }))).sent);
    expect((await clock.until(take(chat, 3))).map(({ text }) => text)).toEqual(["before", "meanwhile", "after"]);
    expect((await clock.until(take(atBob!, 3))).map(({ text }) => text)).toEqual(["before", "meanwhile", "after"]);
    await alice.close();
    await bob.close();
  });
});
