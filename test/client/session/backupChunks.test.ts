/** Which blobs hold a history that grows: nothing is left out, little is uploaded twice, and there are few of them. */
import fc from "fast-check";
import {
  nothingSaved,
  planChunks,
  withGivenUp,
  type Chunk,
  type ChunkNeeds,
  type Saved,
  type Segment,
} from "../../../client/src/session/history/backupChunks.ts";

const key = new Uint8Array(32);
const count = (segments: readonly Segment[]): number => segments.reduce((all, { from, to }) => all + to - from + 1, 0);

/** Does what a plan says, where each item takes `itemSize` bytes. */
class Shelf {
  saved: Saved = nothingSaved;
  last = new Map<string, number>();
  uploaded = 0;
  #number = 1;

  readonly itemSize: number;
  readonly room: number;

  constructor(itemSize: number, room: number) {
    this.itemSize = itemSize;
    this.room = room;
  }

  backUp(lost: readonly string[] = []): void {
    const plan = planChunks(this.saved, { last: this.last, room: this.room, lost: new Set(lost) });
    const made: Chunk[] = plan.pack.map((segments) => {
      const items = count(segments);
      this.uploaded += items;
      const number = this.#number++;
      return { hash: `chunk ${number}`, size: Math.max(1, items * this.itemSize), key, segments, number };
    });
    this.saved = { ...plan.keep, chunks: [...plan.keep.chunks, ...made] };
  }

  /** Positions of each conversation that are in a chunk or were given up. */
  covered(): ReadonlyMap<string, readonly number[]> {
    const positions = new Map<string, number[]>();
    for (const { conversation, from, to } of this.saved.chunks.flatMap(({ segments }) => segments)) {
      const known = positions.get(conversation) ?? [];
      for (let position = from; position <= to; position++) known.push(position);
      positions.set(
        conversation,
        known.sort((a, b) => a - b),
      );
    }
    return positions;
  }
}

const steps = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant("say" as const), who: fc.nat({ max: 4 }), items: fc.integer({ min: 1, max: 60 }) }),
    fc.record({ kind: fc.constant("forget" as const), who: fc.nat({ max: 4 }) }),
    fc.record({ kind: fc.constant("lose" as const), which: fc.nat() }),
    fc.record({ kind: fc.constant("backUp" as const) }),
  ),
  { maxLength: 60 },
);

describe("chunks", () => {
  it("hold each item of each conversation once, whatever was said, forgotten and lost", () => {
    fc.assert(
      fc.property(steps, fc.constantFrom(100, 3_000, 20_000), (all, itemSize) => {
        const shelf = new Shelf(itemSize, 1_000);
        for (const step of all) {
          if (step.kind === "say") {
            const name = `g-${step.who}`;
            shelf.last.set(name, (shelf.last.get(name) ?? 0) + step.items);
          }
          if (step.kind === "forget") shelf.last.delete(`g-${step.who}`);
          // A conversation that comes anew under an id that was forgotten has no place in the old chunks.
          if (step.kind === "forget" || step.kind === "backUp") shelf.backUp();
          if (step.kind === "lose") {
            const { chunks } = shelf.saved;
            shelf.backUp(chunks.length === 0 ? [] : [chunks[step.which % chunks.length]!.hash]);
          }
        }
        shelf.backUp();
        const covered = shelf.covered();
        expect([...covered.keys()].sort()).toEqual([...shelf.last.keys()].sort());
        for (const [name, last] of shelf.last) {
          expect(covered.get(name)).toEqual(Array.from({ length: last }, (_, index) => index + 1));
        }
      }),
    );
  });

  it("stay as they are where nothing is new", () => {
    const shelf = new Shelf(1_000, 60);
    shelf.last.set("g-1", 10);
    shelf.backUp();
    const before = shelf.saved;
    shelf.backUp();
    expect(shelf.saved).toEqual(before);
    expect(shelf.uploaded).toBe(10);
  });

  it("are few after years of small backups, and an item is uploaded a handful of times", () => {
    const shelf = new Shelf(500, 63);
    for (let hour = 1; hour <= 5_000; hour++) {
      for (const name of ["g-1", "g-2", "g-3"]) shelf.last.set(name, hour * 4);
      shelf.backUp();
      expect(shelf.saved.chunks.length).toBeLessThanOrEqual(63);
    }
    const items = 5_000 * 12;
    expect(count(shelf.saved.chunks.flatMap(({ segments }) => segments))).toBe(items);
    expect(shelf.saved.chunks.length).toBeLessThan(40);
    // Three tiers of four.
    expect(shelf.uploaded / items).toBeLessThan(16);
    expect(shelf.saved.givenUp.size).toBe(0);
  });

  it("that are the oldest are given up where there is no room, for good", () => {
    const shelf = new Shelf(100_000, 8);
    for (let day = 1; day <= 60; day++) {
      shelf.last.set(`g-${day}`, 20);
      shelf.backUp();
      expect(shelf.saved.chunks.length).toBeLessThanOrEqual(8);
    }
    const covered = shelf.covered();
    expect(covered.has("g-60")).toBe(true);
    expect(covered.has("g-1")).toBe(false);
    expect(shelf.saved.givenUp.get("g-1")).toBe(20);
    const before = shelf.uploaded;
    shelf.backUp();
    expect(shelf.uploaded).toBe(before);
    // What a quiet conversation says again is backed up from there.
    shelf.last.set("g-1", 25);
    shelf.backUp();
    expect(shelf.covered().get("g-1")).toEqual([21, 22, 23, 24, 25]);
  });

  it("are all made anew where their keys are not to be used any more", () => {
    const shelf = new Shelf(20_000, 63);
    for (let day = 1; day <= 40; day++) {
      shelf.last.set("g-1", day * 10);
      shelf.backUp();
    }
    const needs: ChunkNeeds = {
      last: shelf.last,
      room: 63,
      lost: new Set(shelf.saved.chunks.map(({ hash }) => hash)),
    };
    const plan = planChunks(shelf.saved, needs);
    expect(plan.keep.chunks).toEqual([]);
    expect(count(plan.pack.flat())).toBe(400);
    expect(plan.pack.length).toBeLessThanOrEqual(shelf.saved.chunks.length);
  });

  it("remember what was given up by its highest position", () => {
    const marks = withGivenUp(new Map([["g-1", 5]]), [
      { conversation: "g-1", from: 1, to: 3 },
      { conversation: "g-2", from: 1, to: 7 },
    ]);
    expect([...marks]).toEqual([
      ["g-1", 5],
      ["g-2", 7],
    ]);
  });
});
