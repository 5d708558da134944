/** HKDF (RFC 5869) over a hash that the provider brings. */
import { concatBytes, wipe } from "./bytes.ts";
import { MlsError } from "./mlsError.ts";
import type { HashFunction } from "./provider.ts";

/** @throws MlsError `invalid_argument` when more than 255 blocks are asked for. */
export function hkdfExpand(hash: HashFunction, prk: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  if (length <= hash.length) {
    const input = new Uint8Array(info.length + 1);
    input.set(info);
    input[info.length] = 1;
    return truncate(hash.hmac(prk, input), length);
  }
  if (!Number.isSafeInteger(length) || length > 255 * hash.length) {
    throw new MlsError("invalid_argument", "the length of derived keys is out of range");
  }
  const result = new Uint8Array(length);
  let block: Uint8Array = new Uint8Array(0);
  for (let index = 1, offset = 0; offset < length; index++) {
    block = hash.hmac(prk, concatBytes(block, info, Uint8Array.of(index)));
    result.set(block.subarray(0, length - offset), offset);
    offset += block.length;
  }
  wipe(block);
  return result;
}

/** The first `length` bytes; nothing else of `block` stays in memory. */
export function truncate(block: Uint8Array, length: number): Uint8Array {
  if (length === block.length) return block;
  const result = block.slice(0, length);
  wipe(block);
  return result;
}
