/** The relay in the middle of linking, thieves with a token, and devices that were put out and stay. */
import type { Client, TacitError } from "@tacit/client";
import { memoryStore } from "@tacit/client/memory";
import { decodeBase64Url, encodeBase64Url, limits, type Operation, type Request } from "@tacit/protocol";
import { sealedStore } from "../../client/src/sealedStore.ts";
import {
  decodeAccountMessage,
  encodeAccountMessage,
  type AccountMessage,
} from "../../client/src/session/identity/accountMessage.ts";
import { createIdentity, decodeIdentity, deviceKeysOf, enrol } from "../../client/src/session/identity/identity.ts";
import { pskOf, sealAnswer } from "../../client/src/session/linking/linkAnswer.ts";
import { linkCodeText, parseLinkCode } from "../../client/src/session/linking/linkCode.ts";
import { createLinkSession, linkCodeOf, offerMessage, openOffer } from "../../client/src/session/linking/linkOffer.ts";
import { recordWithDevice } from "../../client/src/session/identity/nextRecord.ts";
import { sealSecret } from "../../client/src/session/identity/renewedSecret.ts";
import { codeOf, linked, newcomer, type Newcomer } from "./support/household.ts";
import { sending, socketOf, thiefOf } from "./support/intruder.ts";
import { provider, suite } from "./support/primitives.ts";
import { stage, type Stage } from "./support/stage.ts";

const crypto = { provider, suite };

function failuresOf(client: Client): TacitError[] {
  const failures: TacitError[] = [];
  client.on("failure", (error) => failures.push(error));
  return failures;
}
const devicesAt = ({ relay }: Stage, account: string) => relay.tables.accounts.get(account)!.devices;

/** Lets `change` put another message into the place of each one that goes through an inbox. */
function inTheMiddle({ relay }: Stage, change: (message: Uint8Array, to: string) => Uint8Array | undefined): void {
  relay.filter = ({ direction, frame, deliver, account }) => {
    const answer = frame as { id?: string; ok?: { items?: { kind: string; payload: { inline?: string } }[] } };
    const { items } = answer.ok ?? {};
    if (direction === "up" || items === undefined) return true;
    const changed = items.flatMap((item) => {
      if (item.payload.inline === undefined) return [item];
      const bytes = change(decodeBase64Url(item.payload.inline), account);
      return bytes === undefined ? [] : [{ ...item, payload: { inline: encodeBase64Url(bytes) } }];
    });
    deliver(JSON.stringify({ ...answer, ok: { ...answer.ok, items: changed } }));
    return false;
  };
}

async function offerOf(account: string, now: number) {
  const identity = await createIdentity(crypto);
  const made = { account, name: undefined, issuedAt: now, createdAt: now };
  return { identity, session: await createLinkSession(provider, identity, made) };
}

interface Offered {
  readonly connection: string;
  readonly offer: Extract<AccountMessage, { kind: "linkOffer" }>;
}

/** The offers that go to the relay from now on. */
function offersOf({ relay }: Stage): readonly Offered[] {
  const offers: Offered[] = [];
  relay.filter = ({ direction, frame, connection }) => {
    if (direction === "up" && frame.op === "sendInbox") {
      const { inline } = frame["payload"] as { readonly inline: string };
      const message = decodeAccountMessage(decodeBase64Url(inline));
      if (message?.kind === "linkOffer") offers.push({ connection, offer: message });
    }
    return true;
  };
  return offers;
}

/** Whether its `connect` has not come to an end. */
function isWaiting({ connected }: Newcomer): Promise<boolean> {
  const later = new Promise<boolean>((resolve) => setImmediate(resolve, true));
  return Promise.race([connected.then(() => false), later]);
}

