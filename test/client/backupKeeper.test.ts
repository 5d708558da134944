/** Backups that are made by themselves, and looked after. */
import { memoryStore, type MemoryStore } from "@tacit/client/memory";
import { encodeBase64Url } from "@tacit/protocol";
import type { BackupHealth } from "../../client/src/backup/backupKeeper.ts";
import { changes } from "../../client/src/session/conversationStore.ts";
import { isHolder } from "../../client/src/session/identity/identity.ts";
import { bareDevice, message, provider, type BareDevice, type BareOptions } from "./support/bareDevice.ts";
import { doom } from "./support/crash.ts";
import { couple } from "./support/devices.ts";
import { openedBackup } from "./support/openedBackup.ts";
import { stage, type Stage } from "./support/stage.ts";

const hour = 3_600_000;
const tea = { id: `g-${"T".repeat(22)}`, log: `g-${"T".repeat(22)}`, members: ["alice", "bob"], title: "Tea" };

interface Home {
  readonly world: Stage;
  readonly raw: MemoryStore;
  readonly alice: BareDevice;
  /** Requests that Alice's device made, by operation. */
  readonly asked: Map<string, number>;
  readonly history: BackupHealth[];
  readonly times: (operation: string) => number;
}

async function home(more: Partial<BareOptions> = {}): Promise<Home> {
  const world = stage();
  const asked = new Map<string, number>();
  world.relay.filter = ({ direction, frame }) => {
    if (direction === "up") asked.set(frame.op!, (asked.get(frame.op!) ?? 0) + 1);
    return true;
  };
  const raw = memoryStore();
  const alice = await world.clock.until(bareDevice(world, "alice", { store: raw, ...more }));
  const history: BackupHealth[] = [];
  alice.keeper.health.subscribe((health) => history.push(health));
  return { world, raw, alice, asked, history, times: (operation) => asked.get(operation) ?? 0 };
}

