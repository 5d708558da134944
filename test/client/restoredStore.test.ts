/**
 * A member whose store comes back from an old copy (a backup of the disk, a virtual machine set back): the same device, with a state that the
 * log has left behind. Copying a store is not supported; what happens then is stated here.
 */
import { memoryStore } from "@tacit/client/memory";
import type { Conversation, Store } from "@tacit/client";
import { closeAll, kinds, said } from "./support/conversations.ts";
import { history, stage, type Stage } from "./support/stage.ts";

const minute = 60_000;

/** As the disk is now. */
async function copyOf(store: Store): Promise<Store> {
  const copy = { ...memoryStore(), vault: store.vault! };
  await copy.commit((await store.scan("")).map(([key, value]) => ({ key, value })));
  return copy;
}

/** Each with who said it. */
const lines = async (conversation: Conversation): Promise<readonly string[]> =>
  (await history(conversation)).flatMap((item) => (item.kind === "message" ? [`${item.from}: ${item.text}`] : []));

/** A group of three; Bob has said "one" when his store is copied, and goes on. */
async function copiedEarly(s: Stage) {
  const store = memoryStore();
  const [alice, bob, carol] = [await s.arrive("alice"), await s.arrive("bob", { store }), await s.arrive("carol")];
  const atAlice = await s.clock.until(alice.createGroup({ members: ["bob", "carol"] }));
  await s.clock.settle();
  const [atBob, atCarol] = [bob.conversations()[0]!, carol.conversations()[0]!];
  for (const view of [atBob, atCarol]) await s.clock.until(view.accept());
  await said(s, atBob, "one");
  return { alice, bob, carol, atAlice, atBob, atCarol, copy: await copyOf(store) };
}

describe("a device whose store comes back from an old copy", () => {
  it.each([
    ["the same epoch", false],
    ["a later epoch", true],
  ])("reads again what it had said in %s, and says nothing under a used key", async (_, isLater) => {
    const s = stage();
    const { alice, bob, carol, atAlice, atBob, atCarol, copy } = await copiedEarly(s);
    if (isLater) await s.clock.until(atAlice.rotateKeys());
    await said(s, atBob, "two", "three");
    await said(s, atCarol, "four");
    await bob.close();
    const restored = await s.arrive("bob", { store: copy });
    const view = restored.conversations()[0]!;
    await said(s, view, "five", "six");
    await said(s, atAlice, "seven");
    const all = ["bob: one", "bob: two", "bob: three", "carol: four", "bob: five", "bob: six", "alice: seven"];
    for (const each of [view, atAlice, atCarol]) {
      expect(await lines(each)).toEqual(all);
      expect(await kinds(each)).not.toContain("unreadable");
      expect(await kinds(each)).not.toContain("logMismatch");
    }
    expect((await history(view)).flatMap((item) => (item.kind === "message" ? [item.mine] : []))).toEqual(
      all.map((line) => line.startsWith("bob")),
    );
    expect(s.relay.unexpected).toEqual([]);
    await closeAll([alice, restored, carol]);
  });

  it("does not say again what waited when it was copied, and was said", async () => {
    const s = stage();
    const store = memoryStore();
    const [alice, bob] = [await s.arrive("alice"), await s.arrive("bob", { store })];
    const atAlice = await s.clock.until(alice.conversation({ with: ["bob"] }));
    await said(s, atAlice, "hello");
    const atBob = bob.conversations()[0]!;
    await s.clock.until(atBob.accept());
    bob.goOffline();
    for (const text of ["one", "two"]) await s.clock.until(atBob.send({ text }));
    const copy = await copyOf(store);
    bob.goOnline();
    await s.clock.until(bob.caughtUp());
    await s.clock.advance(minute);
    await bob.close();
    let appended = 0;
    s.relay.filter = ({ direction, account, frame }) => {
      if (direction === "up" && account === "bob" && frame.op === "append") appended++;
      return true;
    };
    const restored = await s.arrive("bob", { store: copy });
    const view = restored.conversations()[0]!;
    await s.clock.advance(minute);
    expect(view.outgoing()).toEqual([]);
    expect(appended).toBe(0);
    await said(s, view, "three");
    for (const each of [view, atAlice]) {
      expect(await lines(each)).toEqual(["alice: hello", "bob: one", "bob: two", "bob: three"]);
      expect(await kinds(each)).not.toContain("unreadable");
    }
    await closeAll([alice, restored]);
  });

  it("that had committed since asks to be put in anew, and loses nothing of others for them", async () => {
    const s = stage();
    const { alice, bob, carol, atAlice, atBob, atCarol, copy } = await copiedEarly(s);
    await said(s, atBob, "two");
    await s.clock.until(atBob.rotateKeys());
    await said(s, atBob, "three");
    await said(s, atCarol, "four");
    await bob.close();
    const restored = await s.arrive("bob", { store: copy });
    const view = restored.conversations()[0]!;
    await said(s, view, "five");
    await said(s, atAlice, "six");
    expect(view.state.current).toBe("open");
    for (const each of [atAlice, atCarol]) {
      expect(await lines(each)).toEqual([
        "bob: one",
        "bob: two",
        "bob: three",
        "carol: four",
        "bob: five",
        "alice: six",
      ]);
      expect((await history(each)).filter(({ kind }) => kind === "deviceRestored")).toMatchObject([{ account: "bob" }]);
      expect(await kinds(each)).not.toContain("unreadable");
    }
    // What came between is lost to it, and it says so.
    expect(await lines(view)).toEqual(["bob: one", "bob: two", "bob: five", "alice: six"]);
    expect((await kinds(view)).slice(3, 5)).toEqual(["cannotFollow", "rejoined"]);
    await closeAll([alice, restored, carol]);
  });
});
