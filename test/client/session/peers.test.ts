/** What a device makes of the keys and records that an account shows, each test named after what is shown. */
import { encodeBase64Url } from "@tacit/protocol";
import {
  accept,
  decodePeer,
  encodePeer,
  isBehind,
  isBlocked,
  meet,
  verified,
  type Meeting,
  type Peer,
  type Shown,
  type ShownRecord,
} from "../../../client/src/session/identity/peers.ts";
import { apply, couple, sealed } from "../support/devices.ts";

const bob = { account: "bob", accountKey: "A" } as const;
const record = (version: number, hash: string, previous: string | null = null): ShownRecord => ({
  version,
  hash,
  previous,
  revoked: [],
});
const said = (version: number, hash: string, device = "phone") => ({ device, said: { version, hash } });

/** Everything that was shown, one after the other. */
function meetAll(...shown: readonly Partial<Shown>[]): Meeting {
  let last: Meeting | undefined;
  for (const each of shown) last = meet(last?.peer, { ...bob, ...each });
  return last!;
}

describe("a key", () => {
  it("is pinned on first use, and another one blocks until it is accepted", () => {
    const met = meetAll({ record: record(2, "two", "one") });
    expect(met).toMatchObject({ kind: "new", peer: { pinned: "A", record: { version: 2, hash: "two" } } });
    expect(meet(met.peer, bob)).toEqual({ kind: "known", peer: met.peer });
    const changed = meet(met.peer, { ...bob, accountKey: "B" });
    expect(changed.kind).toBe("changed");
    expect(isBlocked(changed.peer)).toBe(true);
    // Said once; another key yet is said again, and the old key coming back does not undo it.
    expect(meet(changed.peer, { ...bob, accountKey: "B" }).kind).toBe("known");
    expect(meet(changed.peer, { ...bob, accountKey: "C" }).kind).toBe("changed");
    expect(isBlocked(meet(changed.peer, bob).peer)).toBe(true);
    const accepted = accept(decodePeer(encodePeer(changed.peer)));
    // The other key's records begin anew.
    expect(accepted).toEqual({ account: "bob", pinned: "B" });
    expect(isBlocked(accepted)).toBe(false);
    expect(isBlocked(undefined)).toBe(false);
    expect(accept(accepted)).toBe(accepted);
  });

  it("that the pinned one signed the way to is told apart, and carries the records on", () => {
    const before = meetAll({ record: record(2, "two", "one") }).peer;
    const recovered = { ...bob, accountKey: "B", formerKeys: ["A"] };
    const met = meet(before, { ...recovered, record: record(3, "three", "two") });
    expect(met).toMatchObject({ kind: "changed", peer: { pinned: "A", shown: "B", proven: ["A"] } });
    expect(isBlocked(met.peer)).toBe(true);
    // The record from before the recovery would bring the revoked devices back.
    expect(meet(met.peer, { ...bob, record: record(2, "two", "one") }).kind).toBe("refused");
    const after = accept(met.peer);
    expect(after).toMatchObject({ pinned: "B", former: ["A"], record: { version: 3, hash: "three" } });
    // What the recovery left behind changes nothing, and shows no records any more.
    expect(meet(after, bob)).toEqual({ kind: "known", peer: after });
    expect(meet(after, { ...bob, record: record(4, "four", "three") })).toEqual({ kind: "refused", peer: after });
    expect(meet(after, { ...recovered, record: record(4, "four", "three") }).kind).toBe("known");
  });

  it("that was recovered twice while nobody looked leaves all keys before it behind", () => {
    const before = meetAll({}).peer;
    const after = accept(meet(before, { ...bob, accountKey: "C", formerKeys: ["A", "B"] }).peer);
    expect(after.pinned).toBe("C");
    expect(meet(after, { ...bob, accountKey: "B", formerKeys: ["A"] })).toEqual({ kind: "known", peer: after });
    // What leads elsewhere than to the pinned key is another key.
    expect(meet(after, { ...bob, accountKey: "D", formerKeys: ["A", "B"] })).toMatchObject({ kind: "changed" });
    expect(meet(after, { ...bob, accountKey: "D", formerKeys: ["A", "B"] }).peer.proven).toBeUndefined();
  });

  it("that was shown without its proof first is proven later", () => {
    const shown = meetAll({}, { accountKey: "B" }).peer;
    expect(shown.proven).toBeUndefined();
    const proven = meet(shown, { ...bob, accountKey: "B", formerKeys: ["A"] });
    expect(proven).toMatchObject({ kind: "known", peer: { shown: "B", proven: ["A"] } });
    // Once proven, a leaf without its history does not take that back.
    expect(meet(proven.peer, { ...bob, accountKey: "B" }).peer).toBe(proven.peer);
    expect(meet(proven.peer, { ...bob, accountKey: "C" }).peer).toMatchObject({ shown: "C" });
    expect(meet(proven.peer, { ...bob, accountKey: "C" }).peer.proven).toBeUndefined();
  });

  it("that two people compared is verified, until it changes", () => {
    const met = meetAll({}).peer;
    const compared = verified(met, "A");
    expect(compared.verified).toBe(true);
    expect(verified(met, "Z")).toBe(met);
    const changed = meet(compared, { ...bob, accountKey: "B", formerKeys: ["A"] }).peer;
    expect(changed.verified).toBeUndefined();
    expect(accept(changed).verified).toBeUndefined();
    // Comparing the new one accepts it; comparing the old one shows that the new one was false.
    expect(verified(changed, "B")).toMatchObject({ pinned: "B", verified: true });
    expect(isBlocked(verified(changed, "B"))).toBe(false);
    expect(verified(changed, "A")).toEqual({ account: "bob", pinned: "A", verified: true });
  });
});

