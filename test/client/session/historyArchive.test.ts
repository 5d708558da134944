/** History on its way to another device of the account: whole, in order, and under a key of its own. */
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { encodeBase64Url } from "@tacit/protocol";
import fc from "fast-check";
import {
  handOverLimits,
  packHistory,
  unpackHistory,
  type ArchivedConversation,
} from "../../../client/src/session/history/historyArchive.ts";
import type { TimelineItem } from "../../../client/src/session/timeline.ts";

/** Bytes that a test can repeat. */
function seeded(seed: number): (length: number) => Uint8Array {
  let state = seed;
  return (length) =>
    Uint8Array.from({ length }, () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) >>> 24);
}
const random = seeded(1);
const hash = (fill: number): string => encodeBase64Url(new Uint8Array(32).fill(fill));
const group = (fill: number): string => `g-${encodeBase64Url(new Uint8Array(16).fill(fill))}`;

function said(position: number, text: string, storedAt = position): TimelineItem {
  const id = encodeBase64Url(new Uint8Array(16).fill(position));
  const place = { position, seq: position + 10, storedAt };
  return { kind: "message", ...place, id, from: "bob", device: hash(1), text, sentAt: 5, mine: false, status: "sent" };
}
function joined(position: number): TimelineItem {
  return { kind: "membersChanged", position, seq: position, storedAt: position, added: ["bob"], removed: [], by: "al" };
}
function conversation(fill: number, items: readonly TimelineItem[], title?: string): ArchivedConversation {
  return { id: group(fill), members: ["al", "bob"], ...(title === undefined ? {} : { title }), items };
}

const limits = { itemsPerConversation: 1_000, totalBytes: 1_000_000, chunkBytes: 2_000 };