describe("a recovery code", () => {
  it("turns backups on, and opens the one that was made with it", async () => {
    const { world, alice, history } = await home();
    expect(alice.keeper.health.current).toEqual({ status: "off" });
    alice.conversations.push(tea);
    await alice.say(tea.id, message(1, "bob", "one lump?"), message(2, "alice", "two"));
    await alice.peers.shun("mallory");
    const code = await world.clock.until(alice.keeper.createRecoveryCode());
    await world.clock.settle();
    const now = world.clock.now();
    expect(alice.keeper.health.current).toEqual({ status: "ok", lastAt: now, lastCheckedAt: now });
    expect(history.map(({ status }) => status)).not.toContain("failing");

    const backup = (await openedBackup(world, "alice", code))!;
    const identity = alice.identity();
    if (!isHolder(identity)) throw new Error("a holder");
    expect(backup.manifest.accountKey).toEqual(identity.accountKey);
    expect(backup.manifest.accountSecret.secret).toEqual(identity.accountSecret);
    expect(backup.manifest.record.version).toBe(1);
    expect(backup.index).toMatchObject({ people: { peers: [], shunned: ["mallory"] }, conversations: [tea] });
    expect(backup.items.get(tea.id)).toEqual([message(1, "bob", "one lump?"), message(2, "alice", "two")]);
    await alice.close();
  });

  it("is not in the store, and its key is sealed there", async () => {
    const { world, raw, alice } = await home();
    const code = await world.clock.until(alice.keeper.createRecoveryCode());
    await alice.close();
    const again = raw.reopen();
    for (const [key, value] of await again.scan("")) {
      const text = key + Buffer.from(value).toString("latin1");
      for (const word of [code, code.replaceAll("-", ""), "privateKey", code.slice(0, 9)]) {
        expect(text.includes(word)).toBe(false);
      }
    }
    await again.close();
  });

  it("ends when there is a new one, and with it what its backups could open", async () => {
    const { world, alice } = await home();
    alice.conversations.push(tea);
    await alice.say(tea.id, message(1, "bob", "before"));
    const first = await world.clock.until(alice.keeper.createRecoveryCode());
    const before = (await openedBackup(world, "alice", first))!;
    const second = await world.clock.until(alice.keeper.createRecoveryCode());
    expect(await openedBackup(world, "alice", first)).toBeUndefined();
    const after = (await openedBackup(world, "alice", second))!;
    expect(after.items).toEqual(before.items);
    // Nothing that the old manifest has keys of is in use.
    expect(after.blobs.filter((hash) => before.blobs.includes(hash))).toEqual([]);
    await alice.close();
  });

  it("belongs to the device that holds the account key", async () => {
    const { world, alice } = await home();
    await alice.become({ ...alice.identity(), accountKey: undefined });
    await expect(world.clock.until(alice.keeper.createRecoveryCode())).rejects.toMatchObject({ code: "not_holder" });
    expect(alice.keeper.health.current.status).toBe("off");
    await expect(world.clock.until(alice.keeper.backupNow())).rejects.toMatchObject({ code: "invalid_argument" });
    await alice.close();
  });

  it("is replaced wherever the device dies, by one that was seen, or not at all", async () => {
    const story = async (k: number): Promise<number> => {
      const { world, raw, alice } = await home();
      const { clock, relay } = world;
      alice.conversations.push(tea);
      await alice.say(tea.id, message(1, "bob", "kept"));
      const old = await clock.until(alice.keeper.createRecoveryCode());
      await clock.advance(60_000);
      await alice.close();
      const fate = doom(k, clock);
      const dying = { ...world, clock: { ...clock, ...fate.clock(clock) } };
      const seen: string[] = [];
      let returned: string | undefined;
      const store = raw.reopen();
      const firstLife = (async () => {
        const device = await bareDevice(dying, "alice", { store: fate.store(store) });
        device.conversations.push(tea);
        returned = await device.keeper.createRecoveryCode((code) => void seen.push(code));
        await device.close();
      })();
      firstLife.catch(() => {});
      await clock.until(Promise.race([fate.died, firstLife]));
      await clock.settle();
      await store.close();
      const again = await clock.until(bareDevice(world, "alice", { store: raw.reopen() }));
      again.conversations.push(tea);
      const statuses = new Set<string>();
      again.keeper.health.subscribe(({ status }) => statuses.add(status));
      again.keeper.touch();
      await clock.advance(3 * hour);
      expect([...statuses]).toEqual(["ok"]);
      const opened: string[] = [];
      for (const code of [old, ...seen])
        if ((await openedBackup(world, "alice", code)) !== undefined) opened.push(code);
      expect(opened).toHaveLength(1);
      if (returned !== undefined) expect(opened).toEqual([returned]);
      expect((await openedBackup(world, "alice", opened[0]!))!.items.get(tea.id)).toHaveLength(1);
      expect(again.keeper.health.current.status).toBe("ok");
      expect(relay.unexpected).toEqual([]);
      await again.close();
      return fate.steps;
    };
    const steps = await story(Infinity);
    expect(steps).toBeGreaterThan(15);
    for (let k = 1; k <= steps; k++) {
      try {
        await story(k);
      } catch (error) {
        throw new Error(`died at step ${k} of ${steps}`, { cause: error });
      }
    }
  }, 120_000);

  it("whose backup did not get through is none: the one before opens the next backup", async () => {
    const { world, raw, alice } = await home();
    const { clock, relay } = world;
    alice.conversations.push(tea);
    await alice.say(tea.id, message(1, "bob", "kept"));
    const code = await clock.until(alice.keeper.createRecoveryCode());
    await clock.advance(hour);
    // The relay stores the backup under the new code, and its answer is lost.
    let put: unknown;
    relay.filter = ({ direction, frame }) => {
      if (direction === "up" && frame.op === "putBackup") put = frame["id"];
      return direction === "up" || frame["id"] !== put;
    };
    await expect(clock.until(alice.keeper.createRecoveryCode())).rejects.toMatchObject({ code: "connection_lost" });
    expect(await openedBackup(world, "alice", code)).toBeUndefined();
    await alice.close();
    relay.filter = () => true;
    const again = await clock.until(bareDevice(world, "alice", { store: raw.reopen() }));
    again.conversations.push(tea);
    again.keeper.touch();
    await clock.advance(2 * hour);
    expect((await openedBackup(world, "alice", code))!.items.get(tea.id)).toEqual([message(1, "bob", "kept")]);
    expect(again.keeper.health.current.status).toBe("ok");
    await again.close();
  });
});