describe("a relay in the middle", () => {
  it("that puts its own device in the place of the new one is not listened to", async () => {
    const world = stage();
    const { clock, relay, arrive } = world;
    const alice = await arrive("alice");
    const ghost = await offerOf("alice", clock.now());
    // Its own offer whole; then the phone's with the ghost's keys in it.
    inTheMiddle(world, (message) => {
      const known = decodeAccountMessage(message);
      return known?.kind === "linkOffer" ? encodeAccountMessage(offerMessage(ghost.session)) : message;
    });
    const phone = newcomer(world, "alice");
    const { text } = await clock.until(phone.code);
    expect(await clock.until(codeOf(alice.linkDevice(text)))).toBe("link_expired");
    inTheMiddle(world, (message) => {
      const known = decodeAccountMessage(message);
      if (known?.kind !== "linkOffer") return message;
      const offer = JSON.parse(Buffer.from(known.offer).toString()) as object;
      const { deviceKey } = deviceKeysOf(ghost.identity);
      return encodeAccountMessage({ ...known, offer: Buffer.from(JSON.stringify({ ...offer, deviceKey })) });
    });
    expect(await clock.until(codeOf(alice.linkDevice(text)))).toBe("link_expired");
    expect(devicesAt(world, "alice")).toEqual([alice.device]);
    expect(phone.codes).toHaveLength(1);

    // As soon as it lets the phone's own through, that one is linked and no other.
    relay.filter = () => true;
    await clock.until(alice.linkDevice(text));
    const client = await clock.until(phone.connected);
    expect(devicesAt(world, "alice")).toEqual([alice.device, client.device]);
    for (const each of [alice, client]) await each.close();
  });

  it("that answers in the holder's place is not believed", async () => {
    const world = stage();
    const { clock, relay, arrive } = world;
    const alice = await arrive("alice");
    const offers = offersOf(world);
    const phone = newcomer(world, "alice");
    const { text } = await clock.until(phone.code);
    await clock.settle();
    // It has the offer, and everything but the code's secret: an account of its own making, under alice's name.
    const fake = await enrol(provider, await createIdentity(crypto), "alice", clock.now());
    const [{ connection, offer }] = offers as [Offered];
    const opened = openOffer(provider, parseLinkCode(text)!, offer)!;
    const digest = provider.hashes["SHA-256"].digest;
    const to = { account: "alice", device: opened.keys.device, hpkeKey: opened.hpkeKey, offer: digest(offer.offer) };
    const forged = await sealAnswer(
      provider,
      { ...to, psk: pskOf(provider.random(16)) },
      {
        accountKey: encodeBase64Url(fake.accountKey.publicKey),
        version: 1,
        hash: encodeBase64Url(digest(decodeBase64Url(fake.enrolment.record.payload))),
        secret: new Uint8Array(32),
        secretSince: 1,
        history: undefined,
      },
    );
    const payload = { inline: encodeBase64Url(encodeAccountMessage(forged)) };
    let answered = 0;
    relay.filter = ({ direction, frame, deliver, ...on }) => {
      const body = frame as { readonly ok?: { readonly items?: readonly unknown[] } };
      if (direction === "up" || on.connection !== connection || body.ok?.items === undefined) return true;
      answered++;
      const id = "0".repeat(12) + encodeBase64Url(provider.random(16));
      const item = { kind: "message", id, account: "alice", device: alice.device, payload, at: 0 };
      deliver(JSON.stringify({ ...body, ok: { items: [item] } }));
      return false;
    };
    relay.tables.accounts.set("alice", { ...relay.tables.accounts.get("alice")!, signed: fake.enrolment.record });
    await clock.advance(20_000);
    expect(answered).toBeGreaterThan(3);
    expect(await isWaiting(phone)).toBe(true);
    phone.cancel();
    expect(await clock.until(codeOf(phone.connected))).toBe("link_cancelled");
    await alice.close();
  });

  it("that shows the new device another record than the holder's is asked until it shows that one", async () => {
    const world = stage();
    const { clock, relay, arrive } = world;
    const alice = await arrive("alice");
    const phone = newcomer(world, "alice");
    const { text } = await clock.until(phone.code);
    const before = relay.tables.accounts.get("alice")!;
    await clock.until(alice.linkDevice(text));
    const after = relay.tables.accounts.get("alice")!;
    const mallory = await enrol(provider, await createIdentity(crypto), "alice", clock.now());
    const fake = { ...after, signed: mallory.enrolment.record };
    for (const shown of [{ ...after, signed: before.signed }, fake]) {
      relay.tables.accounts.set("alice", shown);
      await clock.advance(20_000);
      expect(await isWaiting(phone)).toBe(true);
    }
    relay.tables.accounts.set("alice", after);
    const client = await clock.until(phone.connected);
    await clock.until(client.caughtUp());
    expect(client.devices()).toHaveLength(2);
    for (const each of [alice, client]) await each.close();
  });

  it("does not stop a device with more messages than it can acknowledge at once", async () => {
    const world = stage();
    const { clock, relay, arrive } = world;
    const alice = await arrive("alice");
    alice.goOffline();
    const { socket } = await thiefOf(world, "alice");
    for (let count = 0; count < 2 * limits.acknowledgements + 1; count++) {
      await clock.until(socket.request("sendInbox", sending("alice", alice.device, new Uint8Array(3))));
    }
    alice.goOnline();
    await clock.until(alice.caughtUp());
    expect(alice.connection.current.status).toBe("online");
    expect([...relay.tables.messages.values()].reduce((sum, items) => sum + items.size, 0)).toBe(0);
    await alice.close();
  });

  it("that repeats an answer, or brings one to another device, changes nothing", async () => {
    const world = stage();
    const { clock, arrive } = world;
    const alice = await arrive("alice");
    const answers: Uint8Array[] = [];
    const tablet = newcomer(world, "alice");
    await clock.until(tablet.code);
    inTheMiddle(world, (message) => {
      const known = decodeAccountMessage(message);
      if (known?.kind === "linkAnswer") answers.push(message);
      return message;
    });
    const { client: phone } = await linked(world, alice, { name: "phone" });
    const failures = failuresOf(phone);
    expect(answers.length).toBeGreaterThan(0);
    const before = phone.devices();
    // To the phone again; to the tablet, in whose place somebody would like to be.
    inTheMiddle(world, () => answers[0]);
    const { socket } = await thiefOf(world, "alice");
    await clock.until(socket.request("sendInbox", sending("alice", phone.device, answers[0]!)));
    await clock.advance(20_000);
    expect(phone.devices()).toEqual(before);
    expect(failures).toEqual([]);
    expect(await isWaiting(tablet)).toBe(true);
    tablet.cancel();
    await clock.until(codeOf(tablet.connected));
    for (const each of [alice, phone]) await each.close();
  });

  it("that rolls the account back, or forks it, is reported and not followed", async () => {
    const world = stage();
    const { clock, relay, arrive } = world;
    const stores = { desk: memoryStore(), phone: memoryStore() };
    const alice = await arrive("alice", { store: stores.desk });
    const { client: phone } = await linked(world, alice, { store: stores.phone });
    const { client: tablet } = await linked(world, alice);
    const withTablet = relay.tables.accounts.get("alice")!;
    await clock.until(alice.revokeDevice(tablet.device));
    await clock.advance(1_000);
    const newest = relay.tables.accounts.get("alice")!;
    const shown = async (stored: typeof newest, client: Client): Promise<string[]> => {
      relay.tables.accounts.set("alice", stored);
      const failures = failuresOf(client);
      relay.cut("alice");
      await clock.settle();
      await clock.until(client.caughtUp());
      await clock.advance(1_000);
      expect(client.devices().map(({ id }) => id)).toEqual([alice.device, phone.device]);
      return [...new Set(failures.map(({ code }) => code))];
    };
    for (const client of [alice, phone]) {
      expect(await shown(withTablet, client)).toEqual(["identity_invalid"]);
      const other = await enrol(provider, await createIdentity(crypto), "alice", clock.now());
      expect(await shown({ ...newest, signed: other.enrolment.record }, client)).toEqual(["identity_invalid"]);
      expect(await shown(newest, client)).toEqual([]);
    }
    // A fork that the holder's own key signed, as a stolen copy of its store could.
    const copy = (await clock.until(stolenIdentity(alice, stores.desk)))!;
    const ghost = await createIdentity(crypto);
    const names = { holder: copy.device, names: new Map<string, string>() };
    const signer = { provider, accountKey: copy.accountKey!, secret: copy.accountSecret!, names };
    const fork = (await recordWithDevice(signer, withTablet.signed, deviceKeysOf(ghost), clock.now()))!;
    expect(await shown({ ...newest, signed: fork, version: newest.version }, phone)).toEqual(["identity_invalid"]);
    for (const client of [phone, tablet]) await client.close();
  });

  it("that makes a secret of its own for the devices is not believed, nor one that comes back", async () => {
    const world = stage();
    const { clock, relay, arrive } = world;
    const alice = await arrive("alice");
    const store = memoryStore();
    const [offers, offered] = [offersOf(world), () => JSON.parse(Buffer.from(offers[0]!.offer.offer).toString())];
    const { client: phone } = await linked(world, alice, { store, name: "phone" });
    const { client: tablet } = await linked(world, alice, { name: "tablet" });
    const { client: watch } = await linked(world, alice, { name: "watch" });
    const renewed: Uint8Array[] = [];
    inTheMiddle(world, (message) => {
      const known = decodeAccountMessage(message);
      if (known?.kind === "accountRecord" && known.secret !== undefined) renewed.push(message);
      return message;
    });
    await clock.until(alice.revokeDevice(tablet.device));
    await clock.advance(1_000);
    await clock.until(alice.revokeDevice(watch.device));
    await clock.advance(1_000);
    const mallory = await enrol(provider, await createIdentity(crypto), "alice", clock.now());
    const { socket } = await thiefOf(world, "alice");
    const hpkeKey = decodeBase64Url((offered() as { hpkeKey: string }).hpkeKey);
    const to = { account: "alice", device: phone.device, hpkeKey };
    const secret = await sealSecret(provider, mallory.accountKey, to, { secret: provider.random(32), version: 99 });
    const own = encodeAccountMessage({ kind: "accountRecord", version: 1, secret });
    for (const message of [own, ...renewed]) {
      await clock.until(socket.request("sendInbox", sending("alice", phone.device, message)));
    }
    await clock.advance(1_000);
    // It reads what the holder says next.
    await clock.until(alice.renameDevice(phone.device, "still the phone"));
    await clock.advance(1_000);
    expect(phone.devices().map(({ name }) => name)).toEqual([undefined, "still the phone"]);
    await phone.close();
    const again = await arrive("alice", { store: store.reopen() });
    expect(again.devices().map(({ name }) => name)).toEqual([undefined, "still the phone"]);
    expect(relay.unexpected).toEqual([]);
    for (const each of [alice, again, tablet, watch]) await each.close();
  });
});

