/**
 * Which blobs hold the history of a backup. Timelines grow at their end and are never changed, so what was backed up stays in its blob, and
 * what is new makes another one. Small blobs are made one again, four at a time, so that there are few: each item is uploaded some ten
 * times in its life, and most of them lie in blobs that no backup touches any more.
 *
 *     tier        0          1           2          whole
 *     bytes       < 64 KiB   < 256 KiB   < 1 MiB    more: stays as it is
 *
 * A conversation that is no more on this device leaves the backup with the next one. Where there are too many blobs in spite of all that, the
 * oldest whole ones are given up: some fifty megabytes of texts and more fit.
 */
import type { BackupPart } from "./backup.ts";

/** Items of one conversation's timeline, by position, both ends included. */
export interface Segment {
  readonly conversation: string;
  readonly from: number;
  readonly to: number;
}

export interface Chunk extends BackupPart {
  readonly segments: readonly Segment[];
  /** Grows with each chunk that is made: which is the older. */
  readonly number: number;
}

/** What was backed up so far. */
export interface Saved {
  readonly chunks: readonly Chunk[];
  /** Conversation -> position up to which its history found no room. */
  readonly givenUp: ReadonlyMap<string, number>;
}

export const nothingSaved: Saved = { chunks: [], givenUp: new Map() };

export interface ChunkPlan {
  readonly keep: Saved;
  /** To be packed anew, each in one chunk, or in several where it is too large for one. */
  readonly pack: readonly (readonly Segment[])[];
}

export interface ChunkNeeds {
  /** Conversation -> position of its newest item. */
  readonly last: ReadonlyMap<string, number>;
  /** How many chunks there may be. */
  readonly room: number;
  /** Hashes of chunks that are not where they should be, or whose keys are not to be used any more. */
  readonly lost: ReadonlySet<string>;
}

/** Bytes of items after which another chunk is begun. */
export const chunkBytes = 2 * 1024 * 1024;

const smallest = 64 * 1024;
const factor = 4;
const tiers = 3;
/** Of each tier. */
const together = 4;

export function planChunks(saved: Saved, { last, room, lost }: ChunkNeeds): ChunkPlan {
  const givenUp = new Map([...saved.givenUp].filter(([conversation]) => last.has(conversation)));
  const isGood = ({ hash, segments }: Chunk): boolean =>
    !lost.has(hash) && segments.every(({ conversation }) => last.has(conversation));
  const broken = saved.chunks.filter((chunk) => !isGood(chunk));
  let keep = saved.chunks.filter(isGood);
  const fresh = unsaved(saved, last);
  if (fresh.length === 0 && broken.length === 0) return { keep: { chunks: keep, givenUp }, pack: [] };

  // As in counting: what is new joins a full tier, and makes one more of the next.
  const joined: Chunk[] = broken.filter((chunk) => tierOf(chunk) < tiers);
  for (let tier = 0; tier < tiers; tier++) {
    const same = keep.filter((chunk) => tierOf(chunk) === tier);
    if (same.length < together - 1) break;
    joined.push(...same);
    keep = keep.filter((chunk) => !same.includes(chunk));
  }
  const remaining = ({ segments }: Chunk): readonly Segment[] =>
    segments.filter(({ conversation }) => last.has(conversation));
  const unity = joinSegments([...joined.flatMap(remaining), ...fresh]);
  const again = broken.filter((chunk) => tierOf(chunk) === tiers).map((chunk) => joinSegments(remaining(chunk)));
  const pack = [...again, unity].filter((segments) => segments.length > 0);

  // What is packed may take one more than its size says.
  const taken = pack.length + 1 + Math.floor(sizeOf(joined) / chunkBytes);
  const oldest = [...keep].filter((chunk) => tierOf(chunk) === tiers).sort((a, b) => a.number - b.number);
  const given = oldest.slice(0, Math.max(0, keep.length + taken - room));
  return {
    keep: {
      chunks: keep.filter((chunk) => !given.includes(chunk)),
      givenUp: withGivenUp(
        givenUp,
        given.flatMap(({ segments }) => segments),
      ),
    },
    pack,
  };
}

export function withGivenUp(
  givenUp: ReadonlyMap<string, number>,
  segments: readonly Segment[],
): ReadonlyMap<string, number> {
  const after = new Map(givenUp);
  for (const { conversation, to } of segments) after.set(conversation, Math.max(after.get(conversation) ?? 0, to));
  return after;
}

/** What neither a chunk has nor was given up. */
function unsaved({ chunks, givenUp }: Saved, last: ReadonlyMap<string, number>): readonly Segment[] {
  const saved = withGivenUp(
    givenUp,
    chunks.flatMap(({ segments }) => segments),
  );
  return [...last]
    .map(([conversation, to]) => ({ conversation, from: (saved.get(conversation) ?? 0) + 1, to }))
    .filter(({ from, to }) => from <= to);
}

/** In the order of conversations and positions; those that meet become one. */
function joinSegments(segments: readonly Segment[]): readonly Segment[] {
  const sorted = [...segments].sort((a, b) =>
    a.conversation === b.conversation ? a.from - b.from : a.conversation < b.conversation ? -1 : 1,
  );
  const joined: Segment[] = [];
  for (const segment of sorted) {
    const before = joined.at(-1);
    if (before?.conversation === segment.conversation && before.to + 1 >= segment.from) {
      joined[joined.length - 1] = { ...before, to: Math.max(before.to, segment.to) };
    } else joined.push(segment);
  }
  return joined;
}

function tierOf({ size }: Chunk): number {
  let tier = 0;
  for (let bound = smallest; tier < tiers && size >= bound; bound *= factor) tier++;
  return tier;
}

function sizeOf(chunks: readonly Chunk[]): number {
  return chunks.reduce((all, { size }) => all + size, 0);
}
