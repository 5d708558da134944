/** Copies of messages that came long ago. */
import { memoryStore } from "@tacit/client/memory";
import { sealedStore } from "../../client/src/sealedStore.ts";
import { timelineKey } from "../../client/src/session/conversationStore.ts";
import type { TimelineMessage } from "../../client/src/session/timeline.ts";
import { ShownMessages } from "../../client/src/conversation/shownMessages.ts";
import { provider } from "./support/devices.ts";

const start = 1_800_000_000_000;
const hour = 3_600_000;

/** Said and stored in hour `position`, unless `sent` says when it was said. */
function message(position: number, id: string, sent = position): TimelineMessage {
  const storedAt = start + position * hour;
  const place = { position, seq: position, storedAt, sentAt: start + sent * hour };
  return { kind: "message", ...place, id, from: "bob", device: "B", text: id, mine: false, status: "sent" };
}

/** One message an hour; `reads`: items that were read. */
async function timeline(length: number) {
  const raw = memoryStore();
  const store = await sealedStore(raw, raw.vault!, provider.random);
  const add = async (from: number, to: number): Promise<void> => {
    const items = Array.from({ length: to - from }, (_, index) => message(from + index, `m${from + index}`));
    await store.commit(
      items.map((item) => ({
        key: timelineKey("tea", item.position),
        value: new TextEncoder().encode(JSON.stringify(item)),
      })),
    );
  };
  await add(1, length + 1);
  let reads = 0;
  const scan: typeof store.scan = async (prefix, options) => {
    const found = await store.scan(prefix, options);
    reads += found.length;
    return found;
  };
  return { add, shown: new ShownMessages({ scan }, "tea"), reads: () => reads };
}

describe("a message that was long on its way", () => {
  it("is known by its sender and id, as far back as it can have come", async () => {
    const { shown, reads } = await timeline(3_000);
    expect(await shown.has(message(3_001, "m2900", 2_900))).toBe(true);
    expect(reads()).toBe(513);
    expect(await shown.has(message(3_001, "m7", 7))).toBe(true);
    expect(await shown.has(message(3_001, "new", 7))).toBe(false);
    expect(await shown.has({ ...message(3_001, "m7", 7), from: "carol" })).toBe(false);
    expect(await shown.has(message(3_001, "m7", -9_999))).toBe(true);
    // Each item once.
    expect(reads()).toBe(3_000);
  });

  it("is looked for in what came since as well", async () => {
    const { add, shown } = await timeline(10);
    expect(await shown.has(message(11, "m12", 10))).toBe(false);
    await add(11, 2_000);
    expect(await shown.has(message(2_000, "m12", 12))).toBe(true);
    expect(await shown.has(message(2_050, "m1999", 1_999))).toBe(true);
  });

  it("is looked for in what came with the first that was late", async () => {
    const { add, shown } = await timeline(10);
    expect(await shown.has(message(50, "m50", 40))).toBe(false);
    await add(11, 1_000);
    expect(await shown.has(message(1_000, "m20", 20))).toBe(true);
    const fresh = await timeline(0);
    expect(await fresh.shown.has(message(50, "m50", 40))).toBe(false);
    await fresh.add(1, 1_000);
    expect(await fresh.shown.has(message(1_000, "m20", 20))).toBe(true);
  });

  it("costs nothing where it came at once", async () => {
    const { shown, reads } = await timeline(10);
    expect(await shown.has(message(11, "m3"))).toBe(false);
    expect(reads()).toBe(0);
  });

  it("is new in an empty timeline", async () => {
    expect(await (await timeline(0)).shown.has(message(1, "m1", 0))).toBe(false);
  });
});
