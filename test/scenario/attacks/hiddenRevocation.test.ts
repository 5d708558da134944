/** Hidden revocation: Bob's laptop was stolen and revoked. The relay shows Alice the record from before, so that she lets the thief in. */
import type { Answer } from "@tacit/protocol";
import { codeOf, linked } from "../../client/support/household.ts";
import { stage } from "../../client/support/stage.ts";
import { said, textsOf } from "./attacker.ts";

describe("hidden revocation", () => {
  it("is found out by the first message of Bob's, and the old record is of no use any more", async () => {
    const s = stage();
    const [alice, bob] = [await s.arrive("alice"), await s.arrive("bob")];
    const { client: laptop } = await linked(s, bob);
    const chat = await s.clock.until(alice.conversation({ with: ["bob"] }));
    await said(s, chat, "hello");
    await s.clock.advance(30_000);
    const atBob = bob.conversations()[0]!;
    await s.clock.until(atBob.accept());
    expect(chat.info.current.members.find(({ account }) => account === "bob")!.devices).toHaveLength(2);

    const before = s.relay.tables.accounts.get("bob")!;
    // From now on Alice alone is shown what was.
    let shown: Answer<"getAccount"> | undefined;
    let asks = new Set<string>();
    s.relay.filter = ({ direction, account, connection, frame, deliver }) => {
      if (account !== "alice") return true;
      const id = `${connection} ${String(frame["id"])}`;
      if (direction === "up") {
        if (frame.op === "getAccount" && frame["account"] === "bob") asks.add(id);
        return true;
      }
      if (!asks.delete(id)) return true;
      const answer = frame as { ok?: Answer<"getAccount"> };
      if (answer.ok !== undefined && shown === undefined && answer.ok.record.payload === before.signed.payload) {
        shown = answer.ok;
      }
      if (shown === undefined) return true;
      deliver(JSON.stringify({ ...frame, ok: shown }));
      return false;
    };
    // Asked while it is still true, so that the relay has a receipt for it.
    await s.clock.until(alice.createGroup({ title: "Before", members: ["bob"] }));
    expect(shown).toBeDefined();
    asks = new Set();
    await s.clock.until(bob.revokeDevice(laptop.device));
    await s.clock.advance(60_000);
    // The leaf is gone from where it was, by Bob's own commit: that takes no record.
    expect(chat.info.current.members.find(({ account }) => account === "bob")!.devices).toHaveLength(1);

    await said(s, atBob, "my laptop was stolen");
    expect(await textsOf(chat)).toContain("my laptop was stolen");
    expect(await s.clock.until(codeOf(alice.createGroup({ title: "After", members: ["bob"] })))).toBe(
      "identity_invalid",
    );
    s.relay.filter = () => true;
    const after = await s.clock.until(alice.createGroup({ title: "After", members: ["bob"] }));
    await s.clock.settle();
    expect(after.info.current.members.find(({ account }) => account === "bob")!.devices).toEqual([bob.device]);
    for (const client of [alice, bob]) await client.close();
  });
});
