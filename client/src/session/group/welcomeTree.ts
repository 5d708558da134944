/**
 * The ratchet tree for those who join. In a small group it is inside each Welcome. In a large one it would be most of every Welcome, so it
 * travels once, as a blob sealed with XChaCha20-Poly1305 under a key in the GroupInfo, which only those who are added can open:
 *
 *     blob     = nonce (24) || ciphertext of the encoded tree (RFC 9420, section 12.4.3.3)
 *     GroupInfo extension 0xf7ad = key (32)
 *     Welcome as it travels      = 0xff || size of the blob (4) || SHA-256 of the blob (32) || Welcome
 *
 * Where the blob is found is said outside the Welcome, because the tree is made after it. Nothing rests on that: the key opens no other
 * blob, and the group's context names the tree by its hash.
 */
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import type { Extension } from "@tacit/mls";
import { decodeBase64Url, encodeBase64Url, type BlobReference } from "@tacit/protocol";
import { concat } from "../bytes.ts";

const treeKeyType = 0xf7ad;
const marker = 0xff;
const nonceLength = 24;
const headLength = 1 + 4 + 32;
/** Bytes of tree that go inside a Welcome: with the rest of it they fit a frame. */
const largestInside = 8_000;
/** Bytes of a tree that a joiner fetches. Three thousand hybrid leaves fit. */
export const largestTree = 16 * 1024 * 1024;

/** Whether `tree` with `added` key packages in it is too large to be repeated in every Welcome. */
export function isLargeTree(tree: Uint8Array, added: readonly Uint8Array[]): boolean {
  return added.reduce((size, { length }) => size + length, tree.length) > largestInside;
}

export function treeKeyExtension(key: Uint8Array): Extension {
  return { extensionType: treeKeyType, data: key };
}

export function sealTree(key: Uint8Array, nonce: Uint8Array, tree: Uint8Array): Uint8Array {
  return concat(nonce, xchacha20poly1305(key, nonce).encrypt(tree));
}

/** Undefined where there is no key, no blob, or the one does not open the other. */
export function unsealTree(
  groupInfoExtensions: readonly Extension[],
  sealed: Uint8Array | undefined,
): Uint8Array | undefined {
  const key = groupInfoExtensions.find(({ extensionType }) => extensionType === treeKeyType)?.data;
  if (key?.length !== 32 || sealed === undefined) return undefined;
  try {
    return xchacha20poly1305(key, sealed.subarray(0, nonceLength)).decrypt(sealed.subarray(nonceLength));
  } catch {
    return undefined;
  }
}

export function treeNonce(random: (length: number) => Uint8Array): Uint8Array {
  return random(nonceLength);
}

/** A Welcome that says where the tree is. */
export function wrapWelcome(welcome: Uint8Array, tree: BlobReference): Uint8Array {
  const head = new Uint8Array(5);
  head[0] = marker;
  new DataView(head.buffer).setUint32(1, tree.size);
  return concat(head, decodeBase64Url(tree.hash), welcome);
}

/** The Welcome as MLS has it, and where its tree is. An MLSMessage starts with its version, 0x0001. */
export function unwrapWelcome(bytes: Uint8Array): {
  readonly welcome: Uint8Array;
  readonly tree: BlobReference | undefined;
} {
  if (bytes[0] !== marker || bytes.length < headLength) return { welcome: bytes, tree: undefined };
  const size = new DataView(bytes.buffer, bytes.byteOffset).getUint32(1);
  const hash = encodeBase64Url(bytes.subarray(5, headLength));
  return { welcome: bytes.subarray(headLength), tree: { hash, size } };
}
