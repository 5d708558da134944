/** An account that comes back by its recovery code, and what thieves and a relay make of it. */
import { memoryStore, type MemoryStore } from "@tacit/client/memory";
import { decodeBase64Url, encodeBase64Url, type AccountRecord, type Signed } from "@tacit/protocol";
import { restoredConversations } from "../../client/src/backup/restored.ts";
import { decodeTimelineItem, timelinePrefix } from "../../client/src/session/conversationStore.ts";
import { openRelaySocket, type RelaySocket } from "../../client/src/connection/relaySocket.ts";
import {
  createIdentity,
  deviceKeysOf,
  enrol,
  isHolder,
  type Holder,
  type Identity,
} from "../../client/src/session/identity/identity.ts";
import { connectProtocols } from "../../client/src/session/identity/proof.ts";
import { recordWithDevice, recordWithNames, type Signer } from "../../client/src/session/identity/nextRecord.ts";
import { readRecoveryCode } from "../../client/src/session/identity/recoveryCode.ts";
import { bareDevice, message, provider, type BareDevice, type BareOptions } from "./support/bareDevice.ts";
import { doom } from "./support/crash.ts";
import { suite } from "./support/devices.ts";
import { openedBackup } from "./support/openedBackup.ts";
import { stage, type Stage } from "./support/stage.ts";

const hour = 3_600_000;
const tea = { id: `g-${"T".repeat(22)}`, log: `g-${"T".repeat(22)}`, members: ["alice", "bob"], title: "Tea" };
const direct = { id: `d-${"D".repeat(43)}`, log: `d-${"D".repeat(43)}`, members: ["alice", "bob"] };

const holderOf = (device: BareDevice): Holder => {
  const identity = device.identity();
  if (!isHolder(identity)) throw new Error("a holder");
  return identity;
};
const publicKeyOf = (device: BareDevice): string => encodeBase64Url(holderOf(device).accountKey.publicKey);
const recordAt = ({ relay }: Stage, account: string): AccountRecord =>
  JSON.parse(
    Buffer.from(decodeBase64Url(relay.tables.accounts.get(account)!.signed.payload)).toString(),
  ) as AccountRecord;
const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "none",
    (error: { readonly code?: string }) => error.code ?? "another error",
  );
const signerOf = (holder: Holder): Signer => ({
  provider,
  accountKey: holder.accountKey,
  secret: holder.accountSecret,
  names: { holder: holder.device, names: new Map() },
});

/** The holder's next record reaches the relay. */
async function advance({ clock }: Stage, device: BareDevice, record: Signed): Promise<void> {
  const holder = holderOf(device);
  await clock.until(device.connection.request("putAccount", { record }));
  const recordVersion = holder.enrolment.recordVersion + 1;
  await device.become({ ...holder, enrolment: { ...holder.enrolment, record, recordVersion } });
}

interface Life {
  readonly world: Stage;
  readonly phone: BareDevice;
  /** What is on the phone. */
  readonly raw: MemoryStore;
  readonly bob: BareDevice;
  readonly code: string;
}

/** Alice has a phone that holds the account, a tablet, a friend, two conversations and a recovery code. */
async function life(items = 3): Promise<Life> {
  const world = stage();
  const { clock } = world;
  const raw = memoryStore();
  const phone = await clock.until(bareDevice(world, "alice", { store: raw }));
  const bob = await clock.until(bareDevice(world, "bob", { store: memoryStore() }));
  const holder = holderOf(phone);
  const tablet = deviceKeysOf(await createIdentity({ provider, suite }));
  await advance(
    world,
    phone,
    (await recordWithDevice(signerOf(holder), holder.enrolment.record, tablet, clock.now()))!,
  );
  await clock.until(phone.records.fetch("bob"));
  await phone.peers.verify("bob", phone.peers.get("bob")!.pinned);
  await phone.peers.shun("mallory");
  await clock.until(bob.records.fetch("alice"));
  phone.conversations.push(tea, direct);
  for (let position = 1; position <= items; position++) {
    const from = position % 2 === 0 ? "alice" : "bob";
    await phone.say(tea.id, message(position, from, `tea ${position}`));
  }
  await phone.say(direct.id, message(1, "bob", "psst"));
  const code = await clock.until(phone.keeper.createRecoveryCode());
  return { world, phone, raw, bob, code };
}

