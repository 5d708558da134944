/** An account that goes on under another key: recovery, and who else might try. */
import type { AccountRecord, AccountRotation, Signed } from "@tacit/protocol";
import {
  accountRecordOf,
  certify,
  deviceIdOf,
  newIdentity,
  newKey,
  sha256,
  type Ed25519Key,
  type Identity,
} from "../../bench/rawDevice.ts";
import {
  ask,
  currentRecord,
  keyPackage,
  newStage,
  person,
  pushes,
  rotation,
  sibling,
  socketOf,
  type Device,
  type Stage,
} from "./stage.ts";

const put = (device: Device, record: Signed) => ask(device, "putAccount", { record });

type Recovery = {
  readonly key?: Ed25519Key;
  readonly rotations?: readonly AccountRotation[];
  readonly certified?: readonly AccountRotation[];
  readonly more?: Partial<AccountRecord>;
};

/** Alice with two devices, and a third that knows her account key, and has no certificate. */
async function setting() {
  const stage = newStage();
  const alice = await person(stage, "alice");
  const tablet = await sibling(alice);
  const deviceKey = newKey();
  const fresh: Identity = { ...alice.identity, deviceKey, device: deviceIdOf(deviceKey) };
  const socket = socketOf(stage, fresh, { scope: "register" });
  return { stage, alice, tablet, fresh, socket };
}

/** The record with which `fresh` takes the account over. */
async function recovery(stage: Stage, fresh: Identity, how: Recovery = {}): Promise<Signed> {
  const { key = newKey(), more = {} } = how;
  const rotations = how.rotations ?? [rotation(fresh, key)];
  const { accountRecord, stored } = await currentRecord(stage, fresh.account);
  const next = { ...fresh, accountKey: key };
  return accountRecordOf(next, {
    version: accountRecord.version + 1,
    previous: accountRecord.hash,
    devices: [certify(next, fresh.deviceKey, { rotations: [...(how.certified ?? rotations)] })],
    revoked: [...stored.devices],
    rotations: [...rotations],
    ...more,
  });
}

test("recovery: a device without a certificate, with the account key, ends all others at once", async () => {
  const { stage, alice, tablet, fresh, socket } = await setting();
  await ask(tablet, "publishKeyPackages", { keyPackages: [keyPackage(1)] });
  const record = await recovery(stage, fresh);
  expect((await put(socket, record)).ok).toMatchObject({ version: 3 });
  for (const device of [alice, tablet]) {
    expect(pushes(device, "bye")).toEqual([{ push: "bye", code: "device_revoked" }]);
    expect(stage.memory.closed).toContain(device.caller.connection);
    expect((await ask(device, "readInbox", {})).error?.code).toBe("not_registered");
    expect((await ask(device, "hello", {})).error?.code).toBe("device_revoked");
  }
  expect(await stage.relay.keyPackages.count("alice", tablet.caller.device)).toBe(0);
  // It comes back with a certificate, and goes on as the holder.
  const back = socketOf(stage, fresh);
  expect((await ask(back, "hello", {})).ok?.scope).toBe("full");
  expect((await put(socket, record)).ok).toMatchObject({ version: 3 });
});

test("never back to a key that was: whoever found it could go on from there", async () => {
  const { stage, fresh, socket } = await setting();
  const key = newKey();
  const there = rotation(fresh, key);
  await put(socket, await recovery(stage, fresh, { key }));
  const way = [there, rotation({ ...fresh, accountKey: key }, fresh.accountKey)];
  const more = { revoked: await gone(stage, fresh) };
  const back = await recovery(stage, fresh, { key: fresh.accountKey, rotations: way, more });
  expect((await put(socket, back)).error?.code).toBe("record_invalid");
  const other = newKey();
  const onward = [there, rotation({ ...fresh, accountKey: key }, other)];
  expect((await put(socket, await recovery(stage, fresh, { key: other, rotations: onward, more }))).ok).toBeDefined();
});

test("again and again, each from the key before, with the newest four proofs", async () => {
  const { stage, fresh, socket } = await setting();
  let current = fresh;
  const way: AccountRotation[] = [];
  const next = async (rotations: readonly AccountRotation[], key: Ed25519Key) =>
    put(socket, await recovery(stage, current, { key, rotations, more: { revoked: await gone(stage, fresh) } }));
  for (let i = 0; i < 6; i++) {
    const key = newKey();
    const proof = rotation(current, key);
    // Neither without one that there was room for, nor with another in its place.
    if (way.length > 0 && way.length < 4) expect((await next([...way.slice(1), proof], key)).ok).toBeUndefined();
    if (way.length > 1) expect((await next([...way.toReversed().slice(-3), proof], key)).ok).toBeUndefined();
    way.push(proof);
    if (way.length > 4) way.shift();
    expect((await next(way, key)).ok).toMatchObject({ version: 3 + i });
    current = { ...current, accountKey: key };
  }
  const { certificates } = await currentRecord(stage, "alice");
  expect(certificates).toHaveLength(1);
});

const gone = async (stage: Stage, { device }: Identity): Promise<string[]> => {
  const { stored } = await currentRecord(stage, "alice");
  return [...new Set([...stored.devices, ...stored.revoked])].filter((one) => one !== device);
};

