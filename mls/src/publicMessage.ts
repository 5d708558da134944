/** Messages that are signed but not encrypted: RFC 9420, section 6.2. */
import type { CipherSuite } from "./cipherSuite.ts";
import { Writer, type Reader } from "./codec.ts";
import {
  readContentAuth,
  readFramedContent,
  writeContentAuth,
  writeFramedContent,
  type ContentAuth,
  type FramedContent,
} from "./framing.ts";

export interface PublicMessage {
  readonly framed: FramedContent;
  readonly auth: ContentAuth;
  /** From members, and only from them. */
  readonly membershipTag?: Uint8Array;
}

export function writePublicMessage(writer: Writer, message: PublicMessage): void {
  writeFramedContent(writer, message.framed);
  writeContentAuth(writer, message.auth);
  if (message.membershipTag !== undefined) writer.opaque(message.membershipTag);
}

export function readPublicMessage(reader: Reader): PublicMessage {
  const framed = readFramedContent(reader);
  const auth = readContentAuth(reader, framed.content.contentType);
  return framed.sender.type === "member" ? { framed, auth, membershipTag: reader.opaque() } : { framed, auth };
}

export function membershipTag(
  suite: CipherSuite,
  membershipKey: Uint8Array,
  tbs: Uint8Array,
  auth: ContentAuth,
): Uint8Array {
  const writer = new Writer(tbs.length + 256);
  writer.fixed(tbs);
  writeContentAuth(writer, auth);
  return suite.mac(membershipKey, writer.finish());
}
