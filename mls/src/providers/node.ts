/**
 * The provider on node:crypto: native speed, and everything synchronous. ML-KEM-768 alone comes from @noble, because Node 20
 * has none.
 */
import {
  createCipheriv,
  createDecipheriv,
  createECDH,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hash as digest,
  randomFillSync,
  sign,
  verify,
  type CipherGCMTypes,
  type KeyObject,
} from "node:crypto";
import type { Random } from "../cipherSuite.ts";
import { MlsError } from "../mlsError.ts";
import type {
  Aead,
  AeadName,
  CryptoProvider,
  DiffieHellman,
  HashFunction,
  ProviderOptions,
  SignatureScheme,
} from "../provider.ts";
import { isStrictEd25519 } from "./ed25519Strict.ts";
import { keyCache } from "./keyCache.ts";
import { aeadSizes, curveSizes, drawKeyPair, isUncompressedPoint, requireLength, tagLength } from "./lengths.ts";
import { nobleMlKem768 } from "./nobleSymmetric.ts";

export interface NodeProviderOptions extends ProviderOptions {
  /** How many imported public keys, and how many signature keys, are kept at most; 4096 by default. */
  readonly cachedKeys?: number;
}

export function nodeProvider(options: NodeProviderOptions = {}): CryptoProvider {
  const random = options.random ?? ((length: number) => randomFillSync(new Uint8Array(length)));
  const cachedKeys = options.cachedKeys ?? 4096;
  return {
    name: "node",
    random,
    hashes: {
      "SHA-256": hashFunction("sha256", 32),
      "SHA-384": hashFunction("sha384", 48),
      "SHA3-256": hashFunction("sha3-256", 32),
    },
    shake256: (data, length) => plain(createHash("shake256", { outputLength: length }).update(data).digest()),
    aeads: {
      "AES-128-GCM": aead("AES-128-GCM", "aes-128-gcm"),
      "AES-256-GCM": aead("AES-256-GCM", "aes-256-gcm"),
      // Typed for GCM, but the interface is the same for all ciphers with a tag.
      "ChaCha20-Poly1305": aead("ChaCha20-Poly1305", "chacha20-poly1305" as CipherGCMTypes),
    },
    curves: { X25519: x25519Agreement(random, cachedKeys), "P-256": p256Agreement(random) },
    signatures: { Ed25519: ed25519Scheme(random, cachedKeys), "ECDSA-P256-SHA256": ecdsaScheme(random, cachedKeys) },
    mlKem768: nobleMlKem768,
  };
}

/** The bytes of a Buffer as a Uint8Array: `slice` means another thing on a Buffer. */
function plain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

/** What `compute` returns, or `undefined` where OpenSSL refuses its input. */
function attempt<T>(compute: () => T): T | undefined {
  try {
    return compute();
  } catch {
    return undefined;
  }
}

function hashFunction(name: string, length: number): HashFunction {
  return {
    length,
    digest: (data) => plain(digest(name, data, "buffer")),
    hmac: (key, data) => plain(createHmac(name, key).update(data).digest()),
  };
}

function aead(name: AeadName, cipherName: CipherGCMTypes): Aead {
  const { keyLength, nonceLength } = aeadSizes[name];
  const options = { authTagLength: tagLength };
  const check = (key: Uint8Array, nonce: Uint8Array): void => {
    requireLength(key, keyLength, "an AEAD key");
    requireLength(nonce, nonceLength, "an AEAD nonce");
  };
  return {
    keyLength,
    nonceLength,
    seal(key, nonce, aad, plaintext) {
      check(key, nonce);
      const cipher = createCipheriv(cipherName, key, nonce, options);
      cipher.setAAD(aad);
      const result = new Uint8Array(plaintext.length + tagLength);
      result.set(cipher.update(plaintext));
      cipher.final();
      result.set(cipher.getAuthTag(), plaintext.length);
      return result;
    },
    open(key, nonce, aad, ciphertext) {
      check(key, nonce);
      const length = ciphertext.length - tagLength;
      if (length < 0) return undefined;
      const decipher = createDecipheriv(cipherName, key, nonce, options);
      decipher.setAAD(aad);
      decipher.setAuthTag(ciphertext.subarray(length));
      const plaintext = plain(decipher.update(ciphertext.subarray(0, length)));
      try {
        decipher.final();
        return plaintext;
      } catch {
        plaintext.fill(0);
        return undefined;
      }
    },
  };
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64url");
}

/** Importing JWK is ten times faster than importing DER. */
function importPublic(crv: "X25519" | "Ed25519", x: string): KeyObject {
  return createPublicKey({ format: "jwk", key: { kty: "OKP", crv, x } });
}

/** OpenSSL derives the public key from `d` and does not look at `x`, which a JWK must have nevertheless (RFC 8037). */
function importPrivate(crv: "X25519" | "Ed25519", privateKey: Uint8Array): KeyObject {
  return createPrivateKey({ format: "jwk", key: { kty: "OKP", crv, d: base64url(privateKey), x: "A".repeat(43) } });
}

