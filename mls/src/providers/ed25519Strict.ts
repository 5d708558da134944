/**
 * Which Ed25519 encodings count as valid, decided here and not by each library. RFC 8032 leaves room (small orders,
 * non-canonical encodings, cofactored or cofactorless equation) that libraries fill differently, and a malicious member could
 * use it to make some members accept a commit that others refuse. All providers refuse points of small order and
 * non-canonical encodings, and evaluate the cofactorless equation.
 */

/** y-coordinates of the points of small order: 0, 1, -1, and the two of order 8 (little-endian hexadecimal). */
const smallOrder = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
].map((hex) => Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16)));

/** The encoding, at `start`, is neither of small order nor y >= 2^255 - 19. The sign bit does not matter. */
function isStrictPoint(bytes: Uint8Array, start: number): boolean {
  return isCanonical(bytes, start) && !smallOrder.some((point) => isSamePoint(bytes, start, point));
}

function isCanonical(bytes: Uint8Array, start: number): boolean {
  if (((bytes[start + 31] ?? 0) & 0x7f) !== 0x7f) return true;
  for (let index = 30; index > 0; index--) if (bytes[start + index] !== 0xff) return true;
  return (bytes[start] ?? 0) < 0xed;
}

function isSamePoint(bytes: Uint8Array, start: number, point: Uint8Array): boolean {
  for (let index = 0; index < 31; index++) if (bytes[start + index] !== point[index]) return false;
  return ((bytes[start + 31] ?? 0) & 0x7f) === point[31];
}

/** Are these a public key and a signature that any provider may go on to verify? */
export function isStrictEd25519(publicKey: Uint8Array, signature: Uint8Array): boolean {
  return (
    publicKey.length === 32 && signature.length === 64 && isStrictPoint(publicKey, 0) && isStrictPoint(signature, 0)
  );
}