describe("a thief with a token", () => {
  it("may offer and wait, and gets nothing", async () => {
    const world = stage();
    const { clock, relay, arrive } = world;
    const alice = await arrive("alice");
    const failures = failuresOf(alice);
    const { identity, socket } = await thiefOf(world, "alice");
    const asksFor = (operation: Operation, fields: object) =>
      clock.until(
        codeOf(
          socket.request(operation, fields as Request<typeof operation>).catch((error: unknown) => {
            throw (error as { refusal: unknown }).refusal;
          }),
        ),
      );
    for (let offers = 0; offers < 60; offers++) {
      const { session } = await offerOf("alice", clock.now());
      await clock.until(socket.request("sendInbox", sending("alice", alice.device, offerMessage(session))));
    }
    await clock.advance(60_000);
    expect(devicesAt(world, "alice")).toEqual([alice.device]);
    // Its own first record; a record that certifies it under a key of its own.
    const own = await enrol(provider, identity, "alice", clock.now());
    expect(await asksFor("putAccount", { record: own.enrolment.record })).toBe("record_conflict");
    const names = { holder: own.device, names: new Map<string, string>() };
    const signer = { provider, accountKey: own.accountKey, secret: own.accountSecret, names };
    const next = await recordWithDevice(
      signer,
      relay.tables.accounts.get("alice")!.signed,
      deviceKeysOf(identity),
      clock.now(),
    );
    expect(await asksFor("putAccount", { record: next })).toMatch(/^record_(conflict|invalid)$/);
    expect(await asksFor("claimKeyPackages", { account: "alice" })).toBe("out_of_scope");
    expect(await asksFor("getAccount", { account: "bob" })).toBe("out_of_scope");

    // Among all those offers the phone's is found, whichever comes first.
    const phone = newcomer(world, "alice");
    const { text } = await clock.until(phone.code);
    await clock.until(alice.linkDevice(text));
    const client = await clock.until(phone.connected);
    expect(devicesAt(world, "alice")).toEqual([alice.device, client.device]);
    expect(failures).toEqual([]);
    for (const each of [alice, client]) await each.close();
  });

  it("who drowns the holder in offers cannot keep the phone's from it", async () => {
    const world = stage();
    const { clock, arrive } = world;
    const alice = await arrive("alice");
    const phone = newcomer(world, "alice");
    const { text } = await clock.until(phone.code);
    const { socket } = await thiefOf(world, "alice");
    for (let offers = 0; offers < 40; offers++) {
      const { session } = await offerOf("alice", clock.now());
      await clock.until(socket.request("sendInbox", sending("alice", alice.device, offerMessage(session))));
    }
    await clock.settle();
    // What came before was pushed out of memory; the phone repeats its offer while the holder waits.
    await clock.until(alice.linkDevice(text));
    const client = await clock.until(phone.connected);
    expect(devicesAt(world, "alice")).toEqual([alice.device, client.device]);
    for (const each of [alice, client]) await each.close();
  });

  it("cannot have a device of another account taken in, or one that is not current", async () => {
    const world = stage();
    const { clock, arrive } = world;
    const alice = await arrive("alice");
    const { socket } = await thiefOf(world, "alice");
    const offered = async (account: string, now: number) => {
      const { session } = await offerOf(account, now);
      await clock.until(socket.request("sendInbox", sending("alice", alice.device, offerMessage(session))));
      return clock.until(codeOf(alice.linkDevice(linkCodeText(linkCodeOf(provider, session)))));
    };
    expect(await offered("bob", clock.now())).toBe("link_code_invalid");
    expect(await offered("alice", clock.now() - 600_000)).toBe("link_expired");
    expect(await offered("alice", clock.now() + 600_000)).toBe("link_expired");
    expect(devicesAt(world, "alice")).toEqual([alice.device]);
    // A code that somebody was talked into typing does link: that is what typing it says.
    expect(await offered("alice", clock.now())).toBe("undefined");
    expect(devicesAt(world, "alice")).toHaveLength(2);
    await alice.close();
  });
});

