/** Rolled-back state: Mallory was removed, keeps a copy of her store from before, and the relay serves her as if nothing had happened. */
import { memoryStore } from "@tacit/client/memory";
import { createMessage } from "@tacit/mls";
import { createRepairRequest } from "../../../client/src/session/repair/repairRequest.ts";
import { encodeContent } from "../../../client/src/session/content.ts";
import { decodeBase64Url, encodeBase64Url, type InboxItem } from "@tacit/protocol";
import { receive } from "../../../client/src/session/group/groupMessages.ts";
import { forge, noise } from "../../client/support/liar.ts";
import { provider, suite } from "../../client/support/primitives.ts";
import { stage, type Stage } from "../../client/support/stage.ts";
import { commitBy, copied, groupOf, kindsOf, said, slipping, textsOf } from "./attacker.ts";

async function removedMallory(s: Stage) {
  const store = memoryStore();
  const clients = [await s.arrive("alice"), await s.arrive("bob"), await s.arrive("mallory", { store })];
  const [atAlice, atBob, atMallory] = await groupOf(s, clients);
  await said(s, atAlice!, "all three");
  const mallory = await copied(clients[2]!, store);
  await s.clock.until(atAlice!.remove(["mallory"]));
  await said(s, atBob!, "the two of us");
  return { clients, atAlice: atAlice!, atBob: atBob!, mallory, group: mallory.state(atMallory!).group! };
}

describe("rolled-back state", () => {
  it("opens nothing that came after the removal", async () => {
    const s = stage();
    const { clients, atAlice, group } = await removedMallory(s);
    const entries = [...s.relay.tables.log.get(atAlice.id)!.values()];
    const last = decodeBase64Url((entries.at(-1)!.payload as { inline: string }).inline);
    await expect(receive({ provider, suite }, group, last)).rejects.toMatchObject({ name: "MlsError" });
    for (const client of clients) await client.close();
  });

  it("says nothing to anybody: its messages cannot be read, its commits are void", async () => {
    const s = stage();
    const { clients, atAlice, atBob, group } = await removedMallory(s);
    const content = { id: encodeBase64Url(noise(16)), text: "it is me, Bob", sentAt: 1, log: undefined };
    const record = { version: 1, hash: encodeBase64Url(noise(32)) };
    const { message } = await createMessage(group, encodeContent({ ...content, record }));
    forge(s, atAlice.id, { kind: "message", payload: message });
    const { turn } = s.relay.tables.conversations.get(atAlice.id)!;
    const { commit } = await commitBy(group, { turn }, []);
    forge(s, atAlice.id, { kind: "commit", account: "mallory", payload: commit });
    await s.clock.advance(60_000);
    await said(s, atAlice, "still the two of us");
    for (const view of [atAlice, atBob]) {
      expect(await textsOf(view)).toEqual(["all three", "the two of us", "still the two of us"]);
      expect((await kindsOf(view)).slice(-3)).toEqual(["unreadable", "void", "message"]);
      expect(view.members).toEqual(["alice", "bob"]);
    }
    for (const client of clients) await client.close();
  });

  it("is not put in anew, whoever she asks", async () => {
    const s = stage();
    const { clients, atAlice, mallory } = await removedMallory(s);
    const at = s.clock.now();
    const { certificate } = mallory.identity.enrolment;
    const { deviceKey } = mallory.identity;
    const body = { conversation: atAlice.id, at, log: undefined };
    const request = await createRepairRequest(provider, { certificate, deviceKey }, body);
    const payload = { inline: encodeBase64Url(request) };
    const id = (): string => at.toString(16).padStart(12, "0") + encodeBase64Url(noise(16));
    const asked = (): InboxItem => ({
      kind: "message",
      id: id(),
      account: "mallory",
      device: mallory.identity.device,
      payload,
      at,
    });
    slipping(s, "alice", [asked()]);
    slipping(s, "bob", [asked()]);
    await s.clock.advance(10 * 60_000);
    expect(atAlice.members).toEqual(["alice", "bob"]);
    expect((await kindsOf(atAlice)).at(-1)).toBe("message");
    for (const client of clients) await client.close();
  });
});
