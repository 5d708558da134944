/**
 * Successor by a removed member with a colluding server: the relay lets Mallory, who was removed, open what claims to be the conversation's
 * next generation, and delivers her Welcomes.
 */
import { memoryStore } from "@tacit/client/memory";
import { exportKey } from "../../../client/src/session/group/group.ts";
import { encodeBase64Url } from "@tacit/protocol";
import { stage, type Stage } from "../../client/support/stage.ts";
import { copied, failuresOf, groupOf, ownGroup, said, slipping, textsOf } from "./attacker.ts";

async function removedMallory(s: Stage) {
  const store = memoryStore();
  const clients = [await s.arrive("alice"), await s.arrive("bob"), await s.arrive("mallory", { store })];
  const [atAlice, atBob, atMallory] = await groupOf(s, clients);
  const mallory = await copied(clients[2]!, store);
  const state = mallory.state(atMallory!);
  await s.clock.until(atAlice!.remove(["mallory"]));
  await said(s, atAlice!, "without Mallory");
  return { clients, atAlice: atAlice!, atBob: atBob!, mallory, state };
}

describe("a successor by a removed member", () => {
  it("is followed by nobody, though its name and its data are right", async () => {
    const s = stage();
    const { clients, atAlice, atBob, mallory, state } = await removedMallory(s);
    const [alice, bob] = clients as [(typeof clients)[0], (typeof clients)[0]];
    const reported = [failuresOf(alice), failuresOf(bob)];
    const name = exportKey(state.group!, "tacit successor", new TextEncoder().encode(state.log), 16);
    const { welcomes } = await ownGroup(s, mallory, {
      id: `g-${encodeBase64Url(name)}`,
      devices: [alice.device, bob.device],
      data: { ...state.data, generation: 1, predecessor: state.log },
    });
    slipping(s, "alice", [welcomes.get(alice.device)!]);
    slipping(s, "bob", [welcomes.get(bob.device)!]);
    await s.clock.advance(60_000);
    expect(reported).toEqual([["cannot_follow"], ["cannot_follow"]]);
    expect([alice.conversations().length, bob.conversations().length]).toEqual([1, 1]);
    await said(s, atBob, "who was that?");
    expect(await textsOf(atAlice)).toEqual(["without Mallory", "who was that?"]);
    for (const client of clients) await client.close();
  });

  it("nor are they put in anew by her, when the relay kept them from following", async () => {
    const s = stage();
    const { clients, atBob, mallory, state } = await removedMallory(s);
    const [, bob] = clients as [(typeof clients)[0], (typeof clients)[0]];
    const reported = failuresOf(bob);
    // Bob cannot follow: he asks, and the relay keeps the others from hearing it.
    s.relay.filter = ({ direction, frame }) => direction === "down" || frame.op !== "sendInbox";
    await s.clock.until(atBob.repair());
    await s.clock.until(atBob.send({ text: "for Alice alone" }));
    const { welcomes } = await ownGroup(s, mallory, {
      id: state.log,
      devices: [bob.device],
      data: { ...state.data, owners: ["mallory"], admins: [] },
      epochs: 20,
      seq: 20,
      turn: 20,
    });
    // She was in an epoch, but not in the last that Bob was in.
    slipping(s, "bob", [welcomes.get(bob.device)!]);
    await s.clock.advance(10_000);
    expect(reported).toEqual(["cannot_follow"]);
    expect(atBob.state.current).toBe("repairing");
    expect(atBob.members).toEqual(["alice", "bob"]);
    s.relay.filter = () => true;
    await s.clock.advance(30 * 60_000);
    expect(atBob.state.current).toBe("open");
    expect((await textsOf(atBob)).at(-1)).toBe("for Alice alone");
    for (const client of clients) await client.close();
  });
});