describe("a backup", () => {
  it("is made by itself after a change, once an hour at most, and not without one", async () => {
    const { world, alice, times } = await home();
    const { clock } = world;
    alice.conversations.push(tea);
    const code = await clock.until(alice.keeper.createRecoveryCode());
    expect(times("putBackup")).toBe(1);
    await clock.advance(20 * hour);
    expect(times("putBackup")).toBe(1);
    await alice.say(tea.id, message(1, "bob", "hello"));
    await clock.advance(20_000);
    expect(times("putBackup")).toBe(1);
    await clock.advance(60_000);
    expect(times("putBackup")).toBe(2);
    for (let position = 2; position <= 60; position++) {
      await alice.say(tea.id, message(position, "bob", `m${position}`));
      await clock.advance(60_000);
    }
    expect(times("putBackup")).toBe(2);
    await clock.advance(hour);
    expect(times("putBackup")).toBe(3);
    expect((await openedBackup(world, "alice", code))!.items.get(tea.id)).toHaveLength(60);
    await alice.close();
  });

  it("follows the people, and the account's record", async () => {
    const { world, alice, times } = await home();
    const { clock } = world;
    const bob = await clock.until(bareDevice(world, "bob", { store: memoryStore() }));
    const code = await clock.until(alice.keeper.createRecoveryCode());
    await clock.until(alice.records.fetch("bob"));
    await clock.advance(2 * hour);
    expect(times("putBackup")).toBe(2);
    await alice.peers.verify("bob", alice.peers.get("bob")!.pinned);
    await clock.advance(2 * hour);
    const { index, manifest } = (await openedBackup(world, "alice", code))!;
    expect(index.people.peers).toMatchObject([{ account: "bob", verified: true, record: { version: 1 } }]);
    expect(manifest.receiptKey).toBe(alice.records.receiptKey);
    await alice.close();
    await bob.close();
  });

  it("uploads what is new, and no blob twice", async () => {
    const { world, alice, asked } = await home();
    const { clock } = world;
    alice.conversations.push(tea);
    const texts = (from: number, to: number) =>
      Array.from({ length: to - from + 1 }, (_, index) => message(from + index, "bob", "x".repeat(20_000)));
    await alice.say(tea.id, ...texts(1, 80));
    const code = await clock.until(alice.keeper.createRecoveryCode());
    const first = (await openedBackup(world, "alice", code))!;
    asked.clear();
    await alice.say(tea.id, message(81, "bob", "new"));
    await clock.advance(2 * hour);
    const second = (await openedBackup(world, "alice", code))!;
    // One blob of history; the index did not change.
    expect(asked.get("uploadBlob")).toBe(1);
    expect(second.blobs.slice(0, first.blobs.length)).toEqual(first.blobs);
    expect(second.items.get(tea.id)).toHaveLength(81);
    await alice.close();
  });

  it("forgets what this device forgot", async () => {
    const { world, alice } = await home();
    const { clock } = world;
    const other = { ...tea, id: `g-${"U".repeat(22)}`, log: `g-${"U".repeat(22)}`, title: "Secret" };
    alice.conversations.push(tea, other);
    await alice.say(tea.id, message(1, "bob", "stays"));
    await alice.say(other.id, message(1, "bob", "goes"));
    const code = await clock.until(alice.keeper.createRecoveryCode());
    alice.conversations.pop();
    alice.keeper.touch();
    await clock.advance(2 * hour);
    const { items, index } = (await openedBackup(world, "alice", code))!;
    expect([...items.keys()]).toEqual([tea.id]);
    expect(index.conversations).toEqual([tea]);
    await alice.close();
  });

  it("goes on after a restart, without uploading anything again", async () => {
    const { world, raw, alice, asked } = await home();
    const { clock } = world;
    alice.conversations.push(tea);
    await alice.say(tea.id, message(1, "bob", "hello"));
    const code = await clock.until(alice.keeper.createRecoveryCode());
    await alice.close();
    asked.clear();
    const again = await clock.until(bareDevice(world, "alice", { store: raw.reopen() }));
    again.conversations.push(tea);
    expect(again.keeper.health.current.status).toBe("ok");
    await clock.advance(2 * hour);
    expect(asked.get("putBackup")).toBeUndefined();
    expect(asked.get("uploadBlob")).toBeUndefined();
    await again.say(tea.id, message(2, "bob", "still there?"));
    await clock.advance(2 * hour);
    expect((await openedBackup(world, "alice", code))!.items.get(tea.id)).toHaveLength(2);
    await again.close();
  });

  it("holds no secret of any group", async () => {
    const { world, alice } = await home();
    const { atAlice, alice: context } = await couple();
    // The whole conversation lies in the store, next to its timeline.
    await alice.store.commit(changes(undefined, { state: atAlice, items: [], consumed: [] }));
    const members = ["alice", "bob"];
    alice.conversations.push({ id: atAlice.id, log: atAlice.id, members });
    await alice.say(atAlice.id, message(1, "bob", "hello"));
    const code = await world.clock.until(alice.keeper.createRecoveryCode());
    const backup = (await openedBackup(world, "alice", code))!;
    const text = JSON.stringify(
      [backup.manifest, backup.index, backup.archives, [...backup.items]],
      (_, value: unknown) => (value instanceof Uint8Array ? encodeBase64Url(value) : value),
    );
    expect(text).toContain("hello");
    const secrets = [...bytesIn(atAlice.group), context.member.signatureKey.privateKey].filter(
      (bytes) => bytes.length >= 16 && Buffer.from(bytes).toString() !== atAlice.id,
    );
    expect(secrets.length).toBeGreaterThan(25);
    for (const secret of secrets) {
      const buffer = Buffer.from(secret);
      for (const spelling of [encodeBase64Url(secret), buffer.toString("base64"), buffer.toString("hex")]) {
        expect(text.includes(spelling)).toBe(false);
      }
    }
    await alice.close();
  });
});