describe("an archive", () => {
  it("comes back as it was, however it is cut into chunks", () => {
    const texts = fc.array(fc.string({ unit: "grapheme", maxLength: 300 }), { maxLength: 30 });
    fc.assert(
      fc.property(fc.array(texts, { maxLength: 6 }), fc.integer({ min: 1, max: 5_000 }), (all, chunkBytes) => {
        const conversations = all.map((each, fill) =>
          conversation(
            fill,
            each.map((text, index) => said(index + 1, text)),
            fill % 2 === 0 ? `title ${fill}` : undefined,
          ),
        );
        const archive = packHistory(random, conversations, { ...limits, chunkBytes });
        expect(unpackHistory(archive)).toEqual(conversations);
        for (const chunk of archive.chunks) expect((chunk.length - 24 - 16) % 4_096).toBe(0);
      }),
    );
  });

  it("keeps every kind of notice", () => {
    const at = { seq: 1, storedAt: 2 };
    const notices = [
      { kind: "opened", by: "al" },
      { kind: "left", accounts: ["bob"] },
      { kind: "titleChanged", title: "", by: "al" },
      { kind: "pictureChanged", by: "al" },
      { kind: "roleChanged", account: "bob", role: "admin", by: "al" },
      { kind: "deviceRestored", account: "bob", device: hash(3), by: "al" },
      { kind: "rejoined", by: "al", after: 0, successor: true },
      { kind: "missing", after: 1, before: 4 },
      { kind: "unreadable", reason: "blob_lost", retryable: false },
      { kind: "keysChanged", by: "al" },
      { kind: "devicesChanged", accounts: ["al"], by: "bob" },
      { kind: "void", by: "al" },
      { kind: "cannotFollow" },
      { kind: "logMismatch", with: "bob" },
      { kind: "identityChanged", account: "bob" },
      { kind: "membersChanged", added: [], removed: ["bob"], by: "al" },
    ] as const;
    const items = notices.map((notice, index) => ({ ...notice, ...at, position: index + 1 }));
    const conversations = [conversation(1, items), { ...conversation(2, []), log: group(3) }];
    expect(unpackHistory(packHistory(random, conversations, limits))).toEqual(conversations);
  });

  it("holds the newest where there is too much, and names every conversation", () => {
    const items = Array.from({ length: 50 }, (_, index) => said(index + 1, `m${index + 1}`));
    const few = packHistory(random, [conversation(1, items)], { ...limits, itemsPerConversation: 3 });
    expect(unpackHistory(few)![0]!.items).toEqual(items.slice(-3));

    const old = conversation(1, [said(1, "old", 1), said(2, "older than the rest", 2)]);
    const recent = conversation(2, [said(1, "a", 10), said(2, "b", 20)]);
    const size = new TextEncoder().encode(JSON.stringify(recent.items)).length;
    const tight = packHistory(random, [old, recent], { ...limits, totalBytes: size });
    expect(unpackHistory(tight)).toEqual([{ ...old, items: [] }, recent]);
    expect(unpackHistory(packHistory(random, [], handOverLimits))).toEqual([]);
  });

  it("is refused where a chunk is missing, repeated, exchanged, changed or another's", () => {
    const items = Array.from({ length: 40 }, (_, index) => said(index + 1, "x".repeat(200)));
    const { key, chunks } = packHistory(random, [conversation(1, items)], limits);
    const other = packHistory(random, [conversation(1, items)], limits);
    expect(chunks.length).toBeGreaterThan(3);
    const [first, second, ...rest] = chunks as [Uint8Array, Uint8Array, ...Uint8Array[]];
    const flipped = first.with(40, first[40]! ^ 1);
    for (const wrong of [
      chunks.slice(1),
      chunks.slice(0, -1),
      [second, first, ...rest],
      [first, first, ...rest],
      [...chunks, first],
      [flipped, second, ...rest],
      [other.chunks[0]!, second, ...rest],
      [first.subarray(0, 10), second, ...rest],
    ]) {
      expect(unpackHistory({ key, chunks: wrong })).toBeUndefined();
    }
    expect(unpackHistory({ key: other.key, chunks })).toBeUndefined();
    expect(unpackHistory({ key, chunks })).toBeDefined();
  });

  it("of another form is refused, and a kind that is not known passed over", () => {
    const sealed = (body: unknown) => {
      const [key, nonce] = [random(32), random(24)];
      const aad = new TextEncoder().encode("tacit history 1\0" + "1/1");
      const plain = new TextEncoder().encode(JSON.stringify(body));
      const cipher = xchacha20poly1305(key, nonce, aad).encrypt(plain);
      return { key, chunks: [Uint8Array.from([...nonce, ...cipher])] };
    };
    const one = (item: object) => sealed({ v: 1, parts: [{ ...conversation(1, []), items: [item] }] });
    const good = said(1, "hello");
    expect(unpackHistory(one({ ...good, extra: 1 }))).toEqual([conversation(1, [good])]);
    expect(unpackHistory(one({ ...joined(1), kind: "fromTheFuture" }))).toEqual([conversation(1, [])]);
    for (const wrong of [
      { ...good, from: "two words" },
      { ...good, device: "x" },
      { ...good, id: 1 },
      { ...good, mine: "no" },
      { ...good, status: "queued" },
      { ...good, position: -1 },
      { ...good, text: null },
      { ...joined(1), added: "bob" },
      { ...joined(1), by: undefined },
      { ...joined(1), kind: "roleChanged", account: "bob", role: "valueOf" },
      { kind: "unreadable", position: 1, seq: 1, storedAt: 1, reason: "toString", retryable: false },
      { kind: 1 },
      "message",
    ]) {
      expect(unpackHistory(one(wrong as object))).toBeUndefined();
    }
    const part = conversation(1, [joined(1), good]);
    for (const body of [
      { v: 2, parts: [] },
      { v: 1, parts: {} },
      { v: 1, parts: [{ ...part, id: "g-x" }] },
      { v: 1, parts: [{ ...part, log: "x" }] },
      { v: 1, parts: [{ ...part, members: ["a b"] }] },
      { v: 1, parts: [{ ...part, title: 1 }] },
      { v: 1, parts: [{ ...part, items: {} }] },
      // Both at position 1.
      { v: 1, parts: [part] },
      [],
    ]) {
      expect(unpackHistory(sealed(body))).toBeUndefined();
    }
  });
});
