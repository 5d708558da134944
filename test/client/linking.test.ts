/** Alice and her devices: she links a phone and a tablet, names them, and takes one out again. */
import { connect, type Client, type Conversation, type Device, type TacitError } from "@tacit/client";
import { memoryStore } from "@tacit/client/memory";
import { codeOf, linked, newcomer } from "./support/household.ts";
import { history, stage, suite } from "./support/stage.ts";

const names = (client: Client) => client.devices().map(({ name }) => name);
const ids = (client: Client) => client.devices().map(({ id }) => id);
function failuresOf(client: Client): TacitError[] {
  const failures: TacitError[] = [];
  client.on("failure", (error) => failures.push(error));
  return failures;
}

describe("linking a device", () => {
  it("makes it one of the account's, which all of them see", async () => {
    const world = stage();
    const { clock, relay, arrive } = world;
    const alice = await arrive("alice");
    expect(alice.devices()).toEqual([
      { id: alice.device, name: undefined, isThis: true, isHolder: true, since: expect.any(Number) as number },
    ]);
    const seen: (readonly Device[])[] = [];
    alice.on("devicesChanged", (devices) => seen.push(devices));

    const { client: phone, device } = await linked(world, alice, { name: "phone" });
    expect(device).toMatchObject({ id: phone.device, name: "phone", isThis: false, isHolder: false });
    expect(phone.account).toBe("alice");
    expect(ids(phone)).toEqual([alice.device, phone.device]);
    expect(phone.devices()).toMatchObject([
      { isThis: false, isHolder: true },
      { isThis: true, isHolder: false, name: "phone" },
    ]);
    expect(seen.map((devices) => devices.length)).toEqual([2]);

    // What the holder calls it comes first; the phone hears of it without being asked.
    const waiting = newcomer(world, "alice", { name: "its own idea" });
    await clock.until(alice.linkDevice((await clock.until(waiting.code)).qr, { name: "tablet" }));
    const tablet = await clock.until(waiting.connected);
    await clock.until(tablet.caughtUp());
    await clock.advance(1_000);
    for (const client of [alice, phone, tablet]) expect(names(client)).toEqual([undefined, "phone", "tablet"]);

    await clock.until(alice.renameDevice(alice.device, "desk"));
    await clock.advance(1_000);
    for (const client of [alice, phone, tablet]) expect(names(client)).toEqual(["desk", "phone", "tablet"]);
    const stored = JSON.stringify([...relay.tables.accounts.values()]);
    for (const name of ["desk", "phone", "tablet"]) expect(stored).not.toContain(name);
    // Nobody left anything behind in an inbox.
    for (const client of [alice, phone, tablet]) {
      expect([...(relay.tables.inbox.get(`alice ${client.device}`)?.values() ?? [])]).toEqual([]);
    }
    expect(relay.unexpected).toEqual([]);
    for (const client of [alice, phone, tablet]) await client.close();
  });

  it("lasts: all of them come back as what they were", async () => {
    const world = stage();
    const { clock, relay, arrive } = world;
    const stores = { desk: memoryStore(), phone: memoryStore() };
    const alice = await arrive("alice", { store: stores.desk });
    const { client: phone } = await linked(world, alice, { store: stores.phone, name: "phone" });
    for (const client of [alice, phone]) await client.close();
    const again = [
      await arrive("alice", { store: stores.desk.reopen() }),
      await arrive("alice", { store: stores.phone.reopen() }),
    ];
    for (const client of again) expect(names(client)).toEqual([undefined, "phone"]);
    expect(again.map((client) => client.devices().find(({ isThis }) => isThis)!.isHolder)).toEqual([true, false]);
    // The account key is on its holder alone.
    expect(await codeOf(again[1]!.linkDevice("x"))).toBe("not_holder");
    expect(await codeOf(again[1]!.revokeDevice(alice.device))).toBe("not_holder");
    expect(await codeOf(again[1]!.revokeDevice(phone.device))).toBe("not_holder");
    expect(await codeOf(again[1]!.renameDevice(phone.device, "x"))).toBe("not_holder");
    expect(relay.unexpected).toEqual([]);
    for (const client of again) await clock.until(client.close());
  });

  it("is not needed by the first device, and without it a further one is refused", async () => {
    const world = stage();
    const { clock, relay, arrive } = world;
    const first = newcomer(world, "alice");
    const alice = await clock.until(first.connected);
    expect(first.codes).toEqual([]);
    const { url, transport, blobs } = relay;
    const store = memoryStore();
    const options = { url, token: relay.token("alice"), suite, transport, blobs, clock };
    expect(await clock.until(codeOf(connect({ ...options, store })))).toBe("device_not_linked");
    // It can be linked later.
    const { client: phone } = await linked(world, alice, { store: store.reopen() });
    expect(ids(alice)).toEqual([alice.device, phone.device]);
    expect(await codeOf(connect({ ...options, store: memoryStore(), link: { onCode: () => {}, name: "" } }))).toBe(
      "invalid_argument",
    );
    const bob = await arrive("bob");
    for (const client of [alice, phone, bob]) await client.close();
  });

  it("of two first devices at once links the second to the first", async () => {
    const world = stage();
    const { clock } = world;
    const [one, two] = [newcomer(world, "alice"), newcomer(world, "alice")];
    const first = await clock.until(Promise.race([one.connected, two.connected]));
    const [other] = [one, two].filter(({ codes }) => codes.length > 0);
    const code = await clock.until(Promise.race([one.code, two.code]));
    await clock.until(first.linkDevice(code.text));
    const clients = await clock.until(Promise.all([one.connected, two.connected]));
    expect(other === undefined || other.codes[0] === code).toBe(true);
    expect(clients.map((client) => client.devices().filter(({ isHolder }) => isHolder)[0]!.id)).toEqual([
      first.device,
      first.device,
    ]);
    for (const client of clients) await client.close();
  });
});