describe("a revoked device", () => {
  it("whose old socket stays open is refused everything", async () => {
    const world = stage();
    const { clock, relay, arrive } = world;
    const [alice, bob] = [await arrive("alice"), await arrive("bob")];
    const store = memoryStore();
    const { client: phone } = await linked(world, alice, { store });
    const chat = await clock.until(phone.conversation({ with: ["bob"] }));
    await clock.until((await clock.until(chat.send({ text: "before" }))).sent);
    await clock.advance(30_000);
    const { deviceKey, device } = (await clock.until(stolenIdentity(phone, store)))!;
    const socket = await socketOf(world, "alice", deviceKey);

    relay.closesSockets = false;
    await clock.until(alice.revokeDevice(device));
    await clock.advance(30_000);
    const log = relay.tables.log.get(chat.id)!;
    const length = log.size;
    const turn = relay.tables.conversations.get(chat.id)!.turn;
    const id = encodeBase64Url(provider.random(16));
    const payload = { inline: "AAAA" };
    const blob = { hash: encodeBase64Url(new Uint8Array(32)), size: 5 };
    const attempts: { readonly [O in Operation]?: Request<O> } = {
      hello: {},
      getAccount: { account: "bob" },
      putAccount: { record: relay.tables.accounts.get("alice")!.signed },
      claimKeyPackages: { account: "bob" },
      publishKeyPackages: { keyPackages: [{ hash: blob.hash, data: "AAAA", notAfter: 4_000_000_000 }] },
      countKeyPackages: {},
      append: { conversation: chat.id, turn, entries: [{ id, payload }] },
      read: { conversation: chat.id, after: 0 },
      readInbox: {},
      sendInbox: sending("alice", alice.device, new Uint8Array(3)),
      signal: { conversation: chat.id, payload: "AAAA" },
      uploadBlob: blob,
      downloadBlob: { hash: blob.hash },
      getBackup: {},
    };
    for (const [operation, fields] of Object.entries(attempts)) {
      const asked = socket
        .request(operation as Operation, fields)
        .catch((error: unknown) => Promise.reject((error as { refusal?: unknown }).refusal ?? error));
      const answer = await clock.until(codeOf(asked));
      // Putting the very record that is there is answered, and says nothing.
      if (operation === "putAccount") continue;
      const said = operation === "hello" || operation === "signal" ? "device_revoked" : "not_registered";
      expect([operation, answer]).toEqual([operation, said]);
    }
    expect(log.size).toBe(length);
    for (const each of [alice, bob]) await each.close();
  });
});

/** What is in the store of a client, which is closed for it. */
async function stolenIdentity(client: Client, store: ReturnType<typeof memoryStore>) {
  await client.close();
  const raw = store.reopen();
  const opened = await sealedStore(raw, raw.vault!, (length) => provider.random(length));
  return decodeIdentity((await opened.get("identity"))!);
}
