/**
 * Everything from the @noble packages: pure JavaScript, for React Native and wherever there is no other provider. Curve
 * operations take about a millisecond; everything is synchronous.
 */
import { ed25519, x25519 } from "@noble/curves/ed25519.js";
import { p256 } from "@noble/curves/nist.js";
import { sha512 } from "@noble/hashes/sha2.js";
import { randomBytes } from "@noble/hashes/utils.js";
import { wipe } from "../bytes.ts";
import type { Random } from "../cipherSuite.ts";
import { MlsError } from "../mlsError.ts";
import type { CryptoProvider, DiffieHellman, ProviderOptions, SignatureScheme } from "../provider.ts";
import { isStrictEd25519 } from "./ed25519Strict.ts";
import { curveSizes, drawKeyPair, isUncompressedPoint, requireLength } from "./lengths.ts";
import { nobleAeads, nobleHashes, nobleMlKem768, nobleShake } from "./nobleSymmetric.ts";

export function nobleProvider(options: ProviderOptions = {}): CryptoProvider {
  const random = options.random ?? ((length: number) => randomBytes(length));
  return {
    name: "noble",
    random,
    hashes: nobleHashes,
    shake256: nobleShake,
    aeads: nobleAeads,
    curves: { X25519: x25519Agreement(random), "P-256": p256Agreement(random) },
    signatures: { Ed25519: ed25519Scheme(random), "ECDSA-P256-SHA256": ecdsaScheme(random) },
    mlKem768: nobleMlKem768,
  };
}

/** What `compute` returns, or `undefined` where the library refuses its input. */
function attempt<T>(compute: () => T): T | undefined {
  try {
    return compute();
  } catch {
    return undefined;
  }
}

function x25519Agreement(random: Random): DiffieHellman {
  const sizes = curveSizes.X25519;
  return agreement(random, {
    ...sizes,
    publicKey: (privateKey) =>
      privateKey.length === sizes.privateKeyLength ? x25519.getPublicKey(privateKey) : undefined,
    // @noble refuses peers of small order, that is, an all-zero secret.
    agree: (privateKey, peer) =>
      peer.length === sizes.publicKeyLength ? attempt(() => x25519.getSharedSecret(privateKey, peer)) : undefined,
  });
}

function p256PublicKey(privateKey: Uint8Array): Uint8Array | undefined {
  return attempt(() => p256.getPublicKey(privateKey, false));
}

function p256Agreement(random: Random): DiffieHellman {
  return agreement(random, {
    ...curveSizes["P-256"],
    publicKey: p256PublicKey,
    agree: (privateKey, peer) =>
      isUncompressedPoint(peer) ? attempt(() => p256.getSharedSecret(privateKey, peer, false).slice(1, 33)) : undefined,
  });
}

interface Curve {
  readonly publicKeyLength: number;
  readonly privateKeyLength: number;
  readonly publicKey: (privateKey: Uint8Array) => Uint8Array | undefined;
  readonly agree: (privateKey: Uint8Array, peerPublicKey: Uint8Array) => Uint8Array | undefined;
}

function agreement(random: Random, curve: Curve): DiffieHellman {
  const generate = () => drawKeyPair(() => random(curve.privateKeyLength), curve.publicKey);
  return {
    ...curve,
    generate,
    ephemeral(peer) {
      const own = generate();
      const secret = curve.agree(own.privateKey, peer);
      wipe(own.privateKey);
      return secret && { publicKey: own.publicKey, secret };
    },
  };
}

function ed25519Scheme(random: Random): SignatureScheme {
  return {
    generate: () =>
      drawKeyPair(
        () => random(32),
        (privateKey) => ed25519.getPublicKey(privateKey),
      ),
    sign(privateKey, message) {
      requireLength(privateKey, 32, "an Ed25519 private key");
      return ed25519.sign(message, privateKey);
    },
    verify: (publicKey, message, signature) =>
      isStrictEd25519(publicKey, signature) && (attempt(() => verifyEd25519(publicKey, message, signature)) ?? false),
  };
}

/**
 * RFC 8032, section 5.1.7, with the cofactorless equation R = sB - kA that OpenSSL and BoringSSL evaluate; @noble's own
 * `verify` multiplies by the cofactor.
 */
function verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const { Point } = ed25519;
  const encodedR = signature.subarray(0, 32);
  const s = littleEndian(signature.subarray(32));
  if (s >= Point.Fn.ORDER) return false;
  const a = Point.fromBytes(publicKey);
  const k = littleEndian(sha512.create().update(encodedR).update(publicKey).update(message).digest()) % Point.Fn.ORDER;
  const r = Point.BASE.multiplyUnsafe(s).subtract(a.multiplyUnsafe(k)).toBytes();
  return r.every((byte, index) => byte === encodedR[index]);
}

function littleEndian(bytes: Uint8Array): bigint {
  let hex = "0x0";
  for (let index = bytes.length - 1; index >= 0; index--) hex += (bytes[index] ?? 0).toString(16).padStart(2, "0");
  return BigInt(hex);
}

function ecdsaScheme(random: Random): SignatureScheme {
  return {
    generate: () => drawKeyPair(() => random(32), p256PublicKey),
    sign(privateKey, message) {
      const signature = attempt(() => p256.sign(message, privateKey, { format: "der", lowS: false }));
      if (signature === undefined) throw new MlsError("invalid_argument", "a P-256 private key is malformed");
      return signature;
    },
    verify: (publicKey, message, signature) =>
      isUncompressedPoint(publicKey) &&
      (attempt(() => p256.verify(signature, message, publicKey, { format: "der", lowS: false })) ?? false),
  };
}
