/** Replayed Welcome: the relay keeps what it delivered, and delivers it again when it suits it. */
import type { InboxItem } from "@tacit/protocol";
import { stage, type Stage } from "../../client/support/stage.ts";
import { groupOf, kindsOf, said, slipping, textsOf } from "./attacker.ts";

/** The Welcomes that go to `account`, as the relay keeps them. */
function keeping({ relay }: Stage, account: string): InboxItem[] {
  const kept: InboxItem[] = [];
  relay.filter = (on) => {
    const answer = on.frame as { readonly ok?: { readonly items?: readonly InboxItem[] } };
    if (on.direction === "down" && on.account === account) {
      kept.push(...(answer.ok?.items ?? []).filter(({ kind }) => kind === "welcome"));
    }
    return true;
  };
  return kept;
}

/** Single-use key packages of the device are gone: the one that stays is used, and its private part kept. */
function useUp({ relay }: Stage, device: string): void {
  for (const [key, packages] of relay.tables.keyPackages) if (key.includes(device)) packages.clear();
}

describe("replayed Welcome", () => {
  it("to a member changes nothing, though its key is the last resort", async () => {
    const s = stage();
    const clients = [await s.arrive("alice"), await s.arrive("bob")];
    useUp(s, clients[1]!.device);
    const kept = keeping(s, "bob");
    const [atAlice, atBob] = await groupOf(s, clients);
    await said(s, atAlice!, "one");
    await s.clock.until(atAlice!.rotateKeys());
    slipping(s, "bob", kept);
    await s.clock.settle();
    await said(s, atAlice!, "two");
    expect(await textsOf(atBob!)).toEqual(["one", "two"]);
    expect(await kindsOf(atBob!)).toEqual(["opened", "message", "keysChanged", "message"]);
    for (const client of clients) await client.close();
  });

  it("to somebody who was removed does not bring them back, though its key is the last resort and the place is made up", async () => {
    const s = stage();
    const clients = [await s.arrive("alice"), await s.arrive("bob"), await s.arrive("carol")];
    useUp(s, clients[1]!.device);
    const kept = keeping(s, "bob");
    const [atAlice, atBob] = await groupOf(s, clients);
    await said(s, atAlice!, "one");
    await s.clock.until(atAlice!.remove(["bob"]));
    await s.clock.settle();
    expect(atBob!.state.current).toBe("ended");
    const [welcome] = kept as [Extract<InboxItem, { kind: "welcome" }>];
    slipping(s, "bob", [{ ...welcome, seq: 40, turn: 20 }]);
    await s.clock.advance(60_000);
    expect(atBob!.state.current).toBe("ended");
    expect(await textsOf(atBob!)).toEqual(["one"]);
    for (const client of clients) await client.close();
  });
});
