/**
 * Which KEM public keys anybody can encrypt to. A member that plants a malformed key in the tree would keep all others from
 * committing, so keys are judged when they arrive, by arithmetic that is the same on every platform.
 */

const x25519Length = 32;

/** u-coordinates of small order, and their encodings above the prime (little-endian hexadecimal): all secrets would be zero. */
const smallOrder = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
].map((text) => Uint8Array.from(text.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16)));

/** RFC 7748, section 6.1; the top bit does not count. */
export function isValidX25519Key(publicKey: Uint8Array): boolean {
  if (publicKey.length !== x25519Length) return false;
  return !smallOrder.some((point) => {
    for (let index = 0; index < x25519Length - 1; index++) if (publicKey[index] !== point[index]) return false;
    return ((publicKey[x25519Length - 1] as number) & 0x7f) === point[x25519Length - 1];
  });
}

function hex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}

/** SP 800-186, section 3.2.1.3. */
const p256 = {
  p: 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn,
  b: 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
};

/** An uncompressed point on the curve; its cofactor is 1. */
export function isValidP256Key(publicKey: Uint8Array): boolean {
  if (publicKey.length !== 65 || publicKey[0] !== 4) return false;
  const x = BigInt(`0x${hex(publicKey.subarray(1, 33))}`);
  const y = BigInt(`0x${hex(publicKey.subarray(33))}`);
  const { p, b } = p256;
  return x < p && y < p && (y * y - (x * x * x - 3n * x + b)) % p === 0n;
}

const mlKem = { length: 1184, coefficients: 1152, q: 3329 };

/** FIPS 203, section 7.2: every 12-bit coefficient is below q. */
function isValidMlKem768Key(publicKey: Uint8Array): boolean {
  for (let at = 0; at < mlKem.coefficients; at += 3) {
    const middle = publicKey[at + 1] as number;
    const first = (publicKey[at] as number) | ((middle & 0x0f) << 8);
    const second = (middle >> 4) | ((publicKey[at + 2] as number) << 4);
    if (first >= mlKem.q || second >= mlKem.q) return false;
  }
  return true;
}

export function isValidXWingKey(publicKey: Uint8Array): boolean {
  return (
    publicKey.length === mlKem.length + x25519Length &&
    isValidMlKem768Key(publicKey) &&
    isValidX25519Key(publicKey.subarray(mlKem.length))
  );
}
