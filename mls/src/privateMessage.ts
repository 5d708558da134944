/** Encrypted messages: RFC 9420, section 6.3. */
import type { CipherSuite } from "./cipherSuite.ts";
import { decodeFailed, Reader, Writer } from "./codec.ts";
import { invalid, misuse } from "./failure.ts";
import { MlsError } from "./mlsError.ts";
import {
  readContent,
  readContentAuth,
  readContentType,
  writeContent,
  writeContentAuth,
  writeContentType,
  type Content,
  type ContentAuth,
  type ContentType,
  type FramedContent,
} from "./framing.ts";
import type { GroupConfig } from "./groupConfig.ts";
import { takeKey, type RatchetType, type SecretTree } from "./secretTree.ts";

export interface PrivateMessage {
  readonly groupId: Uint8Array;
  readonly epoch: bigint;
  readonly contentType: ContentType;
  readonly authenticatedData: Uint8Array;
  readonly encryptedSenderData: Uint8Array;
  readonly ciphertext: Uint8Array;
}

interface SenderData {
  readonly leafIndex: number;
  readonly generation: number;
  readonly reuseGuard: Uint8Array;
}

const reuseGuardLength = 4;

export function writePrivateMessage(writer: Writer, message: PrivateMessage): void {
  writer.opaque(message.groupId);
  writer.uint64(message.epoch);
  writeContentType(writer, message.contentType);
  writer.opaque(message.authenticatedData);
  writer.opaque(message.encryptedSenderData);
  writer.opaque(message.ciphertext);
}

export function readPrivateMessage(reader: Reader): PrivateMessage {
  return {
    groupId: reader.opaque(),
    epoch: reader.uint64(),
    contentType: readContentType(reader),
    authenticatedData: reader.opaque(),
    encryptedSenderData: reader.opaque(),
    ciphertext: reader.opaque(),
  };
}

type Header = Pick<PrivateMessage, "groupId" | "epoch" | "contentType" | "authenticatedData">;

function senderDataAad(header: Header): Uint8Array {
  const writer = new Writer();
  writer.opaque(header.groupId);
  writer.uint64(header.epoch);
  writeContentType(writer, header.contentType);
  return writer.finish();
}

function contentAad(header: Header): Uint8Array {
  const writer = new Writer(128 + header.authenticatedData.length);
  writer.opaque(header.groupId);
  writer.uint64(header.epoch);
  writeContentType(writer, header.contentType);
  writer.opaque(header.authenticatedData);
  return writer.finish();
}

/** Section 6.3.2. */
export function senderDataKeys(
  suite: CipherSuite,
  senderDataSecret: Uint8Array,
  ciphertext: Uint8Array,
): { readonly key: Uint8Array; readonly nonce: Uint8Array } {
  const sample = ciphertext.subarray(0, suite.hashLength);
  return {
    key: suite.expandWithLabel(senderDataSecret, "key", sample, suite.keyLength),
    nonce: suite.expandWithLabel(senderDataSecret, "nonce", sample, suite.nonceLength),
  };
}

function guarded(nonce: Uint8Array, reuseGuard: Uint8Array): Uint8Array {
  const result = nonce.slice();
  for (let index = 0; index < reuseGuardLength; index++) {
    result[index] = (nonce[index] as number) ^ (reuseGuard[index] as number);
  }
  return result;
}

function ratchetTypeOf(contentType: ContentType): RatchetType {
  return contentType === "application" ? "application" : "handshake";
}

/** The keys of one epoch that private messages are protected with. */
export interface MessageProtection {
  readonly senderDataSecret: Uint8Array;
  readonly secretTree: SecretTree;
  readonly config: GroupConfig;
}

export interface Sealed {
  readonly message: PrivateMessage;
  readonly secretTree: SecretTree;
  readonly consumed: readonly Uint8Array[];
}

