/** The account's record where the relay, a copy of the holder's store, or a recovery has another version than expected. */
import type { Client, TacitError } from "@tacit/client";
import { memoryStore } from "@tacit/client/memory";
import {
  decodeBase64Url,
  encodeBase64Url,
  recordReceiptLabel,
  type AccountRecord,
  type RecordReceipt,
  type Signed,
} from "@tacit/protocol";
import { sealedStore } from "../../client/src/sealedStore.ts";
import { sign } from "../../client/src/session/identity/accountRecord.ts";
import {
  createIdentity,
  decodeIdentity,
  deviceKeysOf,
  encodeIdentity,
  isHolder,
  type Holder,
} from "../../client/src/session/identity/identity.ts";
import {
  recordUnderNewKey,
  recordWithDevice,
  recordWithoutDevices,
  type Signer,
} from "../../client/src/session/identity/nextRecord.ts";
import { codeOf, linked } from "./support/household.ts";
import { provider, suite } from "./support/primitives.ts";
import { stage, type Stage } from "./support/stage.ts";

const contentOf = ({ payload }: Signed) => JSON.parse(Buffer.from(payload, "base64url").toString()) as AccountRecord;

/** Puts a record into the Directory as the relay would after `putAccount`. */
function putInto({ relay }: Stage, signed: Signed): void {
  const { account, version, accountKey, revoked, devices } = contentOf(signed);
  const ids = devices.map((each) => (contentOf(each) as unknown as { device: string }).device);
  relay.tables.accounts.set(account, { signed, version, accountKey, devices: ids, revoked });
}

/** What the holder's store holds; the client is closed for it. */
async function copyOf(client: Client, store: ReturnType<typeof memoryStore>): Promise<Holder> {
  await client.close();
  const raw = store.reopen();
  const opened = await sealedStore(raw, raw.vault!, (length) => provider.random(length));
  const identity = decodeIdentity((await opened.get("identity"))!)!;
  await opened.close();
  if (!isHolder(identity)) throw new Error("not the holder");
  return identity;
}
function signerOf({ accountKey, accountSecret, device }: Holder): Signer {
  return { provider, accountKey, secret: accountSecret, names: { holder: device, names: new Map() } };
}

function failuresOf(client: Client): string[] {
  const failures: string[] = [];
  client.on("failure", ({ code }: TacitError) => failures.push(code));
  return failures;
}
function versionsPut({ relay }: Stage): string[] {
  const versions: string[] = [];
  relay.filter = ({ direction, frame }) => {
    if (direction === "up" && frame.op === "putAccount") {
      const signed = frame["record"] as Signed;
      versions.push(
        `${contentOf(signed).version} ${encodeBase64Url(provider.hashes["SHA-256"].digest(decodeBase64Url(signed.payload)))}`,
      );
    }
    return true;
  };
  return versions;
}

describe("a version whose answer is lost", () => {
  it("is repeated as it was, and counts once", async () => {
    const world = stage();
    const { clock, relay, arrive } = world;
    const alice = await arrive("alice");
    const { client: phone } = await linked(world, alice);
    const put = versionsPut(world);
    const count = relay.filter;
    let lost = 0;
    relay.filter = (frame) => {
      const answer = frame.frame as { readonly ok?: { readonly version?: number } };
      if (frame.direction === "down" && answer.ok?.version === 3 && lost++ === 0) {
        relay.cut("alice");
        return false;
      }
      return count(frame);
    };
    await clock.until(alice.renameDevice(phone.device, "phone"));
    expect(lost).toBeGreaterThan(0);
    expect(put).toHaveLength(2);
    expect(new Set(put).size).toBe(1);
    expect(relay.tables.accounts.get("alice")!.version).toBe(3);
    for (const client of [alice, phone]) await client.close();
  });
});

