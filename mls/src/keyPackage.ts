/** Key packages: RFC 9420, section 10. */
import type { CipherSuite, MaybePromise } from "./cipherSuite.ts";
import { decode, decodeFailed, encode, Writer, type Reader } from "./codec.ts";
import { readExtensions, writeExtensions, type Extension } from "./extension.ts";
import { mls10, readVersion } from "./groupContext.ts";
import { readLeafNode, writeLeafNode, type LeafNode } from "./leafNode.ts";

interface UnsignedKeyPackage {
  readonly cipherSuite: number;
  readonly initKey: Uint8Array;
  readonly leafNode: LeafNode;
  readonly extensions: readonly Extension[];
}

export interface KeyPackage extends UnsignedKeyPackage {
  readonly signature: Uint8Array;
}

/** The secrets behind one key package. */
export interface KeyPackagePrivate {
  readonly initPrivateKey: Uint8Array;
  readonly encryptionPrivateKey: Uint8Array;
  readonly signaturePrivateKey: Uint8Array;
}

function writeUnsigned(writer: Writer, keyPackage: UnsignedKeyPackage): void {
  writer.uint16(mls10);
  writer.uint16(keyPackage.cipherSuite);
  writer.opaque(keyPackage.initKey);
  writeLeafNode(writer, keyPackage.leafNode);
  writeExtensions(writer, keyPackage.extensions);
}

export function writeKeyPackage(writer: Writer, keyPackage: KeyPackage): void {
  writeUnsigned(writer, keyPackage);
  writer.opaque(keyPackage.signature);
}

export function readKeyPackage(reader: Reader): KeyPackage {
  readVersion(reader);
  return {
    cipherSuite: reader.uint16(),
    initKey: reader.opaque(),
    leafNode: readLeafNode(reader),
    extensions: readExtensions(reader),
    signature: reader.opaque(),
  };
}

const label = "KeyPackageTBS";

function toBeSigned(keyPackage: UnsignedKeyPackage): Uint8Array {
  const writer = new Writer(512);
  writeUnsigned(writer, keyPackage);
  return writer.finish();
}

export async function signKeyPackage(
  suite: CipherSuite,
  keyPackage: UnsignedKeyPackage,
  signaturePrivateKey: Uint8Array,
): Promise<KeyPackage> {
  return { ...keyPackage, signature: await suite.signWithLabel(signaturePrivateKey, label, toBeSigned(keyPackage)) };
}

export function verifyKeyPackageSignature(suite: CipherSuite, keyPackage: KeyPackage): MaybePromise<boolean> {
  return suite.verifyWithLabel(keyPackage.leafNode.signatureKey, label, toBeSigned(keyPackage), keyPackage.signature);
}

/** Section 5.2. */
export function keyPackageRef(suite: CipherSuite, keyPackage: KeyPackage): Uint8Array {
  return suite.refHash("MLS 1.0 KeyPackage Reference", encode(writeKeyPackage, keyPackage));
}

const privateVersion = 1;

/** For the client's store. */
export function encodeKeyPackagePrivate(keys: KeyPackagePrivate): Uint8Array {
  const writer = new Writer();
  writer.uint8(privateVersion);
  writer.opaque(keys.initPrivateKey);
  writer.opaque(keys.encryptionPrivateKey);
  writer.opaque(keys.signaturePrivateKey);
  return writer.finish();
}

/** @throws MlsError `decode_failed` */
export function decodeKeyPackagePrivate(bytes: Uint8Array): KeyPackagePrivate {
  return decode((reader) => {
    if (reader.uint8() !== privateVersion) throw decodeFailed("the stored key package has an unknown version");
    return {
      initPrivateKey: reader.opaque(),
      encryptionPrivateKey: reader.opaque(),
      signaturePrivateKey: reader.opaque(),
    };
  }, bytes);
}
