/** Leaf nodes: RFC 9420, section 7.2. Their validation is in leafNodeValidation.ts. */
import { readCapabilities, writeCapabilities, type Capabilities } from "./capabilities.ts";
import type { CipherSuite, MaybePromise } from "./cipherSuite.ts";
import { decodeFailed, type Reader, Writer } from "./codec.ts";
import { readCredential, writeCredential, type Credential } from "./credential.ts";
import { readExtensions, writeExtensions, type Extension } from "./extension.ts";

/** Seconds since the epoch, both inclusive. */
export interface Lifetime {
  readonly notBefore: bigint;
  readonly notAfter: bigint;
}

interface LeafNodeContent {
  readonly encryptionKey: Uint8Array;
  readonly signatureKey: Uint8Array;
  readonly credential: Credential;
  readonly capabilities: Capabilities;
  readonly extensions: readonly Extension[];
}

type LeafNodeOrigin =
  | { readonly source: "keyPackage"; readonly lifetime: Lifetime }
  | { readonly source: "update" }
  | { readonly source: "commit"; readonly parentHash: Uint8Array };

/** What a leaf says before it is signed. */
export type UnsignedLeafNode = LeafNodeContent & LeafNodeOrigin;
export type LeafNode = UnsignedLeafNode & { readonly signature: Uint8Array };

/** Where a leaf with source `update` or `commit` stands; it is signed with it. */
export interface LeafPosition {
  readonly groupId: Uint8Array;
  readonly leafIndex: number;
}

const sources = { keyPackage: 1, update: 2, commit: 3 } as const;

function writeUnsigned(writer: Writer, leaf: UnsignedLeafNode): void {
  writer.opaque(leaf.encryptionKey);
  writer.opaque(leaf.signatureKey);
  writeCredential(writer, leaf.credential);
  writeCapabilities(writer, leaf.capabilities);
  writer.uint8(sources[leaf.source]);
  if (leaf.source === "keyPackage") {
    writer.uint64(leaf.lifetime.notBefore);
    writer.uint64(leaf.lifetime.notAfter);
  } else if (leaf.source === "commit") {
    writer.opaque(leaf.parentHash);
  }
  writeExtensions(writer, leaf.extensions);
}

export function writeLeafNode(writer: Writer, leaf: LeafNode): void {
  writeUnsigned(writer, leaf);
  writer.opaque(leaf.signature);
}

function readOrigin(reader: Reader): LeafNodeOrigin {
  switch (reader.uint8()) {
    case sources.keyPackage:
      return { source: "keyPackage", lifetime: { notBefore: reader.uint64(), notAfter: reader.uint64() } };
    case sources.update:
      return { source: "update" };
    case sources.commit:
      return { source: "commit", parentHash: reader.opaque() };
    default:
      throw decodeFailed("the leaf node's source is unknown");
  }
}

export function readLeafNode(reader: Reader): LeafNode {
  return {
    encryptionKey: reader.opaque(),
    signatureKey: reader.opaque(),
    credential: readCredential(reader),
    capabilities: readCapabilities(reader),
    ...readOrigin(reader),
    extensions: readExtensions(reader),
    signature: reader.opaque(),
  };
}

/** LeafNodeTBS: a leaf that was not in a key package is bound to its group and position. */
function toBeSigned(leaf: UnsignedLeafNode, position: LeafPosition | undefined): Uint8Array {
  const writer = new Writer(512);
  writeUnsigned(writer, leaf);
  if (leaf.source !== "keyPackage" && position !== undefined) {
    writer.opaque(position.groupId);
    writer.uint32(position.leafIndex);
  }
  return writer.finish();
}

const label = "LeafNodeTBS";

export async function signLeafNode(
  suite: CipherSuite,
  leaf: UnsignedLeafNode,
  position: LeafPosition | undefined,
  signaturePrivateKey: Uint8Array,
): Promise<LeafNode> {
  return { ...leaf, signature: await suite.signWithLabel(signaturePrivateKey, label, toBeSigned(leaf, position)) };
}

export function verifyLeafNodeSignature(
  suite: CipherSuite,
  leaf: LeafNode,
  position: LeafPosition | undefined,
): MaybePromise<boolean> {
  return suite.verifyWithLabel(leaf.signatureKey, label, toBeSigned(leaf, position), leaf.signature);
}
