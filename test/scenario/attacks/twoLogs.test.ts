/** Equivocating or reordering log: the relay shows Bob another log than the one that Alice wrote. */
import type { Entry } from "@tacit/protocol";
import { encodeBase64Url } from "@tacit/protocol";
import { hiding, noise, showing } from "../../client/support/liar.ts";
import { stage, type Stage } from "../../client/support/stage.ts";
import { groupOf, kindsOf, said, textsOf } from "./attacker.ts";

async function talking(s: Stage) {
  const clients = [await s.arrive("alice"), await s.arrive("bob"), await s.arrive("carol")];
  const [atAlice, atBob, atCarol] = await groupOf(s, clients);
  await said(s, atAlice!, "one");
  return { clients, atAlice: atAlice!, atBob: atBob!, atCarol: atCarol! };
}
const isMessage = ({ kind, seq }: Entry, at: number): boolean => kind === "message" && seq === at;

describe("a relay", () => {
  it("hides a message from Bob without a trace: Alice's next one says that there was more", async () => {
    const s = stage();
    const { clients, atAlice, atBob, atCarol } = await talking(s);
    s.relay.filter = hiding((entry) => isMessage(entry, 3), "bob");
    await said(s, atAlice, "hidden from Bob");
    await said(s, atAlice, "three");
    expect(await textsOf(atBob)).toEqual(["one", "three"]);
    expect((await kindsOf(atBob)).slice(-2)).toEqual(["logMismatch", "message"]);
    expect(await kindsOf(atCarol)).not.toContain("logMismatch");
    for (const client of clients) await client.close();
  });

  it("shows Bob another message in its place: the same", async () => {
    const s = stage();
    const { clients, atAlice, atBob } = await talking(s);
    const other = { inline: encodeBase64Url(noise()) };
    s.relay.filter = showing(
      (entries) => entries.map((entry) => (isMessage(entry, 3) ? { ...entry, payload: other } : entry)),
      "bob",
    );
    await said(s, atAlice, "replaced for Bob");
    await said(s, atAlice, "three");
    expect((await kindsOf(atBob)).slice(-3)).toEqual(["unreadable", "logMismatch", "message"]);
    for (const client of clients) await client.close();
  });

  it("shows Bob two messages in another order: the next message tells", async () => {
    const s = stage();
    const { clients, atAlice, atBob } = await talking(s);
    clients[1]!.goOffline();
    await said(s, atAlice, "two");
    await said(s, atAlice, "three");
    const swapped = new Map([
      [3, 4],
      [4, 3],
    ]);
    s.relay.filter = showing((entries) => {
      const bySeq = new Map(entries.map((entry) => [entry.seq, entry]));
      return entries.map((entry) => {
        const other = bySeq.get(swapped.get(entry.seq) ?? entry.seq) ?? entry;
        return { ...other, seq: entry.seq, prev: entry.prev };
      });
    }, "bob");
    clients[1]!.goOnline();
    await s.clock.until(clients[1]!.caughtUp());
    await said(s, atAlice, "four");
    // The key of the one that came too late is gone.
    expect(await textsOf(atBob)).toEqual(["one", "three", "four"]);
    expect((await kindsOf(atBob)).slice(-3)).toEqual(["unreadable", "logMismatch", "message"]);
    for (const client of clients) await client.close();
  });
});
