/** Account records and key packages. */
import { limits, type AccountRecord } from "@tacit/protocol";
import {
  accountRecordOf,
  certify,
  newIdentity,
  newKey,
  deviceIdOf,
  sha256,
  signJson,
  type Identity,
} from "../../bench/rawDevice.ts";
import { ask, hour, keyPackage, newStage, person, socketOf, type Device } from "./stage.ts";

const hashOf = (record: { payload: string }): string => sha256(Buffer.from(record.payload, "base64url"));
const put = (device: Device, record: ReturnType<typeof accountRecordOf>) => ask(device, "putAccount", { record });

describe("the first record", () => {
  const registering = (identity: Identity = newIdentity("alice")) => {
    const stage = newStage();
    return { stage, identity, socket: socketOf(stage, identity, { scope: "register" }) };
  };

  test("once; a repetition is success, another is a conflict", async () => {
    const { identity, socket } = registering();
    const record = accountRecordOf(identity);
    expect((await put(socket, record)).ok).toMatchObject({ version: 1 });
    expect((await put(socket, record)).ok).toMatchObject({ version: 1 });
    expect((await ask(socket, "getAccount", { account: "alice" })).ok).toMatchObject({ record });
    const thief = { ...newIdentity("alice"), deviceKey: identity.deviceKey, device: identity.device };
    expect((await put(socket, accountRecordOf(thief))).error?.code).toBe("record_conflict");
  });

  const other = newIdentity("alice");
  const broken: [string, (identity: Identity) => ReturnType<typeof accountRecordOf>, string][] = [
    ["of another account", (own) => accountRecordOf({ ...own, account: "bob" }), "record_invalid"],
    [
      "signed by another key",
      (own) => ({ ...accountRecordOf(own), signature: accountRecordOf(other).signature }),
      "record_invalid",
    ],
    [
      "signed as a certificate",
      (own) => signJson("tacit device certificate 1", own.accountKey, recordOf(own)),
      "record_invalid",
    ],
    ["of version 2", (own) => accountRecordOf(own, { version: 2, previous: sha256("x") }), "record_conflict"],
    ["with a record before", (own) => accountRecordOf(own, { previous: sha256("x") }), "record_conflict"],
    [
      "without the device that puts it",
      (own) => accountRecordOf(own, { devices: [certify(own, newKey())] }),
      "record_invalid",
    ],
    ["with a device twice", (own) => accountRecordOf(own, { devices: [certify(own), certify(own)] }), "record_invalid"],
    ["with a device that it revokes", (own) => accountRecordOf(own, { revoked: [own.device] }), "record_invalid"],
    [
      "with a revocation twice",
      (own) => accountRecordOf(own, { revoked: [sha256("x"), sha256("x")] }),
      "record_invalid",
    ],
    [
      "with a certificate under another key",
      (own) => accountRecordOf(own, { devices: [certify({ ...own, accountKey: newKey() })] }),
      "record_invalid",
    ],
    [
      "with a certificate of another account",
      (own) => accountRecordOf(own, { devices: [certify(own, own.deviceKey, { account: "bob" })] }),
      "record_invalid",
    ],
    [
      "with a device under another's name",
      (own) => accountRecordOf(own, { devices: [certify(own, newKey(), { device: own.device })] }),
      "record_invalid",
    ],
    [
      "with a certificate signed as a record",
      (own) => accountRecordOf(own, { devices: [signJson("tacit account record 1", own.accountKey, {})] }),
      "record_invalid",
    ],
    [
      "that is no JSON",
      (own) => ({ ...accountRecordOf(own), payload: Buffer.from("no").toString("base64url") }),
      "record_invalid",
    ],
    [
      "that is no UTF-8",
      (own) => ({ ...accountRecordOf(own), payload: Buffer.from([0xff, 0xfe]).toString("base64url") }),
      "record_invalid",
    ],
  ];
  test.each(broken)("%s", async (_title, make, code) => {
    const { stage, identity, socket } = registering();
    expect((await put(socket, make(identity))).error?.code).toBe(code);
    expect(stage.memory.tables.accounts.size).toBe(0);
  });
});

function recordOf(own: Identity): AccountRecord {
  return {
    account: own.account,
    version: 1,
    previous: null,
    accountKey: own.accountKey.x,
    devices: [certify(own)],
    revoked: [],
  };
}

