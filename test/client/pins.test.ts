/** Whose keys groups may say anything of: a member with a modified client puts leaves of her own making under other people's names. */
import type { Client, Conversation } from "@tacit/client";
import type { ConversationState } from "../../client/src/session/conversation.ts";
import { contradicted, isMet, withAccepted } from "../../client/src/conversation/pinsInConversation.ts";
import type { Peer } from "../../client/src/session/identity/peers.ts";
import { identities } from "../../client/src/session/group/group.ts";
import { encodeBase64Url } from "@tacit/protocol";
import { directConversationId } from "../../client/src/session/conversation.ts";
import { device, provider } from "./support/devices.ts";
import { accountKey, deviceUnder, party } from "./support/forger.ts";
import { stage, type Stage } from "./support/stage.ts";

const pinsOf = (...peers: readonly Peer[]) => ({
  get: (account: string) => peers.find((peer) => peer.account === account),
});

describe("a leaf in a group", () => {
  it("under the name of somebody who is pinned blocks that group, is met nowhere, and is accepted there alone", async () => {
    const key = await accountKey();
    const [mallory, alice, impostor] = [await device("mallory"), await device("alice"), await device("bob")];
    const bob = await deviceUnder(key, "bob");
    const { states } = await party([mallory, alice, impostor]);
    const atAlice = states[1]!;
    const pins = pinsOf({ account: "bob", pinned: encodeBase64Url(key.publicKey) });
    expect(contradicted(pins, atAlice, "alice")).toEqual(["bob"]);
    const leaf = identities(atAlice.group!).find(({ account }) => account === "bob")!;
    expect(isMet(pins, atAlice, leaf)).toBe(false);
    expect(isMet(pinsOf(), atAlice, leaf)).toBe(false);
    expect(contradicted(pins, withAccepted(atAlice, "bob"), "alice")).toEqual([]);
    const honest = (await party([mallory, alice, bob])).states[1]!;
    expect(contradicted(pins, honest, "alice")).toEqual([]);
    expect(
      isMet(
        pins,
        honest,
        identities(honest.group!).find(({ account }) => account === "bob")!,
      ),
    ).toBe(true);
  });

  it("is met in a direct conversation, once that is wanted", async () => {
    const [bob, alice] = [await device("bob"), await device("alice")];
    const { states } = await party([bob, alice], {}, directConversationId(provider, "alice", "bob"));
    const leaf = identities(states[1]!.group!).find(({ account }) => account === "bob")!;
    const requested: ConversationState = { ...states[1]!, requestBy: "bob" };
    expect([isMet(pinsOf(), requested, leaf), isMet(pinsOf(), states[1]!, leaf)]).toEqual([false, true]);
  });
});

describe("pins", () => {
  async function requested(s: Stage): Promise<readonly [Client, Client, Conversation]> {
    const [alice, bob] = [await s.arrive("alice"), await s.arrive("bob")];
    await s.clock.until(alice.createGroup({ members: ["bob"] }));
    await s.clock.settle();
    return [alice, bob, bob.conversations()[0]!];
  }

  it("do not come from a group, requested or not; a direct conversation brings one", async () => {
    const s = stage();
    const [alice, bob, group] = await requested(s);
    expect(bob.contact("alice")).toBeUndefined();
    await s.clock.until(group.accept());
    expect(bob.contact("alice")).toBeUndefined();
    await s.clock.until(alice.conversation({ with: ["bob"] }));
    await s.clock.settle();
    expect(bob.contact("alice")).toBeDefined();
    for (const client of [alice, bob]) await client.close();
  });

  it("come from a direct request when it is accepted, not before", async () => {
    const s = stage();
    const [alice, bob] = [await s.arrive("alice"), await s.arrive("bob")];
    await s.clock.until(alice.conversation({ with: ["bob"] }));
    await s.clock.settle();
    const atBob = bob.conversations()[0]!;
    expect(atBob.state.current).toBe("requested");
    expect(bob.contact("alice")).toBeUndefined();
    await s.clock.until(atBob.accept());
    expect(bob.contact("alice")).toBeDefined();
    for (const client of [alice, bob]) await client.close();
  });
});
