/** How large a payload may be that this version reads. All members judge by it alike, so it is part of the protocol. */
import type { Payload } from "@tacit/protocol";

/** Bytes. The longest text with its padding, and the commits of a thousand devices, stay below. */
export const largestPayload = 2 * 1024 * 1024;

export function isTooLarge(payload: Payload): boolean {
  return "blob" in payload && payload.blob.size > largestPayload;
}