const recovering = (code: string, more: Partial<BareOptions> = {}): Omit<BareOptions, "store"> => ({
  recover: readRecoveryCode(code)!,
  ...more,
});

async function textsOf(device: BareDevice, conversation: string): Promise<readonly string[]> {
  const stored = await device.store.scan(timelinePrefix(conversation));
  return stored.map(([, value]) => {
    const item = decodeTimelineItem(value);
    return item.kind === "message" ? `${item.position} ${item.mine ? "me" : item.from}: ${item.text}` : item.kind;
  });
}

async function expectRestored(device: BareDevice): Promise<void> {
  expect(device.peers.get("bob")).toMatchObject({ verified: true, record: { version: 1 } });
  expect(device.peers.isShunned("mallory")).toBe(true);
  expect(device.peers.get("alice")).toBeUndefined();
  expect(await textsOf(device, tea.id)).toEqual(["1 bob: tea 1", "2 me: tea 2", "3 bob: tea 3"]);
  expect(await textsOf(device, direct.id)).toEqual(["1 bob: psst"]);
  expect(await restoredConversations(device.store)).toEqual([
    { ...direct, kind: "direct", nextPosition: 2, lastSeq: 11 },
    { ...tea, kind: "group", nextPosition: 4, lastSeq: 13 },
  ]);
}

describe("a recovered account", () => {
  it("is what it was, on one device, under a new key that the old one signed for", async () => {
    const { world, phone, bob, code } = await life();
    const { clock, relay } = world;
    const before = recordAt(world, "alice");
    const codes: string[] = [];
    const onNewCode = (fresh: string): void => void codes.push(fresh);
    const fresh = memoryStore();
    const laptop = await clock.until(bareDevice(world, "alice", { store: fresh, ...recovering(code, { onNewCode }) }));
    await expectRestored(laptop);
    expect(laptop.restored.map(({ id }) => id).sort()).toEqual([direct.id, tea.id]);
    expect(laptop.failures).toEqual([]);

    const after = recordAt(world, "alice");
    expect(after.version).toBe(before.version + 1);
    expect(after.accountKey).toBe(publicKeyOf(laptop));
    expect(after.rotations!.map(({ from }) => from)).toEqual([before.accountKey]);
    expect(after.devices).toHaveLength(1);
    expect(after.revoked).toHaveLength(2);
    expect(after.revoked).toContain(phone.identity().device);
    // Names are sealed under another secret than the devices that are gone know.
    expect(holderOf(laptop).accountSecret).not.toEqual(holderOf(phone).accountSecret);

    // The new code opens a backup with the new key, the old one opens nothing.
    expect(codes).toHaveLength(1);
    expect(await openedBackup(world, "alice", code)).toBeUndefined();
    const backup = (await openedBackup(world, "alice", codes[0]!))!;
    expect(backup.manifest.accountKey).toEqual(holderOf(laptop).accountKey);
    expect(backup.items.get(tea.id)).toHaveLength(3);
    expect(backup.index.conversations).toHaveLength(2);
    expect(laptop.keeper.health.current.status).toBe("ok");

    // Bob is told, and that it is proven; nothing is sent to her before he accepts.
    await clock.until(bob.records.fetch("alice"));
    expect(bob.identityChanges).toEqual([{ account: "alice", proven: true }]);
    expect(bob.peers.isBlocked("alice")).toBe(true);
    await bob.peers.accept("alice");
    expect(bob.peers.isBlocked("alice")).toBe(false);
    await clock.until(bob.records.fetch("alice"));
    expect(bob.identityChanges).toHaveLength(1);
    expect(relay.unexpected).toEqual([]);
    for (const device of [laptop, phone, bob]) await device.close();
  });

  it("can be recovered again, and the friends follow", async () => {
    const { world, phone, bob, code } = await life();
    const { clock } = world;
    const first: string[] = [];
    const laptop = await clock.until(
      bareDevice(world, "alice", {
        store: memoryStore(),
        ...recovering(code, { onNewCode: (fresh) => void first.push(fresh) }),
      }),
    );
    await laptop.close();
    // The old code has ended; nobody looked in between.
    expect(await codeOf(clock.until(bareDevice(world, "alice", { store: memoryStore(), ...recovering(code) })))).toBe(
      "recovery_code_invalid",
    );
    const third = await clock.until(bareDevice(world, "alice", { store: memoryStore(), ...recovering(first[0]!) }));
    await expectRestored(third);
    expect(recordAt(world, "alice").rotations).toHaveLength(2);
    await clock.until(bob.records.fetch("alice"));
    expect(bob.identityChanges).toEqual([{ account: "alice", proven: true }]);
    for (const device of [third, phone, bob]) await device.close();
  });

  it("keeps its code where the application asks for no new one, and backups go on", async () => {
    const { world, phone, bob, code } = await life();
    const { clock } = world;
    const fresh = memoryStore();
    const laptop = await clock.until(bareDevice(world, "alice", { store: fresh, ...recovering(code) }));
    // The new key is in the backup already.
    expect((await openedBackup(world, "alice", code))!.manifest.accountKey).toEqual(holderOf(laptop).accountKey);
    await laptop.say(tea.id, message(4, "bob", "welcome back"));
    await clock.advance(2 * hour);
    const backup = (await openedBackup(world, "alice", code))!;
    expect(backup.items.get(tea.id)).toHaveLength(4);
    expect(backup.index.conversations).toHaveLength(2);
    await laptop.close();
    // The next start has nothing to do with it any more.
    const again = await clock.until(bareDevice(world, "alice", { store: fresh.reopen(), ...recovering(code) }));
    expect(again.restored).toEqual([]);
    expect(publicKeyOf(again)).toBe(recordAt(world, "alice").accountKey);
    for (const device of [again, phone, bob]) await device.close();
  });

  it("has a long history again, from many blobs", async () => {
    const { world, phone, bob, code } = await life(0);
    const { clock } = world;
    const texts = Array.from({ length: 300 }, (_, index) => message(index + 1, "bob", `${index} `.padEnd(20_000, "x")));
    await phone.say(tea.id, ...texts);
    await clock.advance(2 * hour);
    expect((await openedBackup(world, "alice", code))!.manifest.history.length).toBeGreaterThan(2);
    const laptop = await clock.until(bareDevice(world, "alice", { store: memoryStore(), ...recovering(code) }));
    expect(await laptop.store.scan(timelinePrefix(tea.id))).toHaveLength(300);
    for (const device of [laptop, phone, bob]) await device.close();
  });
});

