/** Sizes that every provider checks at its boundary, so that all refuse the same inputs. */
import type { KeyPair } from "../cipherSuite.ts";
import { MlsError } from "../mlsError.ts";

export const aeadSizes = {
  "AES-128-GCM": { keyLength: 16, nonceLength: 12 },
  "AES-256-GCM": { keyLength: 32, nonceLength: 12 },
  "ChaCha20-Poly1305": { keyLength: 32, nonceLength: 12 },
} as const;

export const tagLength = 16;

export const curveSizes = {
  X25519: { publicKeyLength: 32, privateKeyLength: 32 },
  "P-256": { publicKeyLength: 65, privateKeyLength: 32 },
} as const;

export const mlKemSizes = { publicKey: 1184, privateKey: 2400, ciphertext: 1088, seed: 64, randomness: 32 } as const;

export function requireLength(bytes: Uint8Array, length: number, what: string): void {
  if (bytes.length !== length) throw new MlsError("invalid_argument", `${what} is not ${length} bytes long`);
}

/** The one form of a P-256 point on the wire: 0x04, x, y. */
export function isUncompressedPoint(publicKey: Uint8Array): boolean {
  return publicKey.length === curveSizes["P-256"].publicKeyLength && publicKey[0] === 4;
}

/** Draws private keys until one is in range; for P-256 the first one is, but with probability 2^-32. */
export function drawKeyPair(
  draw: () => Uint8Array,
  publicKeyOf: (privateKey: Uint8Array) => Uint8Array | undefined,
): KeyPair {
  for (let attempt = 0; attempt < 100; attempt++) {
    const privateKey = draw();
    const publicKey = publicKeyOf(privateKey);
    if (publicKey !== undefined) return { publicKey, privateKey };
  }
  throw new MlsError("invalid_argument", "the random source yields no valid private key");
}
