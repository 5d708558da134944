/** What devices do by themselves over days: trees get warm, and key packages do not run out. */
import type { Client, Conversation } from "@tacit/client";
import { linked } from "./support/household.ts";
import { history, stage, type Stage } from "./support/stage.ts";
import { invite, publishKeyPackage, stranger } from "./support/stranger.ts";

const hour = 3_600_000;

/** Bytes of each commit in the log. */
function commits({ relay }: Stage, log: string): readonly number[] {
  return [...relay.tables.log.get(log)!.values()].flatMap(({ kind, payload }) => {
    if (kind !== "commit") return [];
    return ["inline" in payload ? Math.floor((payload.inline.length * 3) / 4) : payload.blob.size];
  });
}

it("within two days everybody has renewed their keys, once a day, and commits are small", async () => {
  const s = stage();
  const clients: Client[] = [];
  for (let i = 0; i < 12; i++) clients.push(await s.arrive(`device-${String(i).padStart(2, "0")}`));
  const [lead, ...others] = clients as [Client, ...Client[]];
  const chat = await s.clock.until(lead.createGroup({ members: others.map(({ account }) => account) }));
  await s.clock.settle();
  for (const client of others) await s.clock.until(client.conversations()[0]!.accept());
  await s.clock.until(chat.rotateKeys());
  await s.clock.advance(23 * hour);
  expect(commits(s, chat.id)).toHaveLength(2);
  await s.clock.advance(24 * hour);

  const sizes = commits(s, chat.id);
  const [, cold = 0] = sizes;
  expect(sizes.at(-1)).toBeLessThan(0.8 * cold);
  const renewals = (await history(chat)).flatMap((item) => (item.kind === "keysChanged" ? [item] : []));
  expect(new Set(renewals.map(({ by }) => by)).size).toBe(clients.length);
  for (const { account } of clients) {
    const own = renewals.filter(({ by }) => by === account).map(({ storedAt }) => storedAt);
    for (const [index, at] of own.entries())
      if (index > 0) expect(at - own[index - 1]!).toBeGreaterThanOrEqual(24 * hour);
  }
  expect(s.relay.unexpected).toEqual([]);
  for (const client of clients) await client.close();
}, 120_000);

it("renews keys as each device was told to: often, never, and not where others commit enough", async () => {
  const s = stage();
  const clients = [
    await s.arrive("asks"),
    await s.arrive("often", { renewals: { interval: 6 * hour, commitsPerDay: 100 } }),
    await s.arrive("never", { renewals: { commitsPerDay: 0 } }),
    await s.arrive("usual"),
    await s.arrive("tolerant", { renewals: { commitsPerDay: 60 } }),
  ];
  const [lead, ...others] = clients as [Client, ...Client[]];
  const calm = await s.clock.until(lead.createGroup({ members: others.map(({ account }) => account) }));
  await s.clock.settle();
  const busy = await s.clock.until(lead.createGroup({ members: others.map(({ account }) => account) }));
  await s.clock.settle();
  for (const client of others) for (const chat of client.conversations()) await s.clock.until(chat.accept());
  const lasts = 71 * hour;
  for (let elapsed = 0; elapsed < lasts; elapsed += hour / 2) {
    await s.clock.until(busy.rotateKeys());
    await s.clock.advance(hour / 2);
  }
  const renewals = async (chat: Conversation, account: string): Promise<readonly number[]> =>
    (await history(chat)).flatMap((item) =>
      item.kind === "keysChanged" && item.by === account ? [item.storedAt] : [],
    );
  const counts = async (chat: Conversation): Promise<object> =>
    Object.fromEntries(
      await Promise.all(others.map(async ({ account }) => [account, (await renewals(chat, account)).length] as const)),
    );
  const often = await renewals(calm, "often");
  expect(often.length).toBeGreaterThanOrEqual(6);
  for (const [index, at] of often.entries())
    if (index > 0) expect(at - often[index - 1]!).toBeGreaterThanOrEqual(6 * hour);
  expect(await counts(calm)).toEqual({ often: often.length, never: 0, usual: 2, tolerant: 2 });
  const { usual, never, tolerant } = (await counts(busy)) as Record<string, number>;
  // 48 commits a day are there already.
  expect({ usual, never }).toEqual({ usual: 0, never: 0 });
  expect(tolerant).toBeGreaterThan(0);
  for (const client of clients) await client.close();
}, 120_000);

it("a device that hundreds invite never runs out of key packages", async () => {
  const s = stage();
  const bob = await s.arrive("bob");
  const invited = 200;
  const key = `bob ${bob.device}`;
  const lastResort = s.relay.tables.lastResorts.get(key)!.hash;
  let fewest = Infinity;
  for (let i = 0; i < invited; i++) {
    // The relay lets nobody draw more than twenty an hour.
    if (i % 20 === 0) await s.clock.advance(1_000);
    const one = await stranger(s, `stranger-${i}`);
    await publishKeyPackage(s, one);
    const groupId = new TextEncoder().encode(`g-${String(i).padStart(22, "A")}`);
    await invite(s, one, {
      from: `stranger-${i}`,
      victim: "bob",
      groupId,
      conversation: `g-${String(i).padStart(22, "A")}`,
    });
    await s.clock.settle();
    one.socket.close();
    fewest = Math.min(fewest, s.relay.tables.keyPackages.get(key)!.size);
  }
  expect(bob.conversations()).toHaveLength(invited);
  expect(fewest).toBeGreaterThan(0);
  expect([...s.relay.tables.takenKeyPackages].filter((name) => name.startsWith(key))).toHaveLength(invited);
  // It was never given out.
  expect(s.relay.tables.lastResorts.get(key)!.hash).toBe(lastResort);
  await bob.close();
}, 120_000);