describe("a linked device", () => {
  it("comes into all conversations, and is handed what was said before", async () => {
    const world = stage();
    const { clock, relay, arrive } = world;
    const [alice, bob] = [await arrive("alice"), await arrive("bob")];
    const failures = [alice, bob].map(failuresOf);
    const chat = await clock.until(alice.conversation({ with: ["bob"] }));
    const group = await clock.until(alice.createGroup({ title: "Tea", members: ["bob"] }));
    for (const text of ["one", "two"]) await clock.until((await clock.until(chat.send({ text }))).sent);
    await clock.until((await clock.until(group.send({ text: "in the group" }))).sent);
    const atBob = bob.conversations().find(({ id }) => id === chat.id)!;
    await clock.until((await clock.until(atBob.send({ text: "three" }))).sent);
    await clock.settle();

    const { client: phone } = await linked(world, alice, { name: "phone" });
    failures.push(failuresOf(phone));
    await clock.advance(60_000);
    expect(
      phone
        .conversations()
        .map(({ id }) => id)
        .sort(),
    ).toEqual([chat.id, group.id].sort());
    const atPhone = phone.conversations().find(({ id }) => id === chat.id)!;
    const groupAtPhone = phone.conversations().find(({ id }) => id === group.id)!;
    expect(groupAtPhone.info.current.title).toBe("Tea");
    const lines = async (conversation: Conversation) =>
      (await history(conversation)).flatMap((item) =>
        item.kind === "message" ? [`${item.mine ? "me" : item.from}: ${item.text}`] : [],
      );
    expect(await lines(atPhone)).toEqual(["me: one", "me: two", "bob: three"]);
    expect(await lines(groupAtPhone)).toEqual(["me: in the group"]);

    // From now on it reads for itself, and what it sends is the account's.
    await clock.until((await clock.until(atPhone.send({ text: "from the phone" }))).sent);
    await clock.until((await clock.until(atBob.send({ text: "four" }))).sent);
    await clock.until((await clock.until(chat.send({ text: "from the desk" }))).sent);
    await clock.advance(1_000);
    const after = ["me: one", "me: two", "bob: three", "me: from the phone", "bob: four", "me: from the desk"];
    expect(await lines(chat)).toEqual(after);
    expect(await lines(atPhone)).toEqual(after);
    const positions = (await history(atPhone)).map(({ position }) => position);
    expect(positions).toEqual(positions.map((_, index) => index + 1));
    const kinds = (await history(atPhone)).map(({ kind }) => kind);
    expect(kinds.lastIndexOf("opened")).toBeGreaterThan(kinds.indexOf("message"));
    expect(relay.unexpected).toEqual([]);
    expect(failures).toEqual([[], [], []]);

    // Taken out of the account, it is out of the conversations.
    await clock.until(alice.revokeDevice(phone.device));
    await clock.advance(60_000);
    await clock.until((await clock.until(chat.send({ text: "without the phone" }))).sent);
    expect(await lines(atPhone)).toEqual(after);
    expect((await history(atBob)).at(-2)).toMatchObject({ kind: "devicesChanged", accounts: ["alice"] });
    for (const client of [alice, bob, phone]) await client.close();
  });

  it("comes in though another one, which was never finished, has no key packages; that one is asked for a few times a day", async () => {
    const world = stage();
    const { clock, relay, arrive } = world;
    const [alice, bob] = [await arrive("alice"), await arrive("bob")];
    const { client: phone } = await linked(world, alice);
    await phone.close();
    const [ofPhone] = [...relay.tables.keyPackages.keys()].filter((name) => name.includes(phone.device));
    relay.tables.keyPackages.get(ofPhone!)!.clear();
    expect(relay.tables.lastResorts.delete(ofPhone!)).toBe(true);
    const chat = await clock.until(alice.conversation({ with: ["bob"] }));
    await clock.until((await clock.until(chat.send({ text: "one" }))).sent);
    let claims = 0;
    relay.filter = ({ direction, account, frame }) => {
      if (direction === "up" && account === "alice" && frame.op === "claimKeyPackages") claims++;
      return true;
    };
    await clock.advance(24 * 3_600_000);
    expect(claims).toBeGreaterThan(1);
    expect(claims).toBeLessThan(8);
    const { client: tablet } = await linked(world, alice);
    await clock.advance(60_000);
    expect(tablet.conversations().map(({ id, state }) => [id, state.current])).toEqual([[chat.id, "open"]]);
    expect(alice.devices()).toHaveLength(3);
    for (const client of [alice, bob, tablet]) await client.close();
  });

  it("keeps what it was handed where it asks for a conversation before it has been put in", async () => {
    const world = stage();
    const { clock, relay, arrive } = world;
    const [alice, bob] = [await arrive("alice"), await arrive("bob")];
    const chat = await clock.until(alice.conversation({ with: ["bob"] }));
    for (const text of ["one", "two"]) await clock.until((await clock.until(chat.send({ text }))).sent);
    relay.filter = ({ direction, frame }) => direction === "down" || frame.op !== "commit";
    const { client: phone } = await linked(world, alice);
    expect(phone.conversations()).toEqual([]);
    const asked = phone.conversation({ with: ["bob"] });
    await expect(clock.until(asked)).rejects.toMatchObject({ code: "cannot_follow" });
    relay.filter = () => true;
    await clock.advance(60_000);
    const atPhone = phone.conversations()[0]!;
    await clock.until((await clock.until(atPhone.send({ text: "three" }))).sent);
    await clock.until((await clock.until(chat.send({ text: "four" }))).sent);
    await clock.advance(1_000);
    const texts = (await history(atPhone)).flatMap((item) => (item.kind === "message" ? [item.text] : []));
    expect(texts).toEqual(["one", "two", "three", "four"]);
    const positions = (await history(atPhone)).map(({ position }) => position);
    expect(positions).toEqual(positions.map((_, index) => index + 1));
    for (const client of [alice, bob, phone]) await client.close();
  });

  it("knows copies of what it was handed", async () => {
    const world = stage();
    const { clock, relay, arrive } = world;
    const [alice, bob] = [await arrive("alice"), await arrive("bob")];
    const chat = await clock.until(alice.conversation({ with: ["bob"] }));
    await clock.until((await clock.until(chat.send({ text: "one" }))).sent);
    const atBob = bob.conversations()[0]!;
    let isLost = false;
    relay.filter = ({ direction, account, frame }) => {
      if (account === "bob" && direction === "up" && frame.op === "append") isLost = true;
      return !(isLost && account === "bob" && direction === "down");
    };
    const { sent } = await clock.until(atBob.send({ text: "two" }));
    await clock.settle();
    bob.goOffline();
    await clock.until(alice.caughtUp());
    // It lands, Bob never learns that, and by the time he comes back the entry has expired.
    const log = relay.tables.log.get(chat.id)!;
    const [seq, entry] = [...log].at(-1)!;
    expect((await history(chat)).at(-1)).toMatchObject({ kind: "message", text: "two" });
    const { client: phone } = await linked(world, alice);
    await clock.advance(60_000);
    log.set(seq, { ...entry, expires: 0 });
    relay.filter = () => true;
    bob.goOnline();
    await clock.until(sent);
    await clock.advance(1_000);
    for (const client of [alice, phone]) {
      const items = await history(client.conversations()[0]!);
      expect(items.flatMap((item) => (item.kind === "message" ? [item.text] : []))).toEqual(["one", "two"]);
    }
    expect([...log].filter(([, { kind }]) => kind === "message")).toHaveLength(3);
    for (const client of [alice, bob, phone]) await client.close();
  });

  it("comes into a group again that its account had left, behind the history of that", async () => {
    const world = stage();
    const { clock, arrive } = world;
    const [alice, bob] = [await arrive("alice"), await arrive("bob")];
    const group = await clock.until(bob.createGroup({ title: "Tea", members: ["alice"] }));
    await clock.until((await clock.until(group.send({ text: "before" }))).sent);
    const atAlice = alice.conversations()[0]!;
    await clock.until(atAlice.accept());
    await clock.until(atAlice.leave());
    await clock.advance(10_000);
    const { client: phone } = await linked(world, alice);
    const failures = failuresOf(phone);
    await clock.until(group.invite(["alice"]));
    await clock.advance(60_000);
    const [atPhone] = phone.conversations();
    await clock.until(atPhone!.accept());
    await clock.until((await clock.until(group.send({ text: "again" }))).sent);
    await clock.advance(1_000);
    const texts = (await history(atPhone!)).flatMap((item) => (item.kind === "message" ? [item.text] : []));
    expect(texts).toEqual(["before", "again"]);
    expect(failures).toEqual([]);
    for (const client of [alice, bob, phone]) await client.close();
  });

  it("goes on without history where that is gone or damaged", async () => {
    const world = stage();
    const { clock, relay, arrive } = world;
    const [alice, bob] = [await arrive("alice"), await arrive("bob")];
    const chat = await clock.until(alice.conversation({ with: ["bob"] }));
    await clock.until((await clock.until(chat.send({ text: "lost" }))).sent);
    const waiting = newcomer(world, "alice");
    const { text } = await clock.until(waiting.code);
    const blobs = new Set(relay.tables.blobs.keys());
    await clock.until(alice.linkDevice(text));
    for (const name of relay.tables.blobs.keys()) if (!blobs.has(name)) relay.tables.blobs.delete(name);
    // Listening as soon as there is something to listen to.
    const listening = waiting.connected.then((client) => ({ phone: client, failures: failuresOf(client) }));
    const { phone, failures } = await clock.until(listening);
    await clock.until(phone.caughtUp());
    await clock.advance(60_000);
    expect(failures.map(({ code }) => code)).toEqual(["history_lost"]);
    const [atPhone] = phone.conversations();
    await clock.until((await clock.until(chat.send({ text: "heard" }))).sent);
    await clock.advance(1_000);
    expect((await history(atPhone!)).flatMap((item) => (item.kind === "message" ? [item.text] : []))).toEqual([
      "heard",
    ]);
    for (const client of [alice, bob, phone]) await client.close();
  });
});