/** All bytes in a value. */
function bytesIn(value: unknown, seen = new Set<unknown>()): readonly Uint8Array[] {
  if (value instanceof Uint8Array) return [value];
  if (typeof value !== "object" || value === null || seen.has(value)) return [];
  seen.add(value);
  const parts = value instanceof Map ? [...value.entries()].flat() : Object.values(value);
  return parts.flatMap((part) => bytesIn(part, seen));
}

describe("looking after a backup", () => {
  it("finds what the relay lost, tells, and makes it anew", async () => {
    const { world, alice, history } = await home();
    const { clock, relay } = world;
    alice.conversations.push(tea);
    await alice.say(tea.id, message(1, "bob", "hello"));
    const code = await clock.until(alice.keeper.createRecoveryCode());
    const [hash] = (await openedBackup(world, "alice", code))!.blobs.slice(-1);
    for (const name of relay.tables.blobs.keys()) if (name.endsWith(hash!)) relay.tables.blobs.delete(name);
    await clock.advance(40 * hour);
    expect(history.find(({ status }) => status === "failing")?.error).toMatchObject({ code: "backup_lost" });
    expect(alice.keeper.health.current.status).toBe("ok");
    const { blobs, items } = (await openedBackup(world, "alice", code))!;
    expect(blobs).not.toContain(hash);
    expect(items.get(tea.id)).toHaveLength(1);
    await alice.close();
  });

  it("finds a blob that is there and is not what it was", async () => {
    const { world, alice, history } = await home();
    const { clock, relay } = world;
    alice.conversations.push(tea);
    await alice.say(tea.id, message(1, "bob", "hello"));
    const code = await clock.until(alice.keeper.createRecoveryCode());
    for (const hash of (await openedBackup(world, "alice", code))!.blobs) {
      await relay.blobs.put(`memory:backup/${hash}`, {}, provider.random(100));
    }
    await clock.advance(40 * hour);
    expect(history.find(({ status }) => status === "failing")?.error).toMatchObject({ code: "backup_lost" });
    expect(alice.keeper.health.current.status).toBe("ok");
    expect((await openedBackup(world, "alice", code))!.items.get(tea.id)).toHaveLength(1);
    await alice.close();
  });

  it.each(["older", "another", "none"])("finds that the relay has %s", async (what) => {
    const { world, alice, history } = await home();
    const { clock, relay } = world;
    alice.conversations.push(tea);
    await alice.say(tea.id, message(1, "bob", "hello"));
    const code = await clock.until(alice.keeper.createRecoveryCode());
    const old = relay.tables.backups.get("alice")!;
    await alice.say(tea.id, message(2, "bob", "again"));
    await clock.advance(2 * hour);
    const now = relay.tables.backups.get("alice")!;
    if (what === "none") relay.tables.backups.delete("alice");
    else relay.tables.backups.set("alice", what === "older" ? old : { ...now, version: 17, manifest: old.manifest });
    await clock.advance(40 * hour);
    expect(history.find(({ status }) => status === "failing")?.error).toMatchObject({ code: "backup_lost" });
    expect(alice.keeper.health.current.status).toBe("ok");
    expect((await openedBackup(world, "alice", code))!.items.get(tea.id)).toHaveLength(2);
    await alice.close();
  });

  it("is done each day, also where nothing changed", async () => {
    const { world, alice, history, times } = await home();
    const { clock } = world;
    await clock.until(alice.keeper.createRecoveryCode());
    await clock.advance(240 * hour);
    const checks = new Set(history.map(({ lastCheckedAt }) => lastCheckedAt)).size;
    expect(checks).toBeGreaterThanOrEqual(8);
    expect(checks).toBeLessThanOrEqual(12);
    expect(times("putBackup")).toBe(1);
    await alice.close();
  });

  it("says that it is late where there is no connection for a day", async () => {
    const { world, alice, history } = await home();
    const { clock, relay } = world;
    alice.conversations.push(tea);
    const code = await clock.until(alice.keeper.createRecoveryCode());
    relay.reachable = false;
    relay.cut();
    await alice.say(tea.id, message(1, "bob", "hello"));
    await clock.advance(23 * hour);
    expect(alice.keeper.health.current.status).toBe("ok");
    await clock.advance(2 * hour);
    expect(alice.keeper.health.current.status).toBe("late");
    expect(history.map(({ status }) => status)).not.toContain("failing");
    relay.reachable = true;
    alice.keeper.connected();
    await clock.advance(hour);
    expect(alice.keeper.health.current.status).toBe("ok");
    expect((await openedBackup(world, "alice", code))!.items.get(tea.id)).toHaveLength(1);
    await alice.close();
  });

  it.each(["its looks", "the first look"])("says that it is late where the relay is too busy for %s", async (which) => {
    const { world, alice, history } = await home();
    const { clock, relay } = world;
    if (which === "its looks") await clock.until(alice.keeper.createRecoveryCode());
    let refused = 0;
    relay.filter = ({ direction, frame, deliver }) => {
      if (direction === "down" || frame.op !== "getBackup") return true;
      // What makes a backup asks as well.
      if (which === "the first look" && relay.tables.backups.get("alice") === undefined) return true;
      refused++;
      deliver(JSON.stringify({ id: frame["id"], error: { code: "busy", retryable: true, message: "" } }));
      return false;
    };
    if (which === "the first look") await clock.until(alice.keeper.createRecoveryCode());
    await clock.advance(47 * hour);
    expect(refused).toBeGreaterThan(3);
    expect(alice.keeper.health.current.status).toBe("ok");
    await clock.advance(8 * hour);
    expect(alice.keeper.health.current.status).toBe("late");
    expect(history.map(({ status }) => status)).not.toContain("failing");
    relay.filter = () => true;
    await clock.advance(8 * hour);
    expect(alice.keeper.health.current.status).toBe("ok");
    await alice.close();
  });

  it("says that it is late where nobody could look for two days, also where nothing changed", async () => {
    const { world, raw, alice } = await home();
    const { clock, relay } = world;
    await clock.until(alice.keeper.createRecoveryCode());
    await clock.advance(hour);
    relay.reachable = false;
    relay.cut();
    await clock.advance(46 * hour);
    expect(alice.keeper.health.current.status).toBe("ok");
    await clock.advance(8 * hour);
    expect(alice.keeper.health.current.status).toBe("late");
    await alice.close();
    relay.reachable = true;
    const again = await clock.until(bareDevice(world, "alice", { store: raw.reopen() }));
    await clock.advance(hour);
    expect(again.keeper.health.current.status).toBe("ok");
    await again.close();
  });

  it("tells why a backup does not work, and tries again", async () => {
    const { world, alice } = await home();
    const { clock, relay } = world;
    alice.conversations.push(tea);
    const code = await clock.until(alice.keeper.createRecoveryCode());
    relay.filter = ({ direction, frame, deliver }) => {
      if (direction === "down" || frame.op !== "putBackup") return true;
      const error = { code: "limit_exceeded", retryable: false, message: "too much" };
      deliver(JSON.stringify({ id: frame["id"], error }));
      return false;
    };
    await alice.say(tea.id, message(1, "bob", "hello"));
    await expect(clock.until(alice.keeper.backupNow())).rejects.toMatchObject({ code: "too_large" });
    expect(alice.keeper.health.current).toMatchObject({ status: "failing", error: { code: "too_large" } });
    relay.filter = () => true;
    await clock.advance(12 * hour);
    expect(alice.keeper.health.current.status).toBe("ok");
    expect((await openedBackup(world, "alice", code))!.items.get(tea.id)).toHaveLength(1);
    await alice.close();
  });

  it("waits for a relay that tidies up, and does not keep a client from closing", async () => {
    const { world, alice } = await home();
    const { clock } = world;
    await clock.until(alice.keeper.createRecoveryCode());
    await clock.until(alice.keeper.createRecoveryCode());
    const third = alice.keeper.createRecoveryCode();
    const outcome = third.then(
      () => "made",
      (error: { readonly code: string }) => error.code,
    );
    await clock.settle();
    await alice.close();
    expect(await outcome).toBe("connection_lost");
  });
});