/** `padding` zero bytes follow the content. */
export function sealPrivateMessage(
  suite: CipherSuite,
  protection: MessageProtection,
  framed: FramedContent,
  auth: ContentAuth,
  padding: number,
): Sealed {
  if (framed.sender.type !== "member") throw misuse("only members send private messages");
  if (!Number.isSafeInteger(padding) || padding < 0) throw misuse("the padding is not a length");
  const { contentType } = framed.content;
  const { leafIndex } = framed.sender;
  const plaintext = new Writer(512 + padding);
  writeContent(plaintext, framed.content);
  writeContentAuth(plaintext, auth);
  plaintext.fixed(new Uint8Array(padding));
  const taken = takeKey(
    suite,
    protection.secretTree,
    leafIndex,
    ratchetTypeOf(contentType),
    undefined,
    protection.config,
  );
  const header: Header = {
    groupId: framed.groupId,
    epoch: framed.epoch,
    contentType,
    authenticatedData: framed.authenticatedData,
  };
  const reuseGuard = suite.random(reuseGuardLength);
  const content = plaintext.finish();
  const ciphertext = suite.seal(taken.key, guarded(taken.nonce, reuseGuard), contentAad(header), content);
  content.fill(0);
  const senderData = new Writer(16);
  senderData.uint32(leafIndex);
  senderData.uint32(taken.generation);
  senderData.fixed(reuseGuard);
  const keys = senderDataKeys(suite, protection.senderDataSecret, ciphertext);
  const encryptedSenderData = suite.seal(keys.key, keys.nonce, senderDataAad(header), senderData.finish());
  return {
    message: { ...header, encryptedSenderData, ciphertext },
    secretTree: taken.tree,
    consumed: [...taken.consumed, taken.key, taken.nonce, keys.key, keys.nonce],
  };
}

/** An AEAD that does not open is the same for every member: all have the same keys. */
function openForAll(open: () => Uint8Array, code: string, message: string): Uint8Array {
  try {
    return open();
  } catch (error) {
    if (error instanceof MlsError && error.code === "aead_failed") throw invalid(code, message);
    throw error;
  }
}

function openSenderData(suite: CipherSuite, senderDataSecret: Uint8Array, message: PrivateMessage): SenderData {
  const keys = senderDataKeys(suite, senderDataSecret, message.ciphertext);
  const plaintext = openForAll(
    () => suite.open(keys.key, keys.nonce, senderDataAad(message), message.encryptedSenderData),
    "sender_data_invalid",
    "the sender data cannot be decrypted",
  );
  const reader = new Reader(plaintext);
  const data = { leafIndex: reader.uint32(), generation: reader.uint32(), reuseGuard: reader.fixed(reuseGuardLength) };
  reader.end();
  return data;
}

export interface Opened {
  readonly framed: FramedContent;
  readonly auth: ContentAuth;
  readonly generation: number;
  readonly leafIndex: number;
  readonly secretTree: SecretTree;
  readonly consumed: readonly Uint8Array[];
}

/** Decrypts; the signature is the caller's to check. `checkSender` sees the leaf index before it is used, and throws. */
export function openPrivateMessage(
  suite: CipherSuite,
  protection: MessageProtection,
  message: PrivateMessage,
  checkSender: (leafIndex: number) => void,
): Opened {
  const senderData = openSenderData(suite, protection.senderDataSecret, message);
  const { leafIndex, generation } = senderData;
  if (leafIndex >= protection.secretTree.leafCount) {
    throw invalid("unknown_member", "the sender's leaf index is outside of the tree");
  }
  checkSender(leafIndex);
  const type = ratchetTypeOf(message.contentType);
  const taken = takeKey(suite, protection.secretTree, leafIndex, type, generation, protection.config);
  const plaintext = openForAll(
    () => suite.open(taken.key, guarded(taken.nonce, senderData.reuseGuard), contentAad(message), message.ciphertext),
    "aead_failed",
    "the content cannot be decrypted",
  );
  const { content, auth } = readPlaintext(plaintext, message.contentType);
  const framed: FramedContent = {
    groupId: message.groupId,
    epoch: message.epoch,
    sender: { type: "member", leafIndex },
    authenticatedData: message.authenticatedData,
    content,
  };
  return {
    framed,
    auth,
    generation,
    leafIndex,
    secretTree: taken.tree,
    consumed: [...taken.consumed, taken.key, taken.nonce, plaintext],
  };
}

/** Section 6.3.1: what follows the content must be zero. */
function readPlaintext(plaintext: Uint8Array, contentType: ContentType): { content: Content; auth: ContentAuth } {
  const reader = new Reader(plaintext);
  const content = readContent(reader, contentType);
  const auth = readContentAuth(reader, contentType);
  for (let index = reader.position; index < plaintext.length; index++) {
    if (plaintext[index] !== 0) throw decodeFailed("the padding is not zero");
  }
  return { content, auth };
}