describe("recovering", () => {
  it("with a wrong code changes nothing, and the right one may follow", async () => {
    const { world, phone, bob, code } = await life();
    const { clock, relay } = world;
    const state = (): unknown => structuredClone([relay.tables.accounts, relay.tables.backups, relay.tables.blobs]);
    const before = state();
    const other = (await life()).code;
    const fresh = memoryStore();
    expect(await codeOf(clock.until(bareDevice(world, "alice", { store: fresh, ...recovering(other) })))).toBe(
      "recovery_code_invalid",
    );
    expect(state()).toEqual(before);
    // A code that fits another account's backup.
    expect(await codeOf(clock.until(bareDevice(world, "bob", { store: memoryStore(), ...recovering(code) })))).toBe(
      "no_backup",
    );
    const laptop = await clock.until(bareDevice(world, "alice", { store: fresh.reopen(), ...recovering(code) }));
    await expectRestored(laptop);
    for (const device of [laptop, phone, bob]) await device.close();
  });

  it("goes on without what the relay has lost, and says so", async () => {
    const { world, phone, bob, code } = await life();
    const { clock, relay } = world;
    const { manifest } = (await openedBackup(world, "alice", code))!;
    for (const name of relay.tables.blobs.keys()) {
      if (name.endsWith(manifest.history[0]!.hash)) relay.tables.blobs.delete(name);
    }
    const laptop = await clock.until(bareDevice(world, "alice", { store: memoryStore(), ...recovering(code) }));
    expect(laptop.failures).toMatchObject([{ code: "backup_lost" }]);
    expect(laptop.peers.isShunned("mallory")).toBe(true);
    expect(await restoredConversations(laptop.store)).toMatchObject([{ nextPosition: 1 }, { nextPosition: 1 }]);
    await laptop.close();

    for (const name of relay.tables.blobs.keys()) relay.tables.blobs.delete(name);
    const second = await clock.until(bareDevice(world, "alice", { store: memoryStore(), ...recovering(code) }));
    expect(second.failures.map(({ code: each }) => each)).toContain("backup_lost");
    expect(publicKeyOf(second)).toBe(recordAt(world, "alice").accountKey);
    for (const device of [second, phone, bob]) await device.close();
  });

  it("may be done over on another device until the new code is in force", async () => {
    const { world, phone, bob, code } = await life();
    const { clock, relay } = world;
    // Dropped into the river while the history comes,
    let dropped = false;
    relay.filter = ({ direction, frame }) => {
      if (direction === "up" && frame.op === "putBackup") dropped = true;
      return !dropped || frame.op !== "downloadBlob";
    };
    const first = bareDevice(world, "alice", { store: memoryStore(), ...recovering(code) });
    await expect(clock.until(first)).rejects.toThrow("no answer came");
    relay.filter = () => true;
    // or while the new code is on the screen.
    const seen: string[] = [];
    const onNewCode = (fresh: string): Promise<void> => {
      seen.push(fresh);
      return Promise.reject(new Error("in the river"));
    };
    const second = bareDevice(world, "alice", { store: memoryStore(), ...recovering(code, { onNewCode }) });
    await expect(clock.until(second)).rejects.toThrow("river");
    expect(await openedBackup(world, "alice", seen[0]!)).toBeUndefined();
    const third = await clock.until(bareDevice(world, "alice", { store: memoryStore(), ...recovering(code) }));
    await expectRestored(third);
    expect(recordAt(world, "alice").rotations).toHaveLength(3);
    for (const device of [third, phone, bob]) await device.close();
  });

  it("goes on wherever it was interrupted, with one rotation and nothing lost", async () => {
    const story = async (k: number): Promise<number> => {
      const { world, phone, bob, code } = await life();
      const { clock, relay } = world;
      const codes: string[] = [];
      const options = recovering(code, { onNewCode: (fresh) => void codes.push(fresh) });
      const store = memoryStore();
      const fate = doom(k, clock);
      const dying = { ...world, relay: { ...relay, transport: fate.transport(relay.transport), reachable: true } };
      const firstLife = bareDevice({ ...dying, clock: { ...clock, ...fate.clock(clock) } }, "alice", {
        store: fate.store(store),
        ...options,
      });
      firstLife.catch(() => {});
      await clock.until(Promise.race([fate.died, firstLife]));
      await clock.settle();
      await store.close();
      const laptop = await clock.until(bareDevice(world, "alice", { store: store.reopen(), ...options }));
      await expectRestored(laptop);
      expect(laptop.failures).toEqual([]);
      expect(recordAt(world, "alice")).toMatchObject({ version: 3, accountKey: publicKeyOf(laptop) });
      expect(recordAt(world, "alice").rotations).toHaveLength(1);
      // The code that was shown last is in force.
      const backup = (await openedBackup(world, "alice", codes.at(-1)!))!;
      expect(backup.items.get(tea.id)).toHaveLength(3);
      expect(await openedBackup(world, "alice", code)).toBeUndefined();
      expect(relay.unexpected).toEqual([]);
      for (const device of [laptop, phone, bob]) await device.close();
      return fate.steps;
    };
    const steps = await story(Infinity);
    expect(steps).toBeGreaterThan(60);
    for (let k = 1; k <= steps; k += 3) {
      try {
        await story(k);
      } catch (error) {
        throw new Error(`died at step ${k} of ${steps}`, { cause: error });
      }
    }
  }, 240_000);
});