function publicBytes(privateKey: KeyObject): Uint8Array {
  const { x } = createPublicKey(privateKey).export({ format: "jwk" });
  return new Uint8Array(Buffer.from(x as string, "base64url"));
}

/** Private keys are not cached here: they belong to tree nodes and have to be gone when the engine deletes them. */
function x25519Agreement(random: Random, cachedKeys: number): DiffieHellman {
  const sizes = curveSizes.X25519;
  const publicKeys = keyCache(base64url, (_, x) => importPublic("X25519", x), cachedKeys);
  const agree = (privateKey: KeyObject, peer: Uint8Array): Uint8Array | undefined =>
    // OpenSSL refuses peers of small order, that is, an all-zero secret.
    peer.length === sizes.publicKeyLength
      ? attempt(() => plain(diffieHellman({ privateKey, publicKey: publicKeys(peer) })))
      : undefined;
  const publicKey = (privateKey: Uint8Array): Uint8Array | undefined =>
    privateKey.length === sizes.privateKeyLength ? publicBytes(importPrivate("X25519", privateKey)) : undefined;
  return {
    ...sizes,
    publicKey,
    generate: () => drawKeyPair(() => random(sizes.privateKeyLength), publicKey),
    agree: (privateKey, peer) =>
      privateKey.length === sizes.privateKeyLength ? agree(importPrivate("X25519", privateKey), peer) : undefined,
    ephemeral(peer) {
      const privateKey = importPrivate("X25519", random(sizes.privateKeyLength));
      const secret = agree(privateKey, peer);
      return secret && { publicKey: publicBytes(privateKey), secret };
    },
  };
}

function p256Agreement(random: Random) {
  const sizes = curveSizes["P-256"];
  const load = (privateKey: Uint8Array): ReturnType<typeof createECDH> | undefined => {
    if (privateKey.length !== sizes.privateKeyLength) return undefined;
    return attempt(() => {
      const ecdh = createECDH("prime256v1");
      ecdh.setPrivateKey(privateKey);
      return ecdh;
    });
  };
  const publicKey = (privateKey: Uint8Array): Uint8Array | undefined => {
    const ecdh = load(privateKey);
    return ecdh && plain(ecdh.getPublicKey());
  };
  const agree = (privateKey: Uint8Array, peer: Uint8Array): Uint8Array | undefined => {
    if (!isUncompressedPoint(peer)) return undefined;
    const ecdh = load(privateKey);
    return ecdh && attempt(() => plain(ecdh.computeSecret(peer)));
  };
  const generate = () => drawKeyPair(() => random(sizes.privateKeyLength), publicKey);
  return {
    ...sizes,
    publicKey,
    generate,
    agree,
    ephemeral(peer) {
      const own = generate();
      const secret = agree(own.privateKey, peer);
      return secret && { publicKey: own.publicKey, secret };
    },
  } satisfies DiffieHellman;
}

function ed25519Scheme(random: Random, cachedKeys: number): SignatureScheme {
  const publicKeys = keyCache(base64url, (_, x) => importPublic("Ed25519", x), cachedKeys);
  const privateKeys = keyCache(base64url, (privateKey) => importPrivate("Ed25519", privateKey), cachedKeys);
  return {
    generate: () =>
      drawKeyPair(
        () => random(32),
        (privateKey) => publicBytes(importPrivate("Ed25519", privateKey)),
      ),
    sign(privateKey, message) {
      requireLength(privateKey, 32, "an Ed25519 private key");
      return plain(sign(null, message, privateKeys(privateKey)));
    },
    verify: (publicKey, message, signature) =>
      isStrictEd25519(publicKey, signature) &&
      (attempt(() => verify(null, message, publicKeys(publicKey), signature)) ?? false),
  };
}

function ecdsaScheme(random: Random, cachedKeys: number): SignatureScheme {
  const { generate, publicKey: publicKeyOf } = p256Agreement(random);
  const coordinates = (point: Uint8Array) => ({
    kty: "EC",
    crv: "P-256",
    x: base64url(point.subarray(1, 33)),
    y: base64url(point.subarray(33)),
  });
  const publicKeys = keyCache(
    base64url,
    (point) => createPublicKey({ format: "jwk", key: coordinates(point) }),
    cachedKeys,
  );
  const privateKeys = keyCache(
    base64url,
    (privateKey, d) => {
      const point = publicKeyOf(privateKey);
      if (point === undefined) throw new MlsError("invalid_argument", "a P-256 private key is malformed");
      return createPrivateKey({ format: "jwk", key: { ...coordinates(point), d } });
    },
    cachedKeys,
  );
  return {
    generate,
    sign: (privateKey, message) => plain(sign("sha256", message, privateKeys(privateKey))),
    verify: (publicKey, message, signature) =>
      isUncompressedPoint(publicKey) &&
      (attempt(() => verify("sha256", message, publicKeys(publicKey), signature)) ?? false),
  };
}