describe("a code", () => {
  it("is refused where it is mistyped, or no device shows it", async () => {
    const world = stage();
    const { clock, arrive } = world;
    const alice = await arrive("alice");
    const phone = newcomer(world, "alice");
    const { text } = await clock.until(phone.code);
    expect(await codeOf(alice.linkDevice("hello"))).toBe("link_code_invalid");
    expect(await codeOf(alice.linkDevice(text.replace(/.$/, (last) => (last === "0" ? "1" : "0"))))).toBe(
      "link_code_invalid",
    );
    expect(await codeOf(alice.linkDevice(text, { name: "\n" }))).toBe("invalid_argument");
    phone.cancel();
    expect(await clock.until(codeOf(phone.connected))).toBe("link_cancelled");
    const bob = await arrive("bob");
    expect(await clock.until(codeOf(bob.linkDevice(text)))).toBe("link_expired");
    expect(alice.devices()).toHaveLength(1);
    for (const client of [alice, bob]) await client.close();
  });

  it("serves once", async () => {
    const world = stage();
    const { clock, relay, arrive } = world;
    const alice = await arrive("alice");
    const phone = newcomer(world, "alice");
    const { text, qr } = await clock.until(phone.code);
    // Two calls at once are one.
    const [one, two] = await clock.until(Promise.all([alice.linkDevice(text), alice.linkDevice(qr)]));
    expect(one).toEqual(two);
    expect(await clock.until(codeOf(alice.linkDevice(text)))).toBe("link_expired");
    await clock.until((await clock.until(phone.connected)).caughtUp());
    expect(await clock.until(codeOf(alice.linkDevice(text)))).toBe("link_expired");
    expect(relay.tables.accounts.get("alice")!.version).toBe(2);
    for (const client of [alice, await phone.connected]) await client.close();
  });

  it("is replaced after ten minutes, and then worth nothing", async () => {
    const world = stage();
    const { clock, relay, arrive } = world;
    const alice = await arrive("alice");
    const phone = newcomer(world, "alice");
    const old = await clock.until(phone.code);
    expect(old.until - clock.now()).toBe(600_000);
    await clock.advance(601_000);
    expect(phone.codes).toHaveLength(2);
    expect(await clock.until(codeOf(alice.linkDevice(old.text)))).toBe("link_expired");
    await clock.until(alice.linkDevice(phone.codes[1]!.text));
    const client = await clock.until(phone.connected);
    expect(relay.tables.accounts.get("alice")!.devices).toEqual([alice.device, client.device]);
    for (const each of [alice, client]) await each.close();
  });

  it("can be cancelled, and the next one is fresh", async () => {
    const world = stage();
    const { clock, arrive } = world;
    const alice = await arrive("alice");
    const store = memoryStore();
    const phone = newcomer(world, "alice", { store });
    const { text } = await clock.until(phone.code);
    await clock.advance(5_000);
    phone.cancel();
    expect(await clock.until(codeOf(phone.connected))).toBe("link_cancelled");
    const again = newcomer(world, "alice", { store: store.reopen() });
    const fresh = await clock.until(again.code);
    expect(fresh.text).not.toBe(text);
    await clock.until(alice.linkDevice(fresh.text));
    const client = await clock.until(again.connected);
    expect(alice.devices()).toHaveLength(2);
    for (const each of [alice, client]) await each.close();
  });

  it("that was cancelled is of no use to the one who took it, and its device begins anew", async () => {
    const world = stage();
    const { clock, arrive } = world;
    const alice = await arrive("alice");
    const store = memoryStore();
    const phone = newcomer(world, "alice", { store });
    const { text } = await clock.until(phone.code);
    phone.cancel();
    await clock.until(codeOf(phone.connected));
    // The offer is in alice's inbox all the same, and she did not hear.
    const dead = await clock.until(alice.linkDevice(text));
    const again = newcomer(world, "alice", { store: store.reopen() });
    const fresh = await clock.until(again.code);
    await clock.until(alice.linkDevice(fresh.text));
    const client = await clock.until(again.connected);
    expect(client.device).not.toBe(dead.id);
    await clock.until(alice.revokeDevice(dead.id));
    expect(ids(alice)).toEqual([alice.device, client.device]);
    for (const each of [alice, client]) await each.close();
  });
});

