/**
 * The KEMs of HPKE: DHKEM (RFC 9180, section 4.1) and X-Wing, which draft-ietf-hpke-pq registers as 0x647a.
 * https://www.rfc-editor.org/rfc/rfc9180 · https://datatracker.ietf.org/doc/draft-ietf-hpke-pq
 */
import { concatBytes, integerBytes, wipe } from "./bytes.ts";
import type { KeyPair, MaybePromise } from "./cipherSuite.ts";
import { labeledExpand, labeledExtract } from "./hpkeLabels.ts";
import { chain } from "./maybePromise.ts";
import { MlsError } from "./mlsError.ts";
import type { CryptoProvider, CurveName } from "./provider.ts";
import { isValidP256Key, isValidX25519Key, isValidXWingKey } from "./publicKeyCheck.ts";

export interface Encapsulation {
  readonly sharedSecret: Uint8Array;
  /** `enc` of RFC 9180. */
  readonly kemOutput: Uint8Array;
}

export interface Kem {
  readonly id: number;
  /** Decided without the provider, so that all decide alike. */
  readonly isValidPublicKey: (publicKey: Uint8Array) => boolean;
  readonly deriveKeyPair: (ikm: Uint8Array) => MaybePromise<KeyPair>;
  readonly generateKeyPair: () => MaybePromise<KeyPair>;
  /** `undefined` when the public key is not valid. */
  readonly encapsulate: (publicKey: Uint8Array) => MaybePromise<Encapsulation | undefined>;
  /** `undefined` when a key or the KEM output is not valid. */
  readonly decapsulate: (
    privateKey: Uint8Array,
    publicKey: Uint8Array,
    kemOutput: Uint8Array,
  ) => MaybePromise<Uint8Array | undefined>;
}

const empty = new Uint8Array(0);
const kemTag = new TextEncoder().encode("KEM");

function kemSuiteId(id: number): Uint8Array {
  return concatBytes(kemTag, integerBytes(id, 2));
}

/** DHKEM with the suite's curve and HKDF-SHA256. */
export function dhKem(id: number, curveName: CurveName, provider: CryptoProvider): Kem {
  const curve = provider.curves[curveName];
  const hash = provider.hashes["SHA-256"];
  const suiteId = kemSuiteId(id);

  function sharedSecret(secret: Uint8Array, kemOutput: Uint8Array, publicKey: Uint8Array): Uint8Array {
    const prk = labeledExtract(hash, suiteId, empty, "eae_prk", secret);
    const result = labeledExpand(hash, suiteId, prk, "shared_secret", concatBytes(kemOutput, publicKey), hash.length);
    wipe(secret, prk);
    return result;
  }

  /** Section 7.1.3: the first candidate for a private key that is in range. For X25519 there is only one. */
  function deriveKeyPair(ikm: Uint8Array): MaybePromise<KeyPair> {
    const prk = labeledExtract(hash, suiteId, empty, "dkp_prk", ikm);
    const attempt = (counter: number): MaybePromise<KeyPair> => {
      if (counter > 255) throw new MlsError("invalid_argument", "no key pair can be derived from this input");
      const privateKey =
        curveName === "X25519"
          ? labeledExpand(hash, suiteId, prk, "sk", empty, curve.privateKeyLength)
          : labeledExpand(hash, suiteId, prk, "candidate", Uint8Array.of(counter), curve.privateKeyLength);
      return chain(curve.publicKey(privateKey), (publicKey) =>
        publicKey === undefined ? attempt(counter + 1) : { publicKey, privateKey },
      );
    };
    return chain(attempt(0), (pair) => {
      wipe(prk);
      return pair;
    });
  }

  return {
    id,
    isValidPublicKey: curveName === "X25519" ? isValidX25519Key : isValidP256Key,
    deriveKeyPair,
    generateKeyPair: () => curve.generate(),
    encapsulate: (publicKey) =>
      chain(
        curve.ephemeral(publicKey),
        (own) => own && { sharedSecret: sharedSecret(own.secret, own.publicKey, publicKey), kemOutput: own.publicKey },
      ),
    decapsulate: (privateKey, publicKey, kemOutput) =>
      chain(curve.agree(privateKey, kemOutput), (secret) => secret && sharedSecret(secret, kemOutput, publicKey)),
  };
}