describe("a record", () => {
  const second = meetAll({ record: record(2, "two", "one") }).peer;
  const kindOf = (peer: Peer, shown: ShownRecord): string => meet(peer, { ...bob, record: shown }).kind;

  it("that is older than the one before is refused", () => {
    expect(meet(second, { ...bob, record: record(1, "one") })).toEqual({ kind: "refused", peer: second });
  });

  it("that is another one of the same version, or does not continue it, is refused", () => {
    expect(kindOf(second, record(2, "other", "one"))).toBe("refused");
    expect(kindOf(second, record(3, "three", "other"))).toBe("refused");
    expect(kindOf(second, record(2, "two", "one"))).toBe("known");
    expect(kindOf(second, record(3, "three", "two"))).toBe("known");
  });

  it("may skip versions that nobody looked at", () => {
    const fifth = meet(second, { ...bob, record: record(5, "five", "four") });
    expect(fifth.kind).toBe("known");
    expect(kindOf(fifth.peer, record(3, "three", "two"))).toBe("refused");
    expect(kindOf(fifth.peer, record(6, "six", "other"))).toBe("refused");
  });

  it("keeps its receipt, also where that comes later", () => {
    const receipt = { payload: "p", signature: "s" };
    const kept = meet(second, { ...bob, record: { ...record(2, "two", "one"), receipt } }).peer;
    expect(kept.record).toEqual({ version: 2, hash: "two", receipt });
    expect(meet(kept, { ...bob, record: record(2, "two", "one") }).peer).toBe(kept);
  });

  it("of the version that was reported twice over is said once", () => {
    const first = meet(second, { ...bob, record: record(2, "other", "one") });
    expect(first).toMatchObject({ kind: "refused", differs: 2 });
    const again = meet(first.peer, { ...bob, record: record(2, "other", "one") });
    expect(again.kind).toBe("refused");
    expect(again.differs).toBeUndefined();
  });
});

describe("what a device says of its account's record", () => {
  const second = meetAll({ record: record(2, "two", "one") }).peer;

  it("counts as seen: the relay may not show an older one, nor another", () => {
    const heard = meet(second, { ...bob, ...said(4, "four") }).peer;
    expect(isBehind(heard)).toBe(true);
    expect(meet(heard, { ...bob, record: record(2, "two", "one") }).kind).toBe("refused");
    expect(meet(heard, { ...bob, record: record(3, "three", "two") }).kind).toBe("refused");
    expect(meet(heard, { ...bob, record: record(4, "other", "three") })).toMatchObject({ kind: "refused", differs: 4 });
    const caughtUp = meet(heard, { ...bob, record: record(4, "four", "three") });
    expect(caughtUp.kind).toBe("known");
    expect(isBehind(caughtUp.peer)).toBe(false);
  });

  it("is no news where it is old, or what is known", () => {
    for (const each of [said(1, "one"), said(2, "two")]) expect(meet(second, { ...bob, ...each }).peer).toBe(second);
  });

  it("differs from what the relay showed here: said once for each version", () => {
    const first = meet(second, { ...bob, ...said(2, "other") });
    expect(first).toMatchObject({ kind: "known", differs: 2 });
    expect(meet(first.peer, { ...bob, ...said(2, "other") }).differs).toBeUndefined();
    // The one that was seen stays in use.
    expect(first.peer.record).toMatchObject({ hash: "two" });
  });

  it("differs from what another device of the account says", () => {
    const heard = meet(second, { ...bob, ...said(3, "three", "phone") }).peer;
    expect(meet(heard, { ...bob, ...said(3, "other", "tablet") }).differs).toBe(3);
  });

  it("weighs nothing once the device is revoked: a thief cannot keep its revocation from being read", () => {
    const heard = meet(second, { ...bob, ...said(1_000_000, "never", "stolen") }).peer;
    expect(meet(heard, { ...bob, record: record(3, "three", "two") }).kind).toBe("refused");
    const revoking = { ...record(3, "three", "two"), revoked: ["stolen"] };
    const after = meet(heard, { ...bob, record: revoking });
    expect(after).toMatchObject({ kind: "known", peer: { record: { version: 3 } } });
    expect(isBehind(after.peer)).toBe(false);
  });

  it("of a first version is no reason to ask: nothing can be hidden yet", () => {
    expect(isBehind(meetAll(said(1, "one")).peer)).toBe(false);
    expect(isBehind(meetAll(said(2, "two")).peer)).toBe(true);
  });

  it("comes inside its messages, proven by its signature", async () => {
    const { log, alice, bob: atBobs, atAlice, atBob } = await couple();
    const mark = { version: 7, hash: encodeBase64Url(new Uint8Array(32)) };
    const { ciphertext } = await sealed({ ...alice, record: mark }, atAlice, "I revoked a device");
    const step = await apply(atBobs, atBob, [log.message(ciphertext)]);
    expect(step.heard).toMatchObject([{ account: "alice", device: alice.device, said: mark }]);
    const known = meet(undefined, step.heard![0]!).peer;
    const shown = { account: "alice", accountKey: known.pinned };
    expect(meet(known, { ...shown, record: record(6, "six", "five") }).kind).toBe("refused");
    expect(meet(known, { ...shown, record: record(7, mark.hash, "six") }).kind).toBe("known");
  });
});