describe("refused:", () => {
  const thief = newIdentity("alice");
  const cases: [string, (stage: Stage, fresh: Identity) => Promise<Signed>, string][] = [
    [
      "a new key that nobody signed for",
      (stage, fresh) => recovery(stage, fresh, { rotations: [] }),
      "record_conflict",
    ],
    [
      "signed for by a key of the thief's own",
      (stage, fresh) => {
        const key = newKey();
        const { signature } = rotation({ ...thief, device: fresh.device }, key);
        return recovery(stage, fresh, { key, rotations: [{ from: fresh.accountKey.x, signature }] });
      },
      "record_invalid",
    ],
    [
      "a way that begins with a key of the thief's own",
      (stage, fresh) => {
        const key = newKey();
        return recovery(stage, fresh, { key, rotations: [rotation(thief, key)] });
      },
      "record_conflict",
    ],
    [
      "signed for another key than the record's",
      (stage, fresh) => recovery(stage, fresh, { rotations: [rotation(fresh, newKey())] }),
      "record_invalid",
    ],
    [
      "signed for another account",
      (stage, fresh) => {
        const key = newKey();
        return recovery(stage, fresh, { key, rotations: [rotation({ ...fresh, account: "bob" }, key)] });
      },
      "record_invalid",
    ],
    [
      "two steps at once",
      (stage, fresh) => {
        const [between, key] = [newKey(), newKey()];
        const second = rotation({ ...fresh, accountKey: between }, key);
        return recovery(stage, fresh, { key, rotations: [rotation(fresh, between), second] });
      },
      "record_conflict",
    ],
    [
      "certificates that say nothing of it",
      (stage, fresh) => recovery(stage, fresh, { certified: [] }),
      "record_invalid",
    ],
    [
      "a device that is neither certified nor revoked",
      (stage, fresh) => recovery(stage, fresh, { more: { revoked: [] } }),
      "record_invalid",
    ],
    [
      "without the device that puts it",
      async (stage, fresh) => {
        const other = newKey();
        return recovery(stage, { ...fresh, deviceKey: other, device: deviceIdOf(other) });
      },
      "record_invalid",
    ],
    ["another version", (stage, fresh) => recovery(stage, fresh, { more: { version: 9 } }), "record_conflict"],
    [
      "another record before",
      (stage, fresh) => recovery(stage, fresh, { more: { previous: sha256("x") } }),
      "record_conflict",
    ],
    [
      "the same key, by a device that would certify itself",
      async (stage, fresh) => {
        const { accountRecord, stored } = await currentRecord(stage, "alice");
        const { version, hash: previous } = accountRecord;
        return accountRecordOf(fresh, { version: version + 1, previous, revoked: [...stored.devices] });
      },
      "record_conflict",
    ],
  ];
  test.each(cases)("%s", async (_title, make, code) => {
    const { stage, alice, fresh, socket } = await setting();
    const before = await stage.relay.directory.get("alice");
    expect((await put(socket, await make(stage, fresh))).error?.code).toBe(code);
    expect(await stage.relay.directory.get("alice")).toEqual(before);
    expect(stage.memory.closed).toEqual([]);
    expect((await ask(alice, "readInbox", {})).ok).toBeDefined();
  });

  test("a first record with a way before it", async () => {
    const stage = newStage();
    const identity = newIdentity("alice");
    const key = newKey();
    const rotations = [rotation(identity, key)];
    const next = { ...identity, accountKey: key };
    const record = accountRecordOf(next, { devices: [certify(next, identity.deviceKey, { rotations })], rotations });
    expect((await put(socketOf(stage, identity, { scope: "register" }), record)).error?.code).toBe("record_invalid");
  });

  test("by the holder, who goes on under the same key and leaves the way out", async () => {
    const { stage, fresh, socket } = await setting();
    const key = newKey();
    await put(socket, await recovery(stage, fresh, { key }));
    const holder = { ...fresh, accountKey: key };
    const back = socketOf(stage, holder);
    await ask(back, "hello", {});
    const { accountRecord, stored } = await currentRecord(stage, "alice");
    const base = { version: accountRecord.version + 1, previous: accountRecord.hash, revoked: [...stored.revoked] };
    expect((await put(back, accountRecordOf(holder, base))).error?.code).toBe("record_invalid");
    const rotations = [rotation(fresh, key)];
    const devices = [certify(holder, holder.deviceKey, { rotations })];
    expect((await put(back, accountRecordOf(holder, { ...base, rotations, devices }))).ok).toBeDefined();
  });
});

describe("a record that is shown again", () => {
  test("is no way back: not the old one, not the recovery against a later record, and not for another device", async () => {
    const { stage, alice, fresh, socket } = await setting();
    const old = (await currentRecord(stage, "alice")).stored.signed;
    const record = await recovery(stage, fresh);
    await put(socket, record);
    for (const device of [socket, socketOf(stage, fresh), socketOf(stage, alice.identity)]) {
      expect((await put(device, old)).error?.code).toBe("record_conflict");
    }
    // The same again says the same, whoever repeats it, and changes nothing.
    const stranger = socketOf(stage, newIdentity("alice"), { scope: "register" });
    const before = await stage.relay.directory.get("alice");
    expect((await put(stranger, record)).ok).toMatchObject({ version: 3 });
    expect(await stage.relay.directory.get("alice")).toEqual(before);
  });

  test("a lost holder cannot answer a recovery with one of its own", async () => {
    const { stage, alice, fresh, socket } = await setting();
    const key = newKey();
    // Both were signed by the old key; the recovery came first.
    const own = await recovery(stage, alice.identity, { key, more: { revoked: await gone(stage, alice.identity) } });
    await put(socket, await recovery(stage, fresh));
    expect((await put(socketOf(stage, alice.identity, { scope: "register" }), own)).error?.code).toBe(
      "record_conflict",
    );
    const again = await recovery(stage, alice.identity, { key });
    expect((await put(socketOf(stage, alice.identity, { scope: "register" }), again)).error?.code).toMatch(
      /record_conflict|record_invalid/,
    );
  });
});
