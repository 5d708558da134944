/**
 * The provider for browsers: curves and signatures by WebCrypto, where they are native, and symmetric work by @noble, because a
 * promise for each of the many small steps costs more than the step. Needs X25519 and Ed25519 in WebCrypto
 * (https://www.w3.org/TR/webcrypto-2/).
 */
import { concatBytes, wipe } from "../bytes.ts";
import type { KeyPair, Random } from "../cipherSuite.ts";
import { MlsError } from "../mlsError.ts";
import type { CryptoProvider, CurveName, DiffieHellman, ProviderOptions, SignatureScheme } from "../provider.ts";
import { fromDer, toDer } from "./derSignature.ts";
import { isStrictEd25519 } from "./ed25519Strict.ts";
import { keyCache } from "./keyCache.ts";
import { curveSizes, isUncompressedPoint, requireLength } from "./lengths.ts";
import { nobleAeads, nobleHashes, nobleMlKem768, nobleShake } from "./nobleSymmetric.ts";

export interface WebcryptoProviderOptions extends ProviderOptions {
  /** How many imported public keys, and how many signature keys, are kept at most; 4096 by default. */
  readonly cachedKeys?: number;
}

export function webcryptoProvider(options: WebcryptoProviderOptions = {}): CryptoProvider {
  const random = options.random ?? ((length: number) => crypto.getRandomValues(new Uint8Array(length)));
  const cachedKeys = options.cachedKeys ?? 4096;
  return {
    name: "webcrypto",
    random,
    hashes: nobleHashes,
    shake256: nobleShake,
    aeads: nobleAeads,
    curves: {
      X25519: agreement("X25519", random, cachedKeys),
      "P-256": agreement("P-256", random, cachedKeys),
    },
    signatures: {
      Ed25519: ed25519Scheme(random, cachedKeys),
      "ECDSA-P256-SHA256": ecdsaScheme(random, cachedKeys),
    },
    mlKem768: nobleMlKem768,
  };
}

interface KeyKind {
  readonly algorithm: { readonly name: string; readonly namedCurve?: string };
  readonly privateUsages: readonly KeyUsage[];
  readonly publicUsages: readonly KeyUsage[];
  /** What precedes the 32 bytes of a private key in PKCS #8 (RFC 8410; RFC 5915 without the public key). */
  readonly pkcs8Prefix: Uint8Array;
}

const x25519Prefix = "302e020100300506032b656e04220420";
const ed25519Prefix = "302e020100300506032b657004220420";
const p256Prefix = "3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420";

