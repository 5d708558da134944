/** The sealed parts of a backup: they come back as they were, to whoever has the key, and to nobody else. */
import { encodeBase64Url, limits } from "@tacit/protocol";
import {
  encodeIndex,
  openIndex,
  openManifest,
  partsOf,
  sealIndex,
  sealManifest,
  type BackupIndex,
  type BackupManifest,
  type BackupPart,
} from "../../../client/src/session/history/backup.ts";
import { now, provider } from "../support/devices.ts";

const { random } = provider;
const hashOf = (fill: number): string => encodeBase64Url(new Uint8Array(32).fill(fill));
const part = (fill: number): BackupPart => ({ hash: hashOf(fill), size: fill + 1, key: random(32) });

async function manifest(parts = 2): Promise<BackupManifest> {
  return {
    at: now,
    accountKey: await provider.signatures.Ed25519.generate(),
    accountSecret: { secret: random(32), since: 3 },
    record: { version: 4, hash: hashOf(9) },
    receiptKey: hashOf(8),
    index: part(1),
    history: Array.from({ length: parts }, (_, index) => part(index + 2)),
  };
}

const index: BackupIndex = {
  people: {
    peers: [
      { account: "bob", pinned: hashOf(1), verified: true },
      { account: "al", pinned: hashOf(2), shown: hashOf(3), record: { version: 2, hash: hashOf(4) } },
    ],
    shunned: ["mallory"],
  },
  conversations: [
    { id: `g-${"A".repeat(22)}`, log: `g-${"B".repeat(22)}`, members: ["al", "bob"], title: "Tea 🫖" },
    { id: `d-${"A".repeat(43)}`, log: `d-${"A".repeat(43)}`, members: ["al", "me"] },
  ],
};

describe("a manifest", () => {
  it("opens with its key, for its account", async () => {
    const key = random(32);
    const original = await manifest();
    const sealed = sealManifest(random, key, "me", original);
    expect(openManifest(key, "me", sealed)).toEqual(original);
    expect(openManifest(random(32), "me", sealed)).toBeUndefined();
    expect(openManifest(key, "you", sealed)).toBeUndefined();
    for (const at of [0, 30, sealed.length - 1]) {
      expect(openManifest(key, "me", sealed.with(at, sealed[at]! ^ 1))).toBeUndefined();
    }
    expect(openManifest(key, "me", sealed.subarray(0, 20))).toBeUndefined();
    const { receiptKey: _, ...without } = original;
    const unpinned = { ...without, receiptKey: undefined };
    expect(openManifest(key, "me", sealManifest(random, key, "me", unpinned))).toEqual(unpinned);
  });

  it("that is as full as can be fits the wire", async () => {
    const full = await manifest(limits.backupBlobs - 1);
    const parts = partsOf(full).map((each) => ({ ...each, size: limits.blob }));
    const largest = { ...full, index: parts[0]!, history: parts.slice(1), at: Number.MAX_SAFE_INTEGER };
    expect(partsOf(largest)).toHaveLength(limits.backupBlobs);
    expect(sealManifest(random, random(32), "x".repeat(128), largest).length).toBeLessThan(limits.backupManifest);
  });
});

describe("an index", () => {
  it("opens with its key", () => {
    const key = random(32);
    const sealed = sealIndex(random, key, encodeIndex(index));
    const opened = openIndex(key, sealed)!;
    expect(new Set(opened.people.peers)).toEqual(new Set(index.people.peers));
    expect(new Set(opened.conversations)).toEqual(new Set(index.conversations));
    expect(opened.people.shunned).toEqual(["mallory"]);
    expect(openIndex(random(32), sealed)).toBeUndefined();
    expect(openIndex(key, sealed.with(50, sealed[50]! ^ 1))).toBeUndefined();
    expect((sealed.length - 24 - 16) % 4_096).toBe(0);
  });

  it("is the same bytes for the same people and conversations", () => {
    const { people, conversations } = index;
    const other = {
      people: { peers: [...people.peers].reverse(), shunned: people.shunned },
      conversations: [...conversations].reverse(),
    };
    expect(encodeIndex(other)).toEqual(encodeIndex(index));
  });

  it("of another form is not read", () => {
    const key = random(32);
    const seal = (value: unknown) => sealIndex(random, key, new TextEncoder().encode(JSON.stringify(value)));
    const good = JSON.parse(new TextDecoder().decode(encodeIndex(index))) as Record<string, unknown>;
    expect(openIndex(key, seal(good))).toBeDefined();
    for (const bad of [
      { ...good, v: 2 },
      { ...good, people: undefined },
      { ...good, people: { peers: [{ account: "bob" }], shunned: [] } },
      { ...good, people: { peers: [], shunned: ["not an account"] } },
      { ...good, conversations: [{ id: "x", log: "x", members: [] }] },
      { ...good, conversations: [{ ...index.conversations[0]!, members: "al" }] },
    ]) {
      expect(openIndex(key, seal(bad))).toBeUndefined();
    }
  });
});