describe("another version of the holder's own key", () => {
  it("is followed, and what was wanted comes after it", async () => {
    const world = stage();
    const { clock, relay, arrive } = world;
    const store = memoryStore();
    const first = await arrive("alice", { store });
    const { client: phone } = await linked(world, first, { name: "phone" });
    const copy = await clock.until(copyOf(first, store));
    const alice = await arrive("alice", { store: store.reopen() });
    const failures = [alice, phone].map(failuresOf);
    const put = versionsPut(world);
    // Somebody with a copy of the store, or the store itself from a backup of the disk.
    const tablet = deviceKeysOf(await createIdentity({ provider, suite }));
    const current = relay.tables.accounts.get("alice")!.signed;
    putInto(world, (await recordWithDevice(signerOf(copy), current, tablet, clock.now()))!);
    await clock.until(alice.renameDevice(alice.device, "desk"));
    expect(put.map((each) => each.split(" ")[0])).toEqual(["3", "4"]);
    expect(alice.devices().map(({ id }) => id)).toEqual([alice.device, phone.device, tablet.device]);
    await clock.advance(1_000);
    expect(phone.devices().map(({ name }) => name)).toEqual(["desk", undefined, undefined]);

    // What another version did already is done.
    const next = relay.tables.accounts.get("alice")!.signed;
    putInto(world, (await recordWithoutDevices(signerOf(copy), next, [tablet.device]))!);
    await clock.until(alice.revokeDevice(tablet.device));
    expect(relay.tables.accounts.get("alice")!.version).toBe(5);
    expect(alice.devices().map(({ id }) => id)).toEqual([alice.device, phone.device]);
    expect(failures).toEqual([[], []]);
    for (const client of [alice, phone]) await client.close();
  });
});

describe("a relay that refuses the next version and shows none", () => {
  it("is told about, and is brought the very same one again", async () => {
    const world = stage();
    const { clock, relay, arrive } = world;
    const store = memoryStore();
    const alice = await arrive("alice", { store });
    const failures = failuresOf(alice);
    const put = versionsPut(world);
    const count = relay.filter;
    let refuses = true;
    relay.filter = (frame) => {
      count(frame);
      if (frame.direction !== "up" || frame.frame.op !== "putAccount" || !refuses) return true;
      const error = { code: "record_conflict", retryable: false, message: "" };
      frame.deliver(JSON.stringify({ id: frame.frame["id"], error }));
      return false;
    };
    expect(await clock.until(codeOf(alice.renameDevice(alice.device, "desk")))).toBe("identity_invalid");
    // It does not make another version of that number.
    expect(await clock.until(codeOf(alice.renameDevice(alice.device, "table")))).toBe("identity_invalid");
    expect(new Set(put).size).toBe(1);
    expect(failures).toEqual([]);
    await clock.until(alice.close());
    refuses = false;
    const again = await clock.until(arrive("alice", { store: store.reopen() }));
    expect(again.devices()[0]!.name).toBe("desk");
    await clock.until(again.renameDevice(again.device, "table"));
    expect(put.map((each) => each.split(" ")[0])).toEqual([...put.slice(0, -1).map(() => "2"), "3"]);
    expect(new Set(put).size).toBe(2);
    await again.close();
  });
});

describe("a relay that takes the next version and gives another receipt for it", () => {
  const saidBy = ({ payload }: Signed) => JSON.parse(Buffer.from(payload, "base64url").toString()) as RecordReceipt;
  const another: Readonly<Record<string, (receipt: Signed, first: Signed) => Promise<Signed>>> = {
    "the one of the version before": async (_, first) => first,
    "one under another key": async (receipt) => {
      const mallory = await provider.signatures.Ed25519.generate();
      const key = encodeBase64Url(mallory.publicKey);
      return sign(provider, recordReceiptLabel, mallory, { ...saidBy(receipt), key });
    },
    "one whose signature does not hold": async ({ payload }, { signature }) => ({ payload, signature }),
  };

  it.each(Object.entries(another))("%s: it is not kept, the version waits, and is repeated", async (_name, lie) => {
    const world = stage();
    const { clock, relay, arrive } = world;
    const store = memoryStore();
    const first = await arrive("alice", { store });
    const failures = failuresOf(first);
    const put = versionsPut(world);
    const count = relay.filter;
    const before = relay.tables.accounts.get("alice")!.receipt!;
    relay.filter = (on) => {
      count(on);
      const answer = on.frame["ok"] as { readonly receipt?: Signed; readonly record?: Signed } | undefined;
      if (on.direction === "up" || answer?.receipt === undefined || answer.record !== undefined) return true;
      void lie(answer.receipt, before).then((receipt) =>
        on.deliver(JSON.stringify({ ...on.frame, ok: { ...answer, receipt } })),
      );
      return false;
    };
    expect(await clock.until(codeOf(first.renameDevice(first.device, "desk")))).toBe("identity_invalid");
    expect(failures).toEqual(["identity_invalid"]);
    expect(first.devices()[0]!.name).toBeUndefined();
    const kept = await clock.until(copyOf(first, store));
    expect(kept.enrolment).toMatchObject({ recordVersion: 1, receipt: before });

    relay.filter = count;
    const alice = await clock.until(arrive("alice", { store: store.reopen() }));
    expect(alice.devices()[0]!.name).toBe("desk");
    expect(put).toHaveLength(2);
    expect(new Set(put).size).toBe(1);
    const { enrolment } = await clock.until(copyOf(alice, store));
    expect(saidBy(enrolment.receipt!)).toMatchObject({ account: "alice", version: 2 });
  });
});