describe("the next record", () => {
  async function standing() {
    const stage = newStage();
    const alice = await person(stage, "alice");
    const first = (await stage.relay.directory.get("alice"))!.signed;
    const next = (more: Partial<AccountRecord> = {}, identity = alice.identity) =>
      accountRecordOf(identity, { version: 2, previous: hashOf(first), ...more });
    return { stage, alice, next };
  }

  test("of two successors one lands", async () => {
    const { alice, next } = await standing();
    const { identity } = alice;
    const rivals = [next({ devices: [certify(identity), certify(identity, newKey())] }), next()];
    const outcomes = await Promise.all(rivals.map((record) => put(alice, record)));
    expect(outcomes.map(({ ok, error }) => ok?.version ?? error?.code)).toEqual([2, "record_conflict"]);
  });

  test("follows the record that is there", async () => {
    const { stage, alice, next } = await standing();
    const { identity } = alice;
    const lost = sha256("lost");
    const codes = [
      (await put(alice, next({ version: 3 }))).error?.code,
      (await put(alice, next({ previous: sha256("x") }))).error?.code,
      (await put(alice, next({}, { ...identity, accountKey: newKey() }))).error?.code,
      (await put(alice, next({ devices: [certify(identity, newKey())] }))).error?.code,
      // The same device, but its socket connected before it was certified.
      (await put(socketOf(stage, identity, { scope: "register" }), next())).error?.code,
      (await put(socketOf(stage, { ...identity, device: deviceIdOf(newKey()) }), next())).error?.code,
    ];
    expect(codes).toEqual([...Array(3).fill("record_conflict"), "record_invalid", ...Array(2).fill("record_conflict")]);
    const second = next({ revoked: [lost] });
    expect((await put(alice, second)).ok).toMatchObject({ version: 2 });
    const third = { version: 3, previous: hashOf(second) };
    expect((await put(alice, accountRecordOf(identity, third))).error?.code).toBe("record_invalid");
    expect((await put(alice, accountRecordOf(identity, { ...third, revoked: [lost] }))).ok).toMatchObject({
      version: 3,
    });
  });
});

