/**
 * What the engine needs from a crypto library: primitives alone, without any knowledge of MLS or HPKE. The suites of
 * RFC 9420 are assembled from them in `suites.ts`.
 *
 * All providers accept and refuse exactly the same inputs, or members on different platforms would disagree about a commit.
 * Returned arrays are plain `Uint8Array`s that belong to the caller; arguments are neither kept nor changed.
 */
import type { KeyPair, MaybePromise, Random } from "./cipherSuite.ts";

export interface HashFunction {
  /** Bytes of the output. */
  readonly length: number;
  readonly digest: (data: Uint8Array) => Uint8Array;
  /** RFC 2104. */
  readonly hmac: (key: Uint8Array, data: Uint8Array) => Uint8Array;
}

/** RFC 5116, with the tag (16 bytes) at the end of the ciphertext. */
export interface Aead {
  readonly keyLength: number;
  readonly nonceLength: number;
  /** @throws MlsError `invalid_argument` when key or nonce have the wrong length. */
  readonly seal: (key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array) => Uint8Array;
  /**
   * `undefined` when the ciphertext is not authentic.
   * @throws MlsError `invalid_argument` when key or nonce have the wrong length.
   */
  readonly open: (
    key: Uint8Array,
    nonce: Uint8Array,
    aad: Uint8Array,
    ciphertext: Uint8Array,
  ) => Uint8Array | undefined;
}

/** X25519 (RFC 7748), or ECDH on P-256 with uncompressed points and the x-coordinate as the secret. */
export interface DiffieHellman {
  readonly publicKeyLength: number;
  readonly privateKeyLength: number;
  /** `undefined` when the private key is malformed or out of range. */
  readonly publicKey: (privateKey: Uint8Array) => MaybePromise<Uint8Array | undefined>;
  readonly generate: () => MaybePromise<KeyPair>;
  /** `undefined` when a key is malformed, out of range or not on the curve, or when the secret is all zero. */
  readonly agree: (privateKey: Uint8Array, peerPublicKey: Uint8Array) => MaybePromise<Uint8Array | undefined>;
  /** `generate` and `agree` in one, for a key pair that is used once. */
  readonly ephemeral: (
    peerPublicKey: Uint8Array,
  ) => MaybePromise<{ readonly publicKey: Uint8Array; readonly secret: Uint8Array } | undefined>;
}

/**
 * Ed25519 (RFC 8032: keys of 32 bytes, the private one a seed), or ECDSA on P-256 with SHA-256 (public keys are
 * uncompressed points, private keys scalars of 32 bytes, signatures DER; RFC 9420, section 5.1.2).
 */
export interface SignatureScheme {
  readonly generate: () => MaybePromise<KeyPair>;
  /** @throws MlsError `invalid_argument` when the private key is malformed or out of range. */
  readonly sign: (privateKey: Uint8Array, message: Uint8Array) => MaybePromise<Uint8Array>;
  /** A malformed key or signature is `false`. */
  readonly verify: (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => MaybePromise<boolean>;
}

/** ML-KEM-768 (FIPS 203), derandomised. */
export interface MlKem {
  /** `seed` is d || z, 64 bytes; the private key is the expanded one. */
  readonly keyPair: (seed: Uint8Array) => KeyPair;
  /** `randomness` is m, 32 bytes. `undefined` when the public key is malformed (FIPS 203, section 7.2). */
  readonly encapsulate: (
    publicKey: Uint8Array,
    randomness: Uint8Array,
  ) => { readonly sharedSecret: Uint8Array; readonly ciphertext: Uint8Array } | undefined;
  /** `undefined` when the ciphertext has the wrong length; any other forgery yields an unrelated secret. */
  readonly decapsulate: (privateKey: Uint8Array, ciphertext: Uint8Array) => Uint8Array | undefined;
}

export type HashName = "SHA-256" | "SHA-384" | "SHA3-256";
export type AeadName = "AES-128-GCM" | "AES-256-GCM" | "ChaCha20-Poly1305";
export type CurveName = "X25519" | "P-256";
export type SignatureName = "Ed25519" | "ECDSA-P256-SHA256";

export interface CryptoProvider {
  readonly name: string;
  readonly random: Random;
  readonly hashes: Readonly<Record<HashName, HashFunction>>;
  /** SHAKE256 (FIPS 202) with `length` bytes of output. */
  readonly shake256: (data: Uint8Array, length: number) => Uint8Array;
  readonly aeads: Readonly<Record<AeadName, Aead>>;
  readonly curves: Readonly<Record<CurveName, DiffieHellman>>;
  readonly signatures: Readonly<Record<SignatureName, SignatureScheme>>;
  readonly mlKem768: MlKem;
}

export interface ProviderOptions {
  /** The source of all randomness; the platform's by default. Tests pass a seeded one. */
  readonly random?: Random;
}
