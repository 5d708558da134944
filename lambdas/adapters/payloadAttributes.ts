/** A payload in an item: `p` its bytes, or `h` and `z` hash and size of the blob that it is. */
import type { Payload } from "@tacit/protocol";
import { binary, number, readBinary, readNumber, type Item } from "./attributes.ts";

export function payloadAttributes(payload: Payload): Item {
  if ("inline" in payload) return { p: binary(payload.inline) };
  return { h: binary(payload.blob.hash), z: number(payload.blob.size) };
}

export function readPayload(item: Item): Payload {
  if (item["p"] !== undefined) return { inline: readBinary(item, "p") };
  return { blob: { hash: readBinary(item, "h"), size: readNumber(item, "z") } };
}
