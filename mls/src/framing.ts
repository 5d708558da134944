/** Content and its authentication: RFC 9420, sections 6 and 6.1. */
import type { CipherSuite, MaybePromise } from "./cipherSuite.ts";
import { decodeFailed, encode, Writer, type Reader } from "./codec.ts";
import { readCommit, writeCommit, type Commit } from "./commit.ts";
import { mls10 } from "./groupContext.ts";
import { readProposal, writeProposal, type Proposal } from "./proposal.ts";
import { readSender, writeSender, type Sender } from "./sender.ts";

export const wireFormats = { publicMessage: 1, privateMessage: 2, welcome: 3, groupInfo: 4, keyPackage: 5 } as const;
export type MessageWireFormat = "publicMessage" | "privateMessage";

export type Content =
  | { readonly contentType: "application"; readonly applicationData: Uint8Array }
  | { readonly contentType: "proposal"; readonly proposal: Proposal }
  | { readonly contentType: "commit"; readonly commit: Commit };
export type ContentType = Content["contentType"];

const contentTypes = { application: 1, proposal: 2, commit: 3 } as const;

export interface FramedContent {
  readonly groupId: Uint8Array;
  readonly epoch: bigint;
  readonly sender: Sender;
  readonly authenticatedData: Uint8Array;
  readonly content: Content;
}

export interface ContentAuth {
  readonly signature: Uint8Array;
  /** With a commit, and only then. */
  readonly confirmationTag?: Uint8Array;
}

export interface AuthenticatedContent {
  readonly wireFormat: MessageWireFormat;
  readonly framed: FramedContent;
  readonly auth: ContentAuth;
}

export function writeContentType(writer: Writer, contentType: ContentType): void {
  writer.uint8(contentTypes[contentType]);
}

export function readContentType(reader: Reader): ContentType {
  switch (reader.uint8()) {
    case contentTypes.application:
      return "application";
    case contentTypes.proposal:
      return "proposal";
    case contentTypes.commit:
      return "commit";
    default:
      throw decodeFailed("the content's type is unknown");
  }
}

export function writeContent(writer: Writer, content: Content): void {
  switch (content.contentType) {
    case "application":
      writer.opaque(content.applicationData);
      return;
    case "proposal":
      writeProposal(writer, content.proposal);
      return;
    case "commit":
      writeCommit(writer, content.commit);
  }
}

export function readContent(reader: Reader, contentType: ContentType): Content {
  switch (contentType) {
    case "application":
      return { contentType, applicationData: reader.opaque() };
    case "proposal":
      return { contentType, proposal: readProposal(reader) };
    case "commit":
      return { contentType, commit: readCommit(reader) };
  }
}

export function writeFramedContent(writer: Writer, framed: FramedContent): void {
  writer.opaque(framed.groupId);
  writer.uint64(framed.epoch);
  writeSender(writer, framed.sender);
  writer.opaque(framed.authenticatedData);
  writeContentType(writer, framed.content.contentType);
  writeContent(writer, framed.content);
}

export function readFramedContent(reader: Reader): FramedContent {
  return {
    groupId: reader.opaque(),
    epoch: reader.uint64(),
    sender: readSender(reader),
    authenticatedData: reader.opaque(),
    content: readContent(reader, readContentType(reader)),
  };
}

export function writeContentAuth(writer: Writer, auth: ContentAuth): void {
  writer.opaque(auth.signature);
  if (auth.confirmationTag !== undefined) writer.opaque(auth.confirmationTag);
}

export function readContentAuth(reader: Reader, contentType: ContentType): ContentAuth {
  const signature = reader.opaque();
  return contentType === "commit" ? { signature, confirmationTag: reader.opaque() } : { signature };
}

function writeAuthenticatedContent(writer: Writer, content: AuthenticatedContent): void {
  writer.uint16(wireFormats[content.wireFormat]);
  writeFramedContent(writer, content.framed);
  writeContentAuth(writer, content.auth);
}

/** FramedContentTBS; `groupContext` is the encoded context of the epoch. */
export function framedContentTbs(
  wireFormat: MessageWireFormat,
  framed: FramedContent,
  groupContext: Uint8Array,
): Uint8Array {
  const writer = new Writer(1024);
  writer.uint16(mls10);
  writer.uint16(wireFormats[wireFormat]);
  writeFramedContent(writer, framed);
  if (framed.sender.type === "member" || framed.sender.type === "newMemberCommit") writer.fixed(groupContext);
  return writer.finish();
}

const label = "FramedContentTBS";

export function signContent(
  suite: CipherSuite,
  signaturePrivateKey: Uint8Array,
  tbs: Uint8Array,
): MaybePromise<Uint8Array> {
  return suite.signWithLabel(signaturePrivateKey, label, tbs);
}

export function verifyContent(
  suite: CipherSuite,
  signatureKey: Uint8Array,
  tbs: Uint8Array,
  signature: Uint8Array,
): MaybePromise<boolean> {
  return suite.verifyWithLabel(signatureKey, label, tbs, signature);
}

/** Section 5.2. */
export function proposalRef(suite: CipherSuite, content: AuthenticatedContent): Uint8Array {
  return suite.refHash("MLS 1.0 Proposal Reference", encode(writeAuthenticatedContent, content));
}