describe("a revoked device", () => {
  it("is put out at once, and what the others share is renewed", async () => {
    const world = stage();
    const { clock, relay, arrive } = world;
    const alice = await arrive("alice");
    const stores = { phone: memoryStore(), tablet: memoryStore() };
    const { client: phone } = await linked(world, alice, { name: "phone", store: stores.phone });
    const { client: tablet } = await linked(world, alice, { name: "tablet", store: stores.tablet });
    const failures = [alice, phone].map(failuresOf);
    await clock.until(alice.revokeDevice(tablet.device));
    await clock.settle();
    expect(tablet.connection.current).toMatchObject({ status: "closed", reason: { code: "device_revoked" } });
    await clock.advance(1_000);
    for (const client of [alice, phone]) expect(names(client)).toEqual([undefined, "phone"]);

    // It cannot come back, and cannot read what the others call each other from now on.
    const { url, transport, blobs } = relay;
    await tablet.close();
    const returned = await connect({
      ...{ url, token: relay.token("alice"), suite, transport, blobs, clock },
      store: stores.tablet.reopen(),
    });
    expect(await clock.until(codeOf(returned.caughtUp()))).toBe("device_revoked");
    expect(names(returned)).toEqual([undefined, "phone", "tablet"]);
    await clock.until(alice.renameDevice(phone.device, "the only phone"));
    await clock.advance(1_000);
    expect(names(phone)).toEqual([undefined, "the only phone"]);
    // Twice is once.
    await clock.until(alice.revokeDevice(tablet.device));
    expect(relay.tables.accounts.get("alice")!.version).toBe(5);
    expect(await codeOf(alice.revokeDevice(alice.device))).toBe("invalid_argument");
    expect(await codeOf(alice.revokeDevice("nobody"))).toBe("invalid_argument");
    expect(await codeOf(alice.renameDevice(tablet.device, "x"))).toBe("invalid_argument");
    expect(await codeOf(alice.renameDevice(phone.device, "x".repeat(60)))).toBe("invalid_argument");

    // A phone that comes back knows what came meanwhile.
    await phone.close();
    const phoneAgain = await arrive("alice", { store: stores.phone.reopen() });
    expect(names(phoneAgain)).toEqual([undefined, "the only phone"]);
    expect(failures).toEqual([[], []]);
    expect(relay.unexpected).toEqual([]);
    for (const client of [alice, phoneAgain, returned]) await client.close();
  });

  it("learns it from the record, where the relay does not tell it", async () => {
    const world = stage();
    const { clock, relay, arrive } = world;
    const alice = await arrive("alice");
    const { client: phone } = await linked(world, alice);
    phone.goOffline();
    await clock.until(alice.revokeDevice(phone.device));
    const stored = relay.tables.accounts.get("alice")!;
    // The relay lets it in as if nothing had happened.
    relay.tables.accounts.set("alice", { ...stored, revoked: [], devices: [alice.device, phone.device] });
    phone.goOnline();
    expect(await clock.until(codeOf(phone.caughtUp()))).toBe("device_revoked");
    expect(ids(phone)).toEqual([alice.device]);
    for (const client of [alice, phone]) await client.close();
  });

  it("with an old socket is refused everything", async () => {
    const world = stage();
    const { clock, relay, arrive } = world;
    const alice = await arrive("alice");
    const bob = await arrive("bob");
    const { client: phone } = await linked(world, alice);
    const chat = await clock.until(phone.conversation({ with: ["bob"] }));
    await clock.until((await clock.until(chat.send({ text: "before" }))).sent);
    // Its socket stays: the relay cannot close it, and nothing it is told arrives.
    const log = relay.tables.log.get(chat.id)!;
    const heard: unknown[] = [];
    relay.filter = ({ direction, account, frame, connection }) => {
      if (direction === "up" || account !== "alice" || connection !== phones) return true;
      heard.push(frame);
      return frame.push !== "bye";
    };
    const phones = relay.tables.connections.get("alice")!.get(phone.device)!.connection;
    await clock.until(alice.revokeDevice(phone.device));
    const length = log.size;
    const answers = new Set<unknown>();
    for (const text of ["after", "and again"]) await clock.until(chat.send({ text }));
    await clock.advance(5_000);
    for (const frame of heard as { error?: { code: string } }[]) if (frame.error) answers.add(frame.error.code);
    expect(log.size).toBe(length);
    expect(phone.connection.current).toMatchObject({ status: "closed", reason: { code: "device_revoked" } });
    expect([...answers].every((code) => code === "device_revoked")).toBe(true);
    const atBob = await history(bob.conversations()[0]!);
    expect(atBob.flatMap((item) => (item.kind === "message" ? [item.text] : []))).toEqual(["before"]);
    for (const client of [alice, bob, phone]) await client.close();
  });
});
