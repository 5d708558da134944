/** What a relay that follows no rules does with account records, and what people learn of it; each test is named after the attempt. */
import { memoryStore } from "@tacit/client/memory";
import {
  accountRecordLabel,
  decodeBase64Url,
  encodeBase64Url,
  recordReceiptLabel,
  type AccountRecord,
  type RecordReceipt,
  type Signed,
} from "@tacit/protocol";
import type { KeyPair } from "@tacit/mls";
import { sign } from "../../client/src/session/identity/accountRecord.ts";
import { isHolder, type Holder } from "../../client/src/session/identity/identity.ts";
import { markOf } from "../../client/src/session/identity/recordMark.ts";
import { verifyEvidence } from "../../client/src/session/identity/receipt.ts";
import type { Shown } from "../../client/src/session/identity/peers.ts";
import { bareDevice, provider, type BareDevice } from "./support/bareDevice.ts";
import type { FrameOnItsWay } from "./support/inProcessRelay.ts";
import { stage, type Stage } from "./support/stage.ts";

interface Town {
  readonly world: Stage;
  readonly alice: BareDevice;
  readonly bob: BareDevice;
  /** "taken", or why the record was not. */
  fetch(): Promise<string>;
  close(): Promise<void>;
}

async function town(receiptKey?: string): Promise<Town> {
  const world = stage();
  const { clock } = world;
  const options = receiptKey === undefined ? {} : { receiptKey };
  const alice = await clock.until(bareDevice(world, "alice", { store: memoryStore(), ...options }));
  const bob = await clock.until(bareDevice(world, "bob", { store: memoryStore() }));
  return {
    world,
    alice,
    bob,
    fetch: () =>
      clock.until(
        alice.records.fetch("bob").then(
          () => "taken",
          (error: { readonly code: string }) => error.code,
        ),
      ),
    async close() {
      await alice.close();
      await bob.close();
    },
  };
}

const holderOf = (device: BareDevice): Holder => {
  const identity = device.identity();
  if (!isHolder(identity)) throw new Error("a holder");
  return identity;
};
const contentOf = ({ payload }: Signed): AccountRecord =>
  JSON.parse(Buffer.from(decodeBase64Url(payload)).toString()) as AccountRecord;
const hashOf = (record: Signed): string => markOf(provider, 1, record).hash;

/** Bob's record as it was, with changes, signed by his account key. */
function version(bob: BareDevice, before: Signed, change: Partial<AccountRecord>): Promise<Signed> {
  return sign(provider, accountRecordLabel, holderOf(bob).accountKey, { ...contentOf(before), ...change });
}
/** The next version. */
function next(bob: BareDevice, before: Signed, change: Partial<AccountRecord> = {}): Promise<Signed> {
  const follows = { version: contentOf(before).version + 1, previous: hashOf(before) };
  return version(bob, before, { ...follows, ...change });
}
/** From now on the relay hands out `record`, with a receipt of its own key. */
function show({ relay }: Stage, record: Signed): void {
  const known = relay.tables.accounts.get("bob")!;
  const { version: number, revoked } = contentOf(record);
  relay.tables.accounts.set("bob", { ...known, signed: record, version: number, revoked, receipt: undefined });
}
/** Puts another receipt into the relay's answers. */
function receiptsBecome(world: Stage, change: (receipt: Signed) => Promise<Signed>): void {
  world.relay.filter = ({ direction, frame, deliver }: FrameOnItsWay) => {
    const answer = frame["ok"] as { receipt?: Signed } | undefined;
    if (direction === "up" || answer?.receipt === undefined) return true;
    void change(answer.receipt).then((receipt) => deliver(JSON.stringify({ ...frame, ok: { ...answer, receipt } })));
    return false;
  };
}
async function forged(key: KeyPair, receipt: Signed, more: Partial<RecordReceipt> = {}): Promise<Signed> {
  const said = JSON.parse(Buffer.from(decodeBase64Url(receipt.payload)).toString()) as RecordReceipt;
  return sign(provider, recordReceiptLabel, key, { ...said, ...more });
}
function says(bob: BareDevice, record: Signed): Shown {
  const { accountKey, device } = holderOf(bob);
  const said = markOf(provider, contentOf(record).version, record);
  return { account: "bob", accountKey: encodeBase64Url(accountKey.publicKey), device, said };
}
/** Alice reads a message of Bob's, in which he says what his record is. */
async function hears({ world, alice }: Town, shown: Shown): Promise<void> {
  const met = await alice.peers.alone(async () => {
    const meeting = alice.peers.meet([shown]);
    await alice.store.commit(meeting.changes);
    meeting.stored();
    return meeting;
  });
  alice.records.follow(met);
  await world.clock.until(alice.records.settled());
}

