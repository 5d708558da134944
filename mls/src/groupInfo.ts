/** GroupInfo: RFC 9420, section 12.4.3. */
import type { CipherSuite, MaybePromise } from "./cipherSuite.ts";
import { decode, encode, Writer, type Reader } from "./codec.ts";
import { extensionTypes, findExtension, readExtensions, writeExtensions, type Extension } from "./extension.ts";
import { readGroupContext, writeGroupContext, type GroupContext } from "./groupContext.ts";
import { encodeTree, readRatchetTree, type RatchetTree, type TreeDraft } from "./ratchetTree.ts";

interface UnsignedGroupInfo {
  readonly groupContext: GroupContext;
  readonly extensions: readonly Extension[];
  readonly confirmationTag: Uint8Array;
  /** A leaf index. */
  readonly signer: number;
}

export interface GroupInfo extends UnsignedGroupInfo {
  readonly signature: Uint8Array;
}

function writeUnsigned(writer: Writer, info: UnsignedGroupInfo): void {
  writeGroupContext(writer, info.groupContext);
  writeExtensions(writer, info.extensions);
  writer.opaque(info.confirmationTag);
  writer.uint32(info.signer);
}

export function writeGroupInfo(writer: Writer, info: GroupInfo): void {
  writeUnsigned(writer, info);
  writer.opaque(info.signature);
}

export function readGroupInfo(reader: Reader): GroupInfo {
  return {
    groupContext: readGroupContext(reader),
    extensions: readExtensions(reader),
    confirmationTag: reader.opaque(),
    signer: reader.uint32(),
    signature: reader.opaque(),
  };
}

const label = "GroupInfoTBS";

export async function signGroupInfo(
  suite: CipherSuite,
  info: UnsignedGroupInfo,
  signaturePrivateKey: Uint8Array,
): Promise<GroupInfo> {
  const signature = await suite.signWithLabel(signaturePrivateKey, label, encode(writeUnsigned, info));
  return { ...info, signature };
}

export function verifyGroupInfo(suite: CipherSuite, info: GroupInfo, signatureKey: Uint8Array): MaybePromise<boolean> {
  return suite.verifyWithLabel(signatureKey, label, encode(writeUnsigned, info), info.signature);
}

export function ratchetTreeExtension(tree: RatchetTree): Extension {
  return { extensionType: extensionTypes.ratchetTree, data: encodeTree(tree) };
}

export function ratchetTreeOf(extensions: readonly Extension[]): TreeDraft | undefined {
  const extension = findExtension(extensions, extensionTypes.ratchetTree);
  return extension === undefined ? undefined : decode(readRatchetTree, extension.data);
}

export function externalPubExtension(publicKey: Uint8Array): Extension {
  const writer = new Writer(publicKey.length + 4);
  writer.opaque(publicKey);
  return { extensionType: extensionTypes.externalPub, data: writer.finish() };
}

export function externalPubOf(extensions: readonly Extension[]): Uint8Array | undefined {
  const extension = findExtension(extensions, extensionTypes.externalPub);
  return extension === undefined ? undefined : decode((reader) => reader.opaque(), extension.data);
}
