/** The state that all members agree on: RFC 9420, section 8.1. */
import { decodeFailed, encode, type Reader, type Writer } from "./codec.ts";
import { invalid } from "./failure.ts";
import { readExtensions, writeExtensions, type Extension } from "./extension.ts";

/** ProtocolVersion mls10. */
export const mls10 = 1;

export interface GroupContext {
  readonly cipherSuite: number;
  readonly groupId: Uint8Array;
  readonly epoch: bigint;
  readonly treeHash: Uint8Array;
  readonly confirmedTranscriptHash: Uint8Array;
  readonly extensions: readonly Extension[];
}

export function writeGroupContext(writer: Writer, context: GroupContext): void {
  writer.uint16(mls10);
  writer.uint16(context.cipherSuite);
  writer.opaque(context.groupId);
  writer.uint64(context.epoch);
  writer.opaque(context.treeHash);
  writer.opaque(context.confirmedTranscriptHash);
  writeExtensions(writer, context.extensions);
}

export function readGroupContext(reader: Reader): GroupContext {
  readVersion(reader);
  return {
    cipherSuite: reader.uint16(),
    groupId: reader.opaque(),
    epoch: reader.uint64(),
    treeHash: reader.opaque(),
    confirmedTranscriptHash: reader.opaque(),
    extensions: readExtensions(reader),
  };
}

const encodings = new WeakMap<GroupContext, Uint8Array>();

/** Kept with the context, which goes into each message of its epoch: read the result, do not change it. */
export function encodeGroupContext(context: GroupContext): Uint8Array {
  let encoding = encodings.get(context);
  if (encoding === undefined) {
    encoding = encode(writeGroupContext, context);
    encodings.set(context, encoding);
  }
  return encoding;
}

/** The number of the next epoch, as long as a uint64 has one. */
export function followingEpoch(context: GroupContext): bigint {
  if (context.epoch >= 0xffffffffffffffffn) throw invalid("epoch_exhausted", "the group is in its last epoch");
  return context.epoch + 1n;
}

/** A ProtocolVersion, of which there is one. */
export function readVersion(reader: Reader): void {
  if (reader.uint16() !== mls10) throw decodeFailed("the protocol version is not mls10");
}