describe("a receipt of the relay", () => {
  it("is kept with the record, and its key pinned", async () => {
    const all = await town();
    const { alice, bob } = all;
    expect(await all.fetch()).toBe("taken");
    const kept = alice.peers.get("bob")!.record!;
    expect(kept).toMatchObject({ version: 1, hash: hashOf(holderOf(bob).enrolment.record) });
    expect(kept.receipt).toBeDefined();
    expect(alice.records.receiptKey).toMatch(/^[\w-]{43}$/);
    expect(alice.failures).toEqual([]);
    await all.close();
  });

  it("was forged: the record is refused, and the application told", async () => {
    const all = await town();
    const mallory = await provider.signatures.Ed25519.generate();
    receiptsBecome(all.world, async (receipt) => forged(mallory, receipt));
    expect(await all.fetch()).toBe("identity_invalid");
    expect(all.alice.failures).toMatchObject([{ code: "identity_invalid" }]);
    expect(all.alice.peers.get("bob")).toBeUndefined();
    // Another account's, or of another version.
    const { receiptKey } = all.alice.records;
    expect(receiptKey).toBeUndefined();
    for (const other of [{ account: "eve" }, { version: 2 }, { hash: hashOf(holderOf(all.alice).enrolment.record) }]) {
      receiptsBecome(all.world, (receipt) =>
        forged(mallory, receipt, { ...other, key: encodeBase64Url(mallory.publicKey) }),
      );
      expect(await all.fetch()).toBe("identity_invalid");
    }
    await all.close();
  });

  it("comes from the future: the record is refused", async () => {
    const all = await town();
    const relay = await provider.signatures.Ed25519.generate();
    const key = encodeBase64Url(relay.publicKey);
    receiptsBecome(all.world, (receipt) => forged(relay, receipt, { key, at: all.world.clock.now() + 48 * 3_600_000 }));
    expect(await all.fetch()).toBe("identity_invalid");
    receiptsBecome(all.world, (receipt) => forged(relay, receipt, { key, at: all.world.clock.now() + 3_600_000 }));
    expect(await all.fetch()).toBe("taken");
    await all.close();
  });

  it("is signed with another key than before: refused, until the application says that this is the key", async () => {
    const all = await town();
    expect(await all.fetch()).toBe("taken");
    const relay = await provider.signatures.Ed25519.generate();
    const key = encodeBase64Url(relay.publicKey);
    receiptsBecome(all.world, (receipt) => forged(relay, receipt, { key }));
    expect(await all.fetch()).toBe("identity_invalid");
    expect(all.alice.failures).toMatchObject([{ code: "identity_invalid" }]);
    await all.close();

    const told = await town(key);
    expect(await told.fetch()).toBe("identity_invalid");
    receiptsBecome(told.world, (receipt) => forged(relay, receipt, { key }));
    expect(await told.fetch()).toBe("taken");
    await told.close();
  });
});