describe("key packages", () => {
  async function pair() {
    const stage = newStage({ claimsPerHour: 5 });
    return { stage, alice: await person(stage, "alice"), bob: await person(stage, "bob") };
  }
  const claim = (device: Device, account = "bob") => ask(device, "claimKeyPackages", { account });

  test("published, counted, claimed once, and then the last resort", async () => {
    const { alice, bob } = await pair();
    const published = { keyPackages: [keyPackage(1), keyPackage(2)], lastResort: keyPackage(3) };
    expect((await ask(bob, "publishKeyPackages", published)).ok).toEqual({ count: 2 });
    expect((await ask(bob, "publishKeyPackages", { keyPackages: [keyPackage(1)] })).ok).toEqual({ count: 2 });
    const given = [await claim(alice), await claim(alice), await claim(alice)].map(({ ok }) => ok!.keyPackages[0]!);
    expect(given.map(({ hash, lastResort }) => [hash, lastResort])).toEqual([
      [keyPackage(1).hash, false],
      [keyPackage(2).hash, false],
      [keyPackage(3).hash, true],
    ]);
    expect((await ask(bob, "countKeyPackages", {})).ok).toEqual({ count: 0, lastResort: true });
    // Places in an inbox sort by the time of the claim.
    expect(new Set(given.map(({ claim: id }) => id)).size).toBe(3);
    expect(given.every(({ claim: id }) => /^[0-9a-f]{12}[A-Za-z0-9_-]{22}$/.test(id))).toBe(true);
  });

  test("one that was given out is not published again; none at all is refused", async () => {
    const { alice, bob } = await pair();
    const publish = () => ask(bob, "publishKeyPackages", { keyPackages: [keyPackage(1)] });
    expect((await publish()).ok).toEqual({ count: 1 });
    expect((await claim(alice)).ok?.keyPackages).toHaveLength(1);
    expect((await publish()).ok).toEqual({ count: 0 });
    expect((await claim(alice)).ok).toMatchObject({ keyPackages: [], missing: [bob.caller.device] });
    expect((await ask(bob, "publishKeyPackages", { keyPackages: [] })).error?.code).toBe("malformed");
  });

  test("claims are counted by the account that makes them, for an hour", async () => {
    const { stage, alice, bob } = await pair();
    await ask(bob, "publishKeyPackages", { keyPackages: [], lastResort: keyPackage(3) });
    for (let i = 0; i < 5; i++) expect((await claim(alice)).ok).toBeDefined();
    const { error } = await claim(alice);
    expect(error).toMatchObject({ code: "rate_limited", retryable: true });
    expect(error!.retryAfter).toBeLessThanOrEqual(hour);
    stage.now += error!.retryAfter!;
    const later = { ...alice, caller: { ...alice.caller, expires: Infinity } };
    expect((await claim(later)).ok).toBeDefined();
  });

  test("one account does not empty another's stock", async () => {
    const stage = newStage();
    const [alice, bob] = [await person(stage, "alice"), await person(stage, "bob")];
    await ask(bob, "publishKeyPackages", { keyPackages: Array.from({ length: 25 }, (_, i) => keyPackage(i)) });
    for (let i = 0; i < 20; i++) expect((await claim(alice)).ok?.keyPackages).toHaveLength(1);
    expect((await claim(alice)).error?.code).toBe("rate_limited");
    // Nor by naming a place to go on from, where it never was.
    const { error } = await ask(alice, "claimKeyPackages", { account: "bob", after: "-".repeat(42) + "A" });
    expect(error?.code).toBe("rate_limited");
    expect((await ask(bob, "countKeyPackages", {})).ok?.count).toBe(5);
  });

  test("a device that was linked is brought into as many conversations as its account has", async () => {
    const stage = newStage();
    const alice = await person(stage, "alice");
    const sibling = deviceIdOf(newKey());
    const stored = (await stage.relay.directory.get("alice"))!;
    stage.memory.tables.accounts.set("alice", { ...stored, devices: [alice.identity.device, sibling] });
    for (let i = 0; i < 60; i++) await stage.relay.keyPackages.add("alice", sibling, keyPackage(i));
    for (let i = 0; i < 60; i++) expect((await claim(alice, "alice")).ok?.keyPackages).toHaveLength(1);
  });

  test("siblings are given, oneself and the revoked are not; pages fit their frame", async () => {
    const stage = newStage();
    const alice = await person(stage, "alice");
    const { identity } = alice;
    const keys = Array.from({ length: 30 }, () => newKey());
    const first = (await stage.relay.directory.get("alice"))!.signed;
    // More certificates than a record of the wire can hold today: the pages are what is tested.
    const stored = (await stage.relay.directory.get("alice"))!;
    const siblings = keys.map(deviceIdOf).sort();
    stage.memory.tables.accounts.set("alice", { ...stored, signed: first, devices: [identity.device, ...siblings] });
    for (const device of siblings.slice(0, 28)) {
      await stage.relay.keyPackages.add("alice", device, keyPackage(1, limits.keyPackage));
    }
    const given: string[] = [];
    const missing: string[] = [];
    for (let after: string | undefined, more = true; more;) {
      const page: Awaited<ReturnType<typeof ask<"claimKeyPackages">>> = await ask(alice, "claimKeyPackages", {
        account: "alice",
        ...(after === undefined ? {} : { after }),
      });
      expect(JSON.stringify(page).length).toBeLessThan(limits.answerFrame);
      given.push(...page.ok!.keyPackages.map(({ device }) => device));
      missing.push(...page.ok!.missing);
      after = page.ok!.next;
      more = after !== undefined;
    }
    expect([given, missing]).toEqual([siblings.slice(0, 28), siblings.slice(28)]);
  });

  test("a device has so many, and no more", async () => {
    const { bob } = await pair();
    const all = Array.from({ length: limits.keyPackagesPerDevice + 1 }, (_, i) =>
      keyPackage(i % 256, 300 + Math.floor(i / 256)),
    );
    for (let from = 0; from < limits.keyPackagesPerDevice; from += limits.keyPackagesPerFrame) {
      const keyPackages = all.slice(from, from + limits.keyPackagesPerFrame);
      expect((await ask(bob, "publishKeyPackages", { keyPackages })).ok).toBeDefined();
    }
    const { error } = await ask(bob, "publishKeyPackages", { keyPackages: all.slice(-1) });
    expect(error?.code).toBe("limit_exceeded");
  });

  test("one that ends within a day, or not within a year, is refused: the table would keep it uncounted", async () => {
    const { stage, bob } = await pair();
    const now = Math.ceil(stage.now / 1_000);
    const day = 86_400;
    const publish = async (notAfter: number, isLast = false) => {
      const one = { ...keyPackage(1), notAfter };
      const fields = isLast ? { keyPackages: [], lastResort: one } : { keyPackages: [one] };
      return (await ask(bob, "publishKeyPackages", fields)).error?.code;
    };
    for (const end of [0, now, now + day - 1, now + 365 * day + 1]) {
      expect([await publish(end), await publish(end, true)]).toEqual(["malformed", "malformed"]);
    }
    expect([await publish(now + day), await publish(now + 365 * day, true)]).toEqual([undefined, undefined]);
  });

  test("those that have ended are given to nobody, and count no more", async () => {
    const { stage, alice, bob } = await pair();
    await ask(bob, "publishKeyPackages", { keyPackages: [keyPackage(1)], lastResort: keyPackage(2) });
    stage.now += 90 * 86_400_000 + 1_000;
    const [claimant, owner] = [alice, bob].map(({ identity }) => socketOf(stage, identity));
    for (const device of [claimant!, owner!]) expect((await ask(device, "hello", {})).ok).toBeDefined();
    expect((await ask(owner!, "countKeyPackages", {})).ok).toEqual({ count: 0, lastResort: false });
    expect((await claim(claimant!)).ok).toMatchObject({ keyPackages: [], missing: [bob.caller.device] });
  });

  test("of an account that is not there", async () => {
    const { alice } = await pair();
    expect((await claim(alice, "nobody")).error?.code).toBe("unknown_account");
    expect((await ask(alice, "getAccount", { account: "nobody" })).error?.code).toBe("unknown_account");
  });
});
