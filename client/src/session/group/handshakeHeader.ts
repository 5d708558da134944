/** What commits and proposals say before they are opened. */
import { inspectMessage, MlsError } from "@tacit/mls";
import { isGroupOf } from "./group.ts";

/** What a handshake message says without any key; bound to its ciphertext (RFC 9420, 6.3.1), so true once that is accepted. */
export interface HandshakeHeader {
  readonly groupId: Uint8Array;
  /** The epoch that it was made in. */
  readonly epoch: bigint;
  readonly authenticatedData: Uint8Array;
}

/** Whether it was made in this epoch of this conversation's group. */
export function isOfEpoch(header: HandshakeHeader, conversation: string, epoch: bigint): boolean {
  return header.epoch === epoch && isGroupOf(header.groupId, conversation);
}

/** Undefined where the bytes are no such message, or one that does not hide its content. */
export function handshakeHeader(message: Uint8Array, kind: "proposal" | "commit"): HandshakeHeader | undefined {
  try {
    const info = inspectMessage(message);
    return info.wireFormat === "privateMessage" && info.contentType === kind ? info : undefined;
  } catch (error) {
    if (error instanceof MlsError) return undefined;
    throw error;
  }
}