function keyKind(
  algorithm: KeyKind["algorithm"],
  privateUsages: readonly KeyUsage[],
  publicUsages: readonly KeyUsage[],
  prefix: string,
): KeyKind {
  const pkcs8Prefix = Uint8Array.from(prefix.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
  return { algorithm, privateUsages, publicUsages, pkcs8Prefix };
}

const agreementKinds: Readonly<Record<CurveName, KeyKind>> = {
  X25519: keyKind({ name: "X25519" }, ["deriveBits"], [], x25519Prefix),
  "P-256": keyKind({ name: "ECDH", namedCurve: "P-256" }, ["deriveBits"], [], p256Prefix),
};
const ed25519Kind = keyKind({ name: "Ed25519" }, ["sign"], ["verify"], ed25519Prefix);
const ecdsaKind = keyKind({ name: "ECDSA", namedCurve: "P-256" }, ["sign"], ["verify"], p256Prefix);

/** Neither kind of array is ever shared memory here, which WebCrypto's types exclude. */
function unshared(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>;
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

async function importPublic(kind: KeyKind, publicKey: Uint8Array): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", unshared(publicKey), kind.algorithm, true, kind.publicUsages);
}

async function importPrivate(kind: KeyKind, privateKey: Uint8Array, extractable: boolean): Promise<CryptoKey> {
  const pkcs8 = concatBytes(kind.pkcs8Prefix, privateKey);
  const key = await crypto.subtle.importKey("pkcs8", unshared(pkcs8), kind.algorithm, extractable, kind.privateUsages);
  wipe(pkcs8);
  return key;
}

/** WebCrypto gives the public half of a private key as JWK only. */
async function publicBytes(privateKey: CryptoKey): Promise<Uint8Array> {
  const { x, y } = await crypto.subtle.exportKey("jwk", privateKey);
  return y === undefined ? decodeBase64url(x) : concatBytes(Uint8Array.of(4), decodeBase64url(x), decodeBase64url(y));
}

function decodeBase64url(text = ""): Uint8Array {
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

/** What `compute` resolves to, or `undefined` where WebCrypto refuses its input. */
async function attempt<T>(compute: () => Promise<T>): Promise<T | undefined> {
  try {
    return await compute();
  } catch {
    return undefined;
  }
}

/** An extractable key, made from 32 random bytes so that the source of randomness can be chosen. */
async function generateKey(kind: KeyKind, random: Random): Promise<KeyPair & { readonly key: CryptoKey }> {
  for (let tries = 0; tries < 100; tries++) {
    const privateKey = random(32);
    const key = await attempt(() => importPrivate(kind, privateKey, true));
    if (key !== undefined) return { privateKey, publicKey: await publicBytes(key), key };
  }
  throw new MlsError("invalid_argument", "the random source yields no valid private key");
}

async function generatePair(kind: KeyKind, random: Random): Promise<KeyPair> {
  const { publicKey, privateKey } = await generateKey(kind, random);
  return { publicKey, privateKey };
}

/** Private keys are not cached here: they belong to tree nodes and have to be gone when the engine deletes them. */
function agreement(curve: CurveName, random: Random, cachedKeys: number): DiffieHellman {
  const sizes = curveSizes[curve];
  const kind = agreementKinds[curve];
  const publicKeys = keyCache(latin1, (publicKey) => importPublic(kind, publicKey), cachedKeys);
  const isPublicKey = (peer: Uint8Array): boolean =>
    curve === "P-256" ? isUncompressedPoint(peer) : peer.length === sizes.publicKeyLength;

  async function agree(privateKey: CryptoKey, peer: Uint8Array): Promise<Uint8Array> {
    const algorithm = { name: kind.algorithm.name, public: await publicKeys(peer) };
    // WebCrypto refuses an all-zero secret.
    return new Uint8Array(await crypto.subtle.deriveBits(algorithm, privateKey, 256));
  }

  return {
    ...sizes,
    publicKey: (privateKey) =>
      privateKey.length === sizes.privateKeyLength
        ? attempt(async () => publicBytes(await importPrivate(kind, privateKey, true)))
        : undefined,
    generate: () => generatePair(kind, random),
    agree: (privateKey, peer) =>
      isPublicKey(peer) && privateKey.length === sizes.privateKeyLength
        ? attempt(async () => agree(await importPrivate(kind, privateKey, false), peer))
        : undefined,
    async ephemeral(peer) {
      if (!isPublicKey(peer)) return undefined;
      const own = await generateKey(kind, random);
      wipe(own.privateKey);
      const secret = await attempt(() => agree(own.key, peer));
      return secret && { publicKey: own.publicKey, secret };
    },
  };
}

function ed25519Scheme(random: Random, cachedKeys: number): SignatureScheme {
  const kind = ed25519Kind;
  const publicKeys = keyCache(latin1, (publicKey) => importPublic(kind, publicKey), cachedKeys);
  const privateKeys = keyCache(latin1, (privateKey) => importPrivate(kind, privateKey, false), cachedKeys);
  return {
    generate: () => generatePair(kind, random),
    async sign(privateKey, message) {
      requireLength(privateKey, 32, "an Ed25519 private key");
      return new Uint8Array(await crypto.subtle.sign(kind.algorithm, await privateKeys(privateKey), unshared(message)));
    },
    async verify(publicKey, message, signature) {
      if (!isStrictEd25519(publicKey, signature)) return false;
      const verified = await attempt(async () =>
        crypto.subtle.verify(kind.algorithm, await publicKeys(publicKey), unshared(signature), unshared(message)),
      );
      return verified ?? false;
    },
  };
}

function ecdsaScheme(random: Random, cachedKeys: number): SignatureScheme {
  const kind = ecdsaKind;
  const algorithm = { name: "ECDSA", hash: "SHA-256" };
  const publicKeys = keyCache(latin1, (publicKey) => importPublic(kind, publicKey), cachedKeys);
  const privateKeys = keyCache(latin1, (privateKey) => importPrivate(kind, privateKey, false), cachedKeys);
  return {
    generate: () => generatePair(kind, random),
    async sign(privateKey, message) {
      requireLength(privateKey, 32, "a P-256 private key");
      const key = await attempt(() => privateKeys(privateKey));
      if (key === undefined) throw new MlsError("invalid_argument", "a P-256 private key is malformed");
      return toDer(new Uint8Array(await crypto.subtle.sign(algorithm, key, unshared(message))));
    },
    async verify(publicKey, message, signature) {
      const raw = fromDer(signature);
      if (raw === undefined || !isUncompressedPoint(publicKey)) return false;
      const verified = await attempt(async () =>
        crypto.subtle.verify(algorithm, await publicKeys(publicKey), unshared(raw), unshared(message)),
      );
      return verified ?? false;
    },
  };
}
