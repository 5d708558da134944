/**
 * Secret trees as stored: chunks of three levels, so that a message rewrites a few hundred bytes in a group of any size. A chunk
 * holds the closed nodes and the leaves below its root, down to the roots of the chunks below it.
 */
import { decode, decodeFailed, encode, type Reader, type Writer } from "./codec.ts";
import { samePublicBytes } from "./equalBytes.ts";
import type { MessageKey, Ratchet, SecretNode, SecretTree } from "./secretTree.ts";
import { left, level, right, root } from "./treeMath.ts";

const version = 1;
const levelsPerChunk = 3;
const kinds = { closed: 0, leaf: 1 } as const;

function writeMessageKey(writer: Writer, key: MessageKey): void {
  writer.uint32(key.generation);
  writer.opaque(key.key);
  writer.opaque(key.nonce);
}

function readMessageKey(reader: Reader): MessageKey {
  return { generation: reader.uint32(), key: reader.opaque(), nonce: reader.opaque() };
}

function writeRatchet(writer: Writer, ratchet: Ratchet): void {
  writer.opaque(ratchet.secret);
  writer.uint32(ratchet.generation);
  writer.vector(ratchet.skipped, (key) => writeMessageKey(writer, key));
}

function readRatchet(reader: Reader): Ratchet {
  return { secret: reader.opaque(), generation: reader.uint32(), skipped: reader.vector(readMessageKey) };
}

interface Entry {
  readonly index: number;
  readonly node: Exclude<SecretNode, { readonly kind: "open" }>;
}

function writeEntry(writer: Writer, { index, node }: Entry): void {
  writer.uint32(index);
  writer.uint8(kinds[node.kind]);
  if (node.kind === "closed") {
    writer.opaque(node.secret);
  } else {
    writeRatchet(writer, node.handshake);
    writeRatchet(writer, node.application);
  }
}

function readEntry(reader: Reader): Entry {
  const index = reader.uint32();
  switch (reader.uint8()) {
    case kinds.closed:
      return { index, node: { kind: "closed", secret: reader.opaque() } };
    case kinds.leaf:
      return { index, node: { kind: "leaf", handshake: readRatchet(reader), application: readRatchet(reader) } };
    default:
      throw decodeFailed("a stored ratchet is of an unknown kind");
  }
}

function isChunkRoot(index: number): boolean {
  const height = level(index);
  return height > 0 && height % levelsPerChunk === 0;
}

/** The entries of one chunk, and the roots of the open chunks below it. */
function gather(node: SecretNode, index: number, top: boolean, entries: Entry[], below: [number, SecretNode][]): void {
  if (node.kind !== "open") {
    entries.push({ index, node });
  } else if (!top && isChunkRoot(index)) {
    below.push([index, node]);
  } else {
    gather(node.left, left(index), false, entries, below);
    gather(node.right, right(index), false, entries, below);
  }
}

function encodeChunk(entries: readonly Entry[]): Uint8Array | undefined {
  if (entries.length === 0) return undefined;
  return encode((writer, all: readonly Entry[]) => {
    writer.uint8(version);
    writer.vector(all, (entry) => writeEntry(writer, entry));
  }, entries);
}

function sameBytes(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : samePublicBytes(a, b);
}

/** Calls `emit` for each chunk that differs from `since`; undefined bytes mean that the chunk is gone. */
export function encodeSecretTree(
  tree: SecretTree,
  since: SecretTree | undefined,
  emit: (index: number, bytes: Uint8Array | undefined) => void,
): void {
  const visit = (index: number, node: SecretNode, before: SecretNode | undefined): void => {
    if (node === before) return;
    const entries: Entry[] = [];
    const below: [number, SecretNode][] = [];
    gather(node, index, true, entries, below);
    const oldEntries: Entry[] = [];
    const oldBelow: [number, SecretNode][] = [];
    if (before !== undefined) gather(before, index, true, oldEntries, oldBelow);
    const bytes = encodeChunk(entries);
    if (!sameBytes(bytes, encodeChunk(oldEntries))) emit(index, bytes);
    const olds = new Map(oldBelow);
    for (const [child, childNode] of below) {
      visit(child, childNode, olds.get(child));
      olds.delete(child);
    }
    // Only between states that did not follow from one another.
    for (const [child, childNode] of olds) remove(child, childNode);
  };
  const remove = (index: number, node: SecretNode): void => {
    const entries: Entry[] = [];
    const below: [number, SecretNode][] = [];
    gather(node, index, true, entries, below);
    if (entries.length > 0) emit(index, undefined);
    for (const [child, childNode] of below) remove(child, childNode);
  };
  if (since !== undefined && since.leafCount !== tree.leafCount) remove(root(since.leafCount), since.root);
  visit(root(tree.leafCount), tree.root, since?.leafCount === tree.leafCount ? since.root : undefined);
}

/** Every chunk that a tree occupies. */
export function chunksOf(tree: SecretTree): number[] {
  const found: number[] = [];
  encodeSecretTree(tree, undefined, (index) => found.push(index));
  return found;
}

/** @throws MlsError `decode_failed` when a chunk is malformed or missing. */
export function decodeSecretTree(leafCount: number, chunks: Iterable<Uint8Array>): SecretTree {
  const nodes = new Map<number, Entry["node"]>();
  for (const bytes of chunks) {
    const entries = decode((reader) => {
      if (reader.uint8() !== version) throw decodeFailed("the stored ratchets have an unknown version");
      return reader.vector(readEntry);
    }, bytes);
    for (const { index, node } of entries) nodes.set(index, node);
  }
  let used = 0;
  const build = (index: number): SecretNode => {
    const stored = nodes.get(index);
    if (stored !== undefined) {
      if (stored.kind === "leaf" && level(index) !== 0)
        throw decodeFailed("a stored ratchet stands in the wrong place");
      used++;
      return stored;
    }
    if (level(index) === 0) throw decodeFailed("stored ratchets are missing");
    return { kind: "open", left: build(left(index)), right: build(right(index)) };
  };
  const built = build(root(leafCount));
  if (used !== nodes.size) throw decodeFailed("stored ratchets contradict each other");
  return { leafCount, root: built };
}
