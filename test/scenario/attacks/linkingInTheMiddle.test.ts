/** Relay in the middle of linking: Alice links her phone, and the relay puts a device of its own into its place. */
import { decodeBase64Url, encodeBase64Url, type InboxItem } from "@tacit/protocol";
import { decodeAccountMessage, encodeAccountMessage } from "../../../client/src/session/identity/accountMessage.ts";
import { createIdentity } from "../../../client/src/session/identity/identity.ts";
import { createLinkSession, offerMessage } from "../../../client/src/session/linking/linkOffer.ts";
import { codeOf, newcomer } from "../../client/support/household.ts";
import { inboxLying } from "../../client/support/liar.ts";
import { provider, suite } from "../../client/support/primitives.ts";
import { stage } from "../../client/support/stage.ts";
import { said, textsOf } from "./attacker.ts";

describe("a relay in the middle of linking", () => {
  it("that offers its own device under the phone's code gets nothing certified, and no conversation", async () => {
    const s = stage();
    const [alice, bob] = [await s.arrive("alice"), await s.arrive("bob")];
    const chat = await s.clock.until(alice.conversation({ with: ["bob"] }));
    const made = { account: "alice", name: undefined, issuedAt: s.clock.now(), createdAt: s.clock.now() };
    const ghost = await createLinkSession(provider, await createIdentity({ provider, suite }), made);
    const own = encodeAccountMessage(offerMessage(ghost));
    s.relay.filter = inboxLying(
      (items) =>
        items.map((item): InboxItem => {
          if (item.kind !== "message" || !("inline" in item.payload)) return item;
          const isOffer = decodeAccountMessage(decodeBase64Url(item.payload.inline))?.kind === "linkOffer";
          return isOffer ? { ...item, payload: { inline: encodeBase64Url(own) } } : item;
        }),
      "alice",
    );
    const phone = newcomer(s, "alice");
    const { text } = await s.clock.until(phone.code);
    expect(await s.clock.until(codeOf(alice.linkDevice(text)))).toBe("link_expired");
    expect(alice.devices().map(({ id }) => id)).toEqual([alice.device]);
    await said(s, chat, "just us");
    expect(chat.info.current.members.map(({ devices }) => devices.length)).toEqual([1, 1]);

    // Let through, the phone's own offer is the one that the code names.
    s.relay.filter = () => true;
    await s.clock.until(alice.linkDevice(text));
    const linked = await s.clock.until(phone.connected);
    await s.clock.until(linked.caughtUp());
    await s.clock.advance(60_000);
    expect(
      alice
        .devices()
        .map(({ id }) => id)
        .sort(),
    ).toEqual([alice.device, linked.device].sort());
    await said(s, bob.conversations()[0]!, "hello, phone");
    expect(await textsOf(linked.conversations()[0]!)).toContain("hello, phone");
    for (const client of [alice, bob, linked]) await client.close();
  });
});