describe("an account that went on under another key", () => {
  it("has no place for the devices of before, the holder among them", async () => {
    const world = stage();
    const { clock, relay, arrive } = world;
    const store = memoryStore();
    const first = await arrive("alice", { store });
    const { client: phone } = await linked(world, first);
    const copy = await clock.until(copyOf(first, store));
    const alice = await arrive("alice", { store: store.reopen() });
    const identity = await createIdentity({ provider, suite });
    const accountKey = await provider.signatures.Ed25519.generate();
    const signer = { ...signerOf({ ...copy, accountKey }), names: { holder: identity.device, names: new Map() } };
    const current = relay.tables.accounts.get("alice")!.signed;
    const record = await recordUnderNewKey(signer, current, copy.accountKey, deviceKeysOf(identity), clock.now());
    putInto(world, record!);
    // The relay lets them in as before, and they see for themselves.
    const stored = relay.tables.accounts.get("alice")!;
    relay.tables.accounts.set("alice", {
      ...stored,
      revoked: [],
      devices: [...stored.devices, alice.device, phone.device],
    });
    relay.cut("alice");
    await clock.settle();
    for (const client of [alice, phone]) {
      expect(await clock.until(codeOf(client.caughtUp()))).toBe("device_revoked");
      expect(client.devices().map(({ id }) => id)).toEqual([identity.device]);
    }
    for (const client of [alice, phone]) await client.close();
  });
});

describe("a version that the relay has, and answered with an error", () => {
  it("is landed without another connection", async () => {
    const world = stage();
    const { clock, relay, arrive } = world;
    const [alice, bob] = [await arrive("alice"), await arrive("bob")];
    const { client: phone } = await linked(world, alice);
    const chat = await clock.until(alice.conversation({ with: ["bob"] }));
    await clock.advance(60_000);
    let id: unknown;
    relay.filter = ({ direction, frame, deliver }) => {
      if (direction === "up" && frame.op === "putAccount") id ??= frame["id"];
      if (direction === "up" || frame["id"] !== id) return true;
      deliver(JSON.stringify({ id, error: { code: "internal", retryable: true, message: "" } }));
      return false;
    };
    await clock.until(alice.revokeDevice(phone.device), 60_000);
    await clock.advance(60_000);
    const devicesOf = (account: string) =>
      chat.info.current.members.find((member) => member.account === account)?.devices;
    expect(devicesOf("alice")).toEqual([alice.device]);
    for (const client of [alice, bob, phone]) await client.close();
  });
});

describe("a store of the first version", () => {
  it("is the holder's, and goes on as such", async () => {
    const world = stage();
    const { clock, arrive } = world;
    const store = memoryStore();
    const first = await arrive("alice", { store });
    await first.close();
    const raw = store.reopen();
    const opened = await sealedStore(raw, raw.vault!, (length) => provider.random(length));
    const identity = decodeIdentity((await opened.get("identity"))!)!;
    const {
      accountSecret: _,
      secretSince: __,
      ...older
    } = JSON.parse(Buffer.from(encodeIdentity(identity)).toString()) as Record<string, unknown>;
    const value = new TextEncoder().encode(JSON.stringify({ ...older, version: 1 }));
    await opened.commit([{ key: "identity", value }]);
    await opened.close();
    const alice = await arrive("alice", { store: store.reopen() });
    expect(alice.devices()).toMatchObject([{ isHolder: true, isThis: true }]);
    const { client: phone } = await linked(world, alice, { name: "phone" });
    for (const client of [alice, phone]) expect(client.devices().map(({ name }) => name)).toEqual([undefined, "phone"]);
    for (const client of [alice, phone]) await clock.until(client.close());
  });
});