describe("the relay", () => {
  it("rolls a record back", async () => {
    const all = await town();
    const { bob, world, alice } = all;
    const first = holderOf(bob).enrolment.record;
    show(world, await next(bob, first, { revoked: ["A".repeat(43)] }));
    expect(await all.fetch()).toBe("taken");
    show(world, first);
    expect(await all.fetch()).toBe("identity_invalid");
    expect(alice.peers.get("bob")!.record!.version).toBe(2);
    expect(alice.equivocations).toEqual([]);
    await all.close();
  });

  it("is slow, and a newer record was seen meanwhile: it is asked again, and accused of nothing", async () => {
    const all = await town();
    const { bob, world, alice } = all;
    const held: (() => void)[] = [];
    world.relay.filter = ({ direction, account, frame, deliver }) => {
      const isHeld = direction === "down" && account === "alice" && held.length === 0 && frame["ok"] !== undefined;
      if (isHeld) held.push(() => deliver(JSON.stringify(frame)));
      return !isHeld;
    };
    const first = all.fetch();
    await world.clock.settle();
    show(world, await next(bob, holderOf(bob).enrolment.record));
    expect(await all.fetch()).toBe("taken");
    expect(held).toHaveLength(1);
    held[0]!();
    expect(await first).toBe("taken");
    expect(alice.peers.get("bob")!.record!.version).toBe(2);
    await all.close();
  });

  it("skips versions that nobody looked at: they cannot be checked, and what follows is", async () => {
    const all = await town();
    const { bob, world } = all;
    expect(await all.fetch()).toBe("taken");
    const second = await next(bob, holderOf(bob).enrolment.record);
    const third = await next(bob, second);
    show(world, await next(bob, third));
    expect(await all.fetch()).toBe("taken");
    show(world, third);
    expect(await all.fetch()).toBe("identity_invalid");
    await all.close();
  });

  it("hides a revocation: who hears from Bob's other devices asks, and tells", async () => {
    const all = await town();
    const { bob, world, alice } = all;
    const first = holderOf(bob).enrolment.record;
    const revoking = await next(bob, first, { revoked: ["A".repeat(43)] });
    expect(await all.fetch()).toBe("taken");
    await hears(all, says(bob, revoking));
    expect(alice.failures).toMatchObject([{ code: "identity_invalid" }]);
    expect(await all.fetch()).toBe("identity_invalid");
    // As soon as the relay gives in, all is well.
    show(world, revoking);
    alice.records.followAll();
    await world.clock.until(alice.records.settled());
    expect(alice.peers.get("bob")!.record!.version).toBe(2);
    expect(alice.peers.behind()).toEqual([]);
    expect(alice.failures).toHaveLength(1);
    await all.close();
  });

  it("shows two people different records, and gives the second to the first: she holds proof", async () => {
    const all = await town();
    const { bob, world, alice } = all;
    const first = holderOf(bob).enrolment.record;
    const [one, other] = [await next(bob, first), await next(bob, first, { revoked: ["A".repeat(43)] })];
    show(world, one);
    expect(await all.fetch()).toBe("taken");
    show(world, other);
    expect(await all.fetch()).toBe("identity_invalid");
    expect(alice.equivocations).toMatchObject([{ account: "bob", version: 2 }]);
    const { evidence } = alice.equivocations[0]!;
    expect(await verifyEvidence(provider, evidence!, alice.records.receiptKey!)).toBe(true);
    // Said once.
    expect(await all.fetch()).toBe("identity_invalid");
    expect(alice.equivocations).toHaveLength(1);
    await all.close();
  });

  it("shows two people different records, which Bob's messages tell of: asked again, it convicts itself", async () => {
    const all = await town();
    const { bob, world, alice } = all;
    const first = holderOf(bob).enrolment.record;
    const [one, other] = [await next(bob, first), await next(bob, first, { revoked: ["A".repeat(43)] })];
    show(world, one);
    expect(await all.fetch()).toBe("taken");
    show(world, other);
    await hears(all, says(bob, other));
    expect(alice.equivocations).toHaveLength(1);
    const { evidence } = alice.equivocations[0]!;
    expect(await verifyEvidence(provider, evidence!, alice.records.receiptKey!)).toBe(true);
    // Alice goes on with the record that she has.
    expect(alice.peers.get("bob")!.record!.hash).toBe(hashOf(one));
    await all.close();
  });

  it("shows two people different records and stays with it: each has half of the proof", async () => {
    const all = await town();
    const { bob, world, alice } = all;
    const first = holderOf(bob).enrolment.record;
    const [one, other] = [await next(bob, first), await next(bob, first, { revoked: ["A".repeat(43)] })];
    const carol = await world.clock.until(bareDevice(world, "carol", { store: memoryStore() }));
    show(world, other);
    await world.clock.until(carol.records.fetch("bob"));
    show(world, one);
    expect(await all.fetch()).toBe("taken");
    await hears(all, says(bob, other));
    await hears(all, says(bob, other));
    expect(alice.equivocations).toHaveLength(1);
    const [event] = alice.equivocations;
    expect(event).toMatchObject({ account: "bob", version: 2 });
    expect(event!.evidence).toBeUndefined();
    // Put side by side, the two receipts are the whole.
    const receipts = [event!.receipt!, carol.peers.get("bob")!.record!.receipt!] as const;
    const evidence = { account: "bob", version: 2, receipts };
    expect(await verifyEvidence(provider, evidence, alice.records.receiptKey!)).toBe(true);
    await carol.close();
    await all.close();
  });

  it("hands out a record under another account key: it is shown, and blocks", async () => {
    const all = await town();
    const { bob, world, alice } = all;
    expect(await all.fetch()).toBe("taken");
    await bob.close();
    world.relay.tables.accounts.delete("bob");
    const impostor = await world.clock.until(bareDevice(world, "bob", { store: memoryStore() }));
    expect(await all.fetch()).toBe("taken");
    expect(alice.identityChanges).toEqual([{ account: "bob", proven: false }]);
    expect(alice.peers.isBlocked("bob")).toBe(true);
    await impostor.close();
    await alice.close();
  });

  it("hands out somebody else's record, or one that was changed", async () => {
    const all = await town();
    const { bob, world, alice } = all;
    const known = world.relay.tables.accounts.get("bob")!;
    world.relay.tables.accounts.set("bob", world.relay.tables.accounts.get("alice")!);
    expect(await all.fetch()).toBe("identity_invalid");
    const { signature } = known.signed;
    const changed = await next(bob, known.signed);
    world.relay.tables.accounts.set("bob", { ...known, signed: { ...changed, signature } });
    expect(await all.fetch()).toBe("identity_invalid");
    expect(alice.peers.get("bob")).toBeUndefined();
    await all.close();
  });
});