describe("a thief", () => {
  it("of a token gets what is sealed, and can change nothing", async () => {
    const { world, phone, bob, code } = await life();
    const { clock, relay } = world;
    const before = structuredClone([relay.tables.accounts, relay.tables.backups]);
    const thief = await clock.until(registering(world, "alice"));
    const { manifest, blobs } = await clock.until(thief.request("getBackup", {}));
    const sealed = Buffer.from(decodeBase64Url(manifest!)).toString("latin1");
    for (const word of ["accountKey", "bob", "privateKey"]) expect(sealed.includes(word)).toBe(false);
    const { url } = await clock.until(thief.request("downloadBlob", { hash: blobs![0]!.hash, backup: true }));
    expect(Buffer.from((await relay.blobs.get(url, Infinity))!).toString("latin1")).not.toContain("mallory");
    const refused = (request: Promise<unknown>): Promise<unknown> =>
      clock.until(request.catch((error: { refusal?: { code: string } }) => error.refusal?.code));
    expect(await refused(thief.request("putBackup", { expected: 1, manifest: manifest!, blobs: [] }))).toBe(
      "out_of_scope",
    );
    const identity = await createIdentity({ provider, suite });
    const forged = await enrolledAs(identity, world);
    expect(await refused(thief.request("putAccount", { record: forged }))).toBe("record_conflict");
    expect([relay.tables.accounts, relay.tables.backups]).toEqual(before);
    expect(await openedBackup(world, "alice", code)).toBeDefined();
    thief.close();
    for (const device of [phone, bob]) await device.close();
  });

  it("of the old phone is out: its socket, its records, its backups", async () => {
    const { world, phone, bob, code } = await life();
    const { clock } = world;
    const old = holderOf(phone);
    const laptop = await clock.until(
      bareDevice(world, "alice", { store: memoryStore(), ...recovering(code, { onNewCode: () => {} }) }),
    );
    const record = (await recordWithNames(signerOf(old), old.enrolment.record))!;
    for (const request of [
      phone.connection.request("putAccount", { record }),
      phone.connection.request("putBackup", { expected: 3, manifest: "AAAA", blobs: [] }),
      phone.connection.request("getBackup", {}),
    ]) {
      const outcome = await clock.until(
        request.catch((error: { refusal?: { code: string } }) => error.refusal?.code ?? "lost"),
      );
      expect(["device_revoked", "lost"]).toContain(outcome);
    }
    // A relay that helps the thief: Bob has seen the key change, and takes no record of the old one.
    await clock.until(bob.records.fetch("alice"));
    const { accounts } = world.relay.tables;
    const known = accounts.get("alice")!;
    accounts.set("alice", { ...known, signed: record, version: 3, receipt: undefined });
    expect(await codeOf(clock.until(bob.records.fetch("alice")))).toBe("identity_invalid");
    await bob.peers.accept("alice");
    expect(await codeOf(clock.until(bob.records.fetch("alice")))).toBe("identity_invalid");
    for (const device of [laptop, phone, bob]) await device.close();
  });
});