/** Where the ML-KEM-768 part of an X-Wing public key, and of a ciphertext, ends. */
const mlKemPublicKey = 1184;
const mlKemCiphertext = 1088;
const curvePart = 32;

/** The label of X-Wing's combiner, `\.//^\`. */
const xWingLabel = new TextEncoder().encode("\\.//^\\");

/**
 * X-Wing (draft-connolly-cfrg-xwing-kem): ML-KEM-768 and X25519 under one seed of 32 bytes. Beyond the draft, an all-zero X25519
 * output is refused: no honest key has it, and not every library can compute it.
 */
export function xWingKem(provider: CryptoProvider): Kem {
  const id = 0x647a;
  const curve = provider.curves.X25519;
  const { mlKem768, shake256 } = provider;
  const suiteId = kemSuiteId(id);
  const deriveHeader = concatBytes(
    new TextEncoder().encode("HPKE-v1"),
    suiteId,
    integerBytes("DeriveKeyPair".length, 2),
    new TextEncoder().encode("DeriveKeyPair"),
    integerBytes(32, 2),
  );

  function expandSeed(seed: Uint8Array): { readonly mlKem: KeyPair; readonly scalar: Uint8Array } {
    const expanded = shake256(seed, 96);
    const result = { mlKem: mlKem768.keyPair(expanded.subarray(0, 64)), scalar: expanded.slice(64) };
    wipe(expanded);
    return result;
  }

  function fromSeed(seed: Uint8Array): MaybePromise<KeyPair> {
    const { mlKem, scalar } = expandSeed(seed);
    return chain(curve.publicKey(scalar), (curvePublicKey) => {
      wipe(mlKem.privateKey, scalar);
      if (curvePublicKey === undefined) throw new MlsError("invalid_argument", "a seed has the wrong length");
      return { publicKey: concatBytes(mlKem.publicKey, curvePublicKey), privateKey: seed };
    });
  }

  function combine(
    mlKemSecret: Uint8Array,
    curveSecret: Uint8Array,
    curveCiphertext: Uint8Array,
    curvePublicKey: Uint8Array,
  ): Uint8Array {
    const input = concatBytes(mlKemSecret, curveSecret, curveCiphertext, curvePublicKey, xWingLabel);
    const result = provider.hashes["SHA3-256"].digest(input);
    wipe(mlKemSecret, curveSecret, input);
    return result;
  }

  return {
    id,
    isValidPublicKey: isValidXWingKey,
    // SHAKE256.LabeledDerive of draft-ietf-hpke-pq, with an empty context.
    deriveKeyPair(ikm) {
      const input = concatBytes(ikm, deriveHeader);
      const seed = shake256(input, 32);
      wipe(input);
      return fromSeed(seed);
    },
    generateKeyPair: () => fromSeed(provider.random(32)),
    encapsulate(publicKey) {
      if (publicKey.length !== mlKemPublicKey + curvePart) return undefined;
      const curvePublicKey = publicKey.subarray(mlKemPublicKey);
      const randomness = provider.random(32);
      const mlKem = mlKem768.encapsulate(publicKey.subarray(0, mlKemPublicKey), randomness);
      wipe(randomness);
      if (mlKem === undefined) return undefined;
      return chain(
        curve.ephemeral(curvePublicKey),
        (own) =>
          own && {
            sharedSecret: combine(mlKem.sharedSecret, own.secret, own.publicKey, curvePublicKey),
            kemOutput: concatBytes(mlKem.ciphertext, own.publicKey),
          },
      );
    },
    decapsulate(privateKey, publicKey, kemOutput) {
      if (privateKey.length !== 32 || publicKey.length !== mlKemPublicKey + curvePart) return undefined;
      if (kemOutput.length !== mlKemCiphertext + curvePart) return undefined;
      const { mlKem, scalar } = expandSeed(privateKey);
      const curveCiphertext = kemOutput.subarray(mlKemCiphertext);
      const mlKemSecret = mlKem768.decapsulate(mlKem.privateKey, kemOutput.subarray(0, mlKemCiphertext));
      return chain(curve.agree(scalar, curveCiphertext), (curveSecret) => {
        wipe(mlKem.privateKey, scalar);
        if (mlKemSecret === undefined || curveSecret === undefined) return undefined;
        return combine(mlKemSecret, curveSecret, curveCiphertext, publicKey.subarray(mlKemPublicKey));
      });
    },
  };
}
