/** Transcript hashes: RFC 9420, section 8.2. */
import type { CipherSuite } from "./cipherSuite.ts";
import { Writer } from "./codec.ts";
import { wireFormats, writeFramedContent, type AuthenticatedContent } from "./framing.ts";

/** The wire format is part of it: a commit cannot be moved from one to the other. */
export function confirmedTranscriptHash(
  suite: CipherSuite,
  interim: Uint8Array,
  commit: Pick<AuthenticatedContent, "wireFormat" | "framed"> & { readonly signature: Uint8Array },
): Uint8Array {
  const writer = new Writer(1024);
  writer.fixed(interim);
  writer.uint16(wireFormats[commit.wireFormat]);
  writeFramedContent(writer, commit.framed);
  writer.opaque(commit.signature);
  return suite.hash(writer.finish());
}

export function interimTranscriptHash(
  suite: CipherSuite,
  confirmed: Uint8Array,
  confirmationTag: Uint8Array,
): Uint8Array {
  const writer = new Writer();
  writer.fixed(confirmed);
  writer.opaque(confirmationTag);
  return suite.hash(writer.finish());
}
