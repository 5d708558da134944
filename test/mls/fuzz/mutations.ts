/** Valid input made invalid, in the ways in which input goes bad: bits, lengths, and parts of other messages. */
import fc from "fast-check";

export interface Mutation {
  readonly kind: "flip" | "byte" | "cut" | "drop" | "insert" | "splice" | "repeat" | "length" | "swap";
  /** Where, as a share of the length. */
  readonly at: number;
  readonly byte: number;
  readonly more: Uint8Array;
  /** Whose bytes are spliced in, as a share of the corpus. */
  readonly other: number;
}

const share = fc.double({ min: 0, max: 0.9999999, noNaN: true });

export const mutations: fc.Arbitrary<readonly Mutation[]> = fc.array(
  fc.record({
    kind: fc.constantFrom<Mutation["kind"]>(
      "flip",
      "byte",
      "cut",
      "drop",
      "insert",
      "splice",
      "repeat",
      "length",
      "swap",
    ),
    at: share,
    byte: fc.nat(255),
    more: fc.uint8Array({ minLength: 1, maxLength: 24 }),
    other: share,
  }),
  { minLength: 1, maxLength: 3 },
);

/** Headers of vectors: of all three sizes, the largest, one not minimal, and the invalid prefix. */
const lengths: readonly (readonly number[])[] = [
  [0x00],
  [0x3f],
  [0x40, 0x3f],
  [0x7f, 0xff],
  [0x80, 0x00, 0x40, 0x00],
  [0xbf, 0xff, 0xff, 0xff],
  [0xc0],
];

function apply(bytes: Uint8Array, mutation: Mutation, corpus: readonly Uint8Array[]): Uint8Array {
  const { at, byte, kind, more, other } = mutation;
  const index = Math.floor(at * bytes.length);
  const before = bytes.subarray(0, index);
  const after = bytes.subarray(index);
  const join = (...parts: (Uint8Array | readonly number[])[]): Uint8Array =>
    Uint8Array.from(parts.flatMap((part) => [...part]));
  switch (kind) {
    case "flip":
      return join(before, [(after[0] ?? 0) ^ (1 << (byte & 7))], after.subarray(1));
    case "byte":
      return join(before, [byte], after.subarray(1));
    case "cut":
      return before;
    case "drop":
      return join(before, after.subarray(1 + (byte & 31)));
    case "insert":
      return join(before, more, after);
    case "splice": {
      const source = corpus[Math.floor(other * corpus.length)] ?? bytes;
      return join(before, source.subarray(Math.floor(at * source.length)));
    }
    case "repeat":
      return join(before, after.subarray(0, byte), after);
    case "length": {
      const length = lengths[byte % lengths.length] as readonly number[];
      return join(before, length, after.subarray(length.length));
    }
    case "swap":
      return join(before, after.subarray(byte & 31), after.subarray(0, byte & 31));
  }
}

export function mutate(bytes: Uint8Array, all: readonly Mutation[], corpus: readonly Uint8Array[]): Uint8Array {
  return all.reduce((current, mutation) => apply(current, mutation, corpus), bytes);
}
