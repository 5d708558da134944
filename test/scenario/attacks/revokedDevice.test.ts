/** Revoked device with an old socket: Bob's laptop was stolen and revoked, and the relay goes on serving the thief. */
import { memoryStore } from "@tacit/client/memory";
import { decodeBase64Url } from "@tacit/protocol";
import { directConversationId } from "../../../client/src/session/conversation.ts";
import { receive } from "../../../client/src/session/group/groupMessages.ts";
import { linked } from "../../client/support/household.ts";
import { forge } from "../../client/support/liar.ts";
import { provider, suite } from "../../client/support/primitives.ts";
import { stage, type Stage } from "../../client/support/stage.ts";
import { commitBy, copied, failuresOf, kindsOf, ownGroup, said, slipping, textsOf } from "./attacker.ts";

async function stolen(s: Stage) {
  const store = memoryStore();
  const [alice, bob] = [await s.arrive("alice"), await s.arrive("bob")];
  const { client: laptop } = await linked(s, bob, { store });
  const chat = await s.clock.until(alice.conversation({ with: ["bob"] }));
  await said(s, chat, "hello");
  const atBob = bob.conversations()[0]!;
  await s.clock.until(atBob.accept());
  await s.clock.advance(30_000);
  const thief = await copied(laptop, store);
  const state = thief.state(laptop.conversations()[0]!);
  const before = s.relay.tables.accounts.get("bob")!;
  s.relay.closesSockets = false;
  await s.clock.until(bob.revokeDevice(laptop.device));
  await s.clock.advance(60_000);
  return { alice, bob, laptop, chat, atBob, thief, state, before };
}

describe("a revoked device with an old socket", () => {
  it("reads nothing that is sent after it was revoked", async () => {
    const s = stage();
    const { alice, bob, laptop, chat, state } = await stolen(s);
    // Its socket is still open.
    expect(laptop.connection.current).toMatchObject({ status: "online" });
    await said(s, chat, "not for thieves");
    const entries = [...s.relay.tables.log.get(chat.id)!.values()];
    for (const { kind, payload, seq } of entries.filter((entry) => entry.seq > state.cursor)) {
      const bytes = decodeBase64Url((payload as { inline: string }).inline);
      const opened = receive({ provider, suite }, state.group!, bytes);
      if (kind === "message") await expect(opened).rejects.toMatchObject({ name: "MlsError" });
      // The commit that removes it is the last thing that it can open.
      else if (seq === state.cursor + 1) expect(await opened).toMatchObject({ kind: "commit", removed: true });
    }
    for (const client of [alice, bob]) await client.close();
  });

  it("changes nothing with what it posts, though the relay takes it", async () => {
    const s = stage();
    const { alice, bob, chat, atBob, state } = await stolen(s);
    const { turn } = s.relay.tables.conversations.get(chat.id)!;
    const { commit } = await commitBy(state.group!, { turn }, []);
    forge(s, chat.id, { kind: "commit", account: "bob", payload: commit });
    await s.clock.advance(60_000);
    await said(s, chat, "as ever");
    expect((await kindsOf(atBob)).slice(-2)).toEqual(["void", "message"]);
    for (const client of [alice, bob]) await client.close();
  });

  it("opens a successor under the right name: nobody goes there with it", async () => {
    const s = stage();
    const { alice, bob, chat, atBob, thief, before } = await stolen(s);
    const reported = failuresOf(alice);
    const { welcomes } = await ownGroup(s, thief, {
      id: directConversationId(provider, "alice", "bob", 1),
      devices: [alice.device],
      data: { generation: 1, predecessor: chat.id },
    });
    // And the relay hides from Alice that it was revoked: she saw it go from the conversation.
    s.relay.tables.accounts.set("bob", before);
    slipping(s, "alice", [...welcomes.values()]);
    await s.clock.advance(60_000);
    expect(reported).toEqual(["cannot_follow"]);
    await said(s, chat, "to Bob alone");
    expect((await textsOf(atBob)).at(-1)).toBe("to Bob alone");
    for (const client of [alice, bob]) await client.close();
  });
});