it("a device that was away for months opens the Welcome that waited for it, though its key packages have ended", async () => {
  const s = stage();
  const [alice, bob] = [await s.arrive("alice"), await s.arrive("bob")];
  const failures: unknown[] = [];
  alice.on("failure", (error) => failures.push(error));
  alice.goOffline();
  const chat = await s.clock.until(bob.conversation({ with: ["alice"] }));
  bob.goOffline();
  await s.clock.advance(200 * 24 * hour);
  for (const client of [bob, alice]) {
    client.goOnline();
    await s.clock.until(client.caughtUp());
  }
  const outgoing = await s.clock.until(chat.send({ text: "there you are" }));
  await s.clock.until(outgoing.sent, hour);
  await s.clock.settle();
  expect(failures).toEqual([]);
  expect((await history(alice.conversations()[0]!)).at(-1)).toMatchObject({ kind: "message", text: "there you are" });
  for (const client of [alice, bob]) await client.close();
});

/** Alice comes back after months, and her phone, whose key packages have ended, does not yet; Bob is new. */
async function backWithoutHerPhone() {
  const s = stage();
  const alice = await s.arrive("alice");
  const { client: phone } = await linked(s, alice);
  await s.clock.advance(hour);
  for (const client of [phone, alice]) client.goOffline();
  await s.clock.advance(200 * 24 * hour);
  alice.goOnline();
  await s.clock.until(alice.caughtUp());
  const bob = await s.arrive("bob");
  return { s, alice, phone, bob };
}

it("a device of the account that nobody could reach for months is brought into what began meanwhile", async () => {
  const { s, alice, phone, bob } = await backWithoutHerPhone();
  await s.clock.until(alice.conversation({ with: ["bob"] }));
  await s.clock.advance(2 * hour);
  expect(phone.conversations()).toEqual([]);
  phone.goOnline();
  await s.clock.until(phone.caughtUp());
  await s.clock.advance(hour / 60);
  expect(phone.conversations()).toHaveLength(1);
  for (const client of [alice, phone, bob]) await client.close();
});

it("and into what a stranger began, as soon as one of the others accepts that", async () => {
  const { s, alice, phone, bob } = await backWithoutHerPhone();
  const atBob = await s.clock.until(bob.conversation({ with: ["alice"] }));
  phone.goOnline();
  await s.clock.until(phone.caughtUp());
  await s.clock.advance(hour / 60);
  const [atAlice] = alice.conversations() as [Conversation];
  expect([atAlice.state.current, phone.conversations()]).toEqual(["requested", []]);
  await s.clock.until(atAlice.accept());
  await s.clock.settle();
  expect(phone.conversations().map(({ id }) => id)).toEqual([atAlice.id]);
  const outgoing = await s.clock.until(atBob.send({ text: "hello, both" }));
  await s.clock.until(outgoing.sent);
  await s.clock.settle();
  for (const client of [alice, phone]) {
    expect((await history(client.conversations()[0]!)).at(-1)).toMatchObject({ text: "hello, both" });
  }
  for (const client of [alice, phone, bob]) await client.close();
});

it("a device that comes back after its Welcome to where the other went has ended finds the other with repair()", async () => {
  const s = stage();
  const [alice, bob] = [await s.arrive("alice"), await s.arrive("bob")];
  const atBob = await s.clock.until(bob.conversation({ with: ["alice"] }));
  await s.clock.settle();
  const [atAlice] = alice.conversations() as [Conversation];
  await s.clock.until(atAlice.accept());
  alice.goOffline();
  await s.clock.until(atBob.repair());
  await s.clock.advance(hour);
  expect((await history(atBob)).at(-1)).toMatchObject({ kind: "rejoined", successor: true });
  bob.goOffline();
  await s.clock.advance(400 * 24 * hour);
  expect(s.relay.tables.inbox.delete(alice.device)).toBe(true);
  for (const client of [alice, bob]) client.goOnline();
  for (const client of [alice, bob]) await s.clock.until(client.caughtUp());
  const unheard = await s.clock.until(atBob.send({ text: "are you there?" }));
  await s.clock.until(unheard.sent);
  await s.clock.advance(hour);
  expect((await history(atAlice)).map(({ kind }) => kind)).not.toContain("rejoined");
  await s.clock.until(atAlice.repair());
  await s.clock.advance(hour);
  for (const [from, text] of [
    [atAlice, "now I am"],
    [atBob, "so I see"],
  ] as const) {
    const outgoing = await s.clock.until(from.send({ text }));
    await s.clock.until(outgoing.sent);
    await s.clock.settle();
  }
  for (const view of [atAlice, atBob]) {
    expect((await history(view)).slice(-2)).toMatchObject([{ text: "now I am" }, { text: "so I see" }]);
  }
  for (const client of [alice, bob]) await client.close();
});
