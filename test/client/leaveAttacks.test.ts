/** What members do to others by asking to leave; over the relay's own rules in one process. */
import { closeAll, expire, group, kinds, said, texts } from "./support/conversations.ts";
import { garbage, garbageFor, groupWithMallory, leaveInGarbage, posted } from "./support/mallory.ts";
import { stage } from "./support/stage.ts";
import { publishKeyPackage, stranger } from "./support/stranger.ts";

const minute = 60_000;
const hour = 60 * minute;

const accusing = (each: string): boolean => ["void", "unreadable", "cannotFollow", "suspended"].includes(each);

describe("a member who asks to leave", () => {
  it("after she dropped everybody, where they may not read that: they go on without the roster", async () => {
    const s = stage();
    const { clients, views, mallory } = await groupWithMallory(s, ["alice", "bob", "carol"]);
    for (const client of clients) client.goOffline();
    const remove = clients.map(({ account }) => account);
    expect(await garbage(s, mallory, views[0]!, { remove })).toBe("taken");
    await leaveInGarbage(s, mallory, views[0]!);
    let refusals = 0;
    s.relay.filter = ({ frame }) => {
      if ((frame["error"] as { code?: string } | undefined)?.code === "invalid_roster") refusals++;
      return true;
    };
    for (const client of clients) client.goOnline();
    const waiting = await s.clock.until(views[1]!.send({ text: "still here" }));
    await s.clock.until(waiting.sent, 3 * hour);
    await s.clock.advance(minute);
    expect(refusals).toBeLessThan(20);
    for (const view of views) expect(await texts(view)).toContain("still here");
    await closeAll(clients);
  });

  it("right after a void commit brought her in: nobody waits for her removal", async () => {
    const s = stage();
    const { clients, views, mallory } = await groupWithMallory(s, ["alice", "bob"]);
    const eve = await stranger(s, "eve");
    await publishKeyPackage(s, eve);
    const { keyPackages } = await s.clock.until(mallory.socket.request("claimKeyPackages", { account: "eve" }));
    const { device, claim } = keyPackages[0]!;
    const welcomes = [{ device, claim, payload: { inline: "AAAA" } }];
    // In one go, before anybody's tidying.
    const { turn } = s.relay.tables.conversations.get(views[0]!.id)!;
    const brought = posted(mallory, garbageFor(views[0]!.id, turn, { add: ["eve"], welcomes }));
    expect(await s.clock.until(brought)).toBe("taken");
    await leaveInGarbage(s, eve, views[0]!);
    const waiting = await s.clock.until(views[1]!.send({ text: "undisturbed" }));
    await s.clock.until(waiting.sent, minute);
    await s.clock.settle();
    for (const view of views) expect(await texts(view)).toContain("undisturbed");
    await closeAll(clients);
  });

  it("in garbage, and is taken back: whoever comes back after that expired judges like the others", async () => {
    const s = stage();
    const { clients, views, mallory } = await groupWithMallory(s, ["alice", "bob", "carol"]);
    for (let i = 0; i < 3; i++) await publishKeyPackage(s, mallory);
    clients[2]!.goOffline();
    const seq = await leaveInGarbage(s, mallory, views[0]!);
    await s.clock.advance(5 * minute);
    const { roster, turn } = s.relay.tables.conversations.get(views[0]!.id)!;
    expect([turn, roster]).toEqual([2, expect.arrayContaining(["mallory"])]);
    expire(s, views[0]!.id, seq);
    clients[2]!.goOnline();
    await s.clock.advance(minute);
    await s.clock.until(views[2]!.rotateKeys());
    await said(s, views[2]!, "all of us");
    for (const view of views) {
      expect((await texts(view)).at(-1)).toBe("all of us");
      expect((await kinds(view)).filter((each) => accusing(each) && each !== "void")).toEqual([]);
    }
    await closeAll(clients);
  });

  it("without telling the relay: that is void to all, so nobody misses it", async () => {
    const s = stage();
    const open: typeof s.relay.transport.open = (...asked) => {
      const socket = s.relay.transport.open(...asked);
      const said = (text: string): string =>
        text.includes('"propose"') ? text.replace('"leave":true', '"leave":false') : text;
      return { send: (text) => socket.send(said(text)), close: (...why) => socket.close(...why) };
    };
    const dave = await s.arrive("dave", { transport: { open } });
    const { clients, views } = await group(s, ["alice", "bob", "carol"]);
    await s.clock.until(views[0].invite(["dave"]));
    await s.clock.settle();
    clients[2].goOffline();
    s.relay.filter = ({ direction, account, frame }) =>
      !(direction === "up" && account !== "dave" && frame.op === "commit");
    dave
      .conversations()[0]!
      .leave()
      .catch(() => {});
    await s.clock.advance(minute);
    const [seq, entry] = [...s.relay.tables.log.get(views[0].id)!].at(-1)!;
    expect(entry).toMatchObject({ kind: "proposal", account: "dave" });
    expire(s, views[0].id, seq);
    s.relay.filter = () => true;
    clients[2].goOnline();
    await s.clock.until(views[2].rotateKeys());
    await said(s, views[2], "dave is still here");
    for (const view of views) {
      expect(view.members).toContain("dave");
      expect((await texts(view)).at(-1)).toBe("dave is still here");
    }
    await closeAll([...clients, dave]);
  });
});