describe("a relay", () => {
  it("offers an older record of the account to whoever recovers it", async () => {
    const { world, phone, bob, code } = await life();
    const { clock, relay } = world;
    const known = relay.tables.accounts.get("alice")!;
    const holder = holderOf(phone);
    const { signed } = known;
    await advance(world, phone, (await recordWithNames(signerOf(holder), signed))!);
    await clock.advance(2 * hour);
    relay.tables.accounts.set("alice", known);
    const outcome = await codeOf(
      clock.until(bareDevice(world, "alice", { store: memoryStore(), ...recovering(code) })),
    );
    expect(outcome).toBe("identity_invalid");
    for (const device of [phone, bob]) await device.close();
  });

  it("offers an older backup, from before the account went on under another key", async () => {
    const { world, phone, bob, code } = await life();
    const { clock, relay } = world;
    const old = relay.tables.backups.get("alice")!;
    const laptop = await clock.until(bareDevice(world, "alice", { store: memoryStore(), ...recovering(code) }));
    relay.tables.backups.set("alice", old);
    const outcome = await codeOf(
      clock.until(bareDevice(world, "alice", { store: memoryStore(), ...recovering(code) })),
    );
    expect(outcome).toBe("recovery_code_invalid");
    for (const device of [laptop, phone, bob]) await device.close();
  });

  it("signs receipts with another key for whoever recovers", async () => {
    const { world, phone, bob, code } = await life();
    const { clock } = world;
    const receiptKey = encodeBase64Url(provider.random(32));
    const outcome = await codeOf(
      clock.until(bareDevice(world, "alice", { store: memoryStore(), receiptKey, ...recovering(code) })),
    );
    expect(outcome).toBe("identity_invalid");
    for (const device of [phone, bob]) await device.close();
  });
});

/** A socket of a device that is in no account: what a token alone opens. */
async function registering({ clock, relay }: Stage, account: string): Promise<RelaySocket> {
  const { deviceKey } = await createIdentity({ provider, suite });
  const { url, transport } = relay;
  const token = relay.token(account)();
  const protocols = await connectProtocols(provider, { url, token, deviceKey, now: clock.now() });
  const { signal } = new AbortController();
  const socket = await openRelaySocket({ transport, clock, url, protocols, signal, push: () => {}, closed: () => {} });
  expect((await socket.request("hello", {})).scope).toBe("register");
  return socket;
}

async function enrolledAs(identity: Identity, { clock }: Stage): Promise<Signed> {
  return (await enrol(provider, identity, "alice", clock.now())).enrolment.record;
}
