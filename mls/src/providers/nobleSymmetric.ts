/** Hashes, AEADs and ML-KEM from the @noble packages, for the providers whose platform has no synchronous ones. */
import { gcm } from "@noble/ciphers/aes.js";
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256, sha384 } from "@noble/hashes/sha2.js";
import { sha3_256, shake256 as nobleShake256 } from "@noble/hashes/sha3.js";
import type { CHash } from "@noble/hashes/utils.js";
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";
import type { Aead, AeadName, HashFunction, HashName, MlKem } from "../provider.ts";
import { aeadSizes, mlKemSizes, requireLength } from "./lengths.ts";

function hashFunction(hash: CHash): HashFunction {
  return {
    length: hash.outputLen,
    digest: (data) => hash(data),
    hmac: (key, data) => hmac(hash, key, data),
  };
}

export const nobleHashes: Readonly<Record<HashName, HashFunction>> = {
  "SHA-256": hashFunction(sha256),
  "SHA-384": hashFunction(sha384),
  "SHA3-256": hashFunction(sha3_256),
};

export function nobleShake(data: Uint8Array, length: number): Uint8Array {
  return nobleShake256(data, { dkLen: length });
}

interface NobleCipher {
  encrypt(plaintext: Uint8Array): Uint8Array;
  decrypt(ciphertext: Uint8Array): Uint8Array;
}

function aead(name: AeadName, cipher: (key: Uint8Array, nonce: Uint8Array, aad: Uint8Array) => NobleCipher): Aead {
  const { keyLength, nonceLength } = aeadSizes[name];
  const prepare = (key: Uint8Array, nonce: Uint8Array, aad: Uint8Array): NobleCipher => {
    requireLength(key, keyLength, "an AEAD key");
    requireLength(nonce, nonceLength, "an AEAD nonce");
    return cipher(key, nonce, aad);
  };
  return {
    keyLength,
    nonceLength,
    seal: (key, nonce, aad, plaintext) => prepare(key, nonce, aad).encrypt(plaintext),
    open(key, nonce, aad, ciphertext) {
      const prepared = prepare(key, nonce, aad);
      try {
        return prepared.decrypt(ciphertext);
      } catch {
        return undefined;
      }
    },
  };
}

export const nobleAeads: Readonly<Record<AeadName, Aead>> = {
  "AES-128-GCM": aead("AES-128-GCM", gcm),
  "AES-256-GCM": aead("AES-256-GCM", gcm),
  "ChaCha20-Poly1305": aead("ChaCha20-Poly1305", chacha20poly1305),
};

export const nobleMlKem768: MlKem = {
  keyPair(seed) {
    requireLength(seed, mlKemSizes.seed, "an ML-KEM seed");
    const { publicKey, secretKey } = ml_kem768.keygen(seed);
    return { publicKey, privateKey: secretKey };
  },
  encapsulate(publicKey, randomness) {
    requireLength(randomness, mlKemSizes.randomness, "ML-KEM randomness");
    if (publicKey.length !== mlKemSizes.publicKey) return undefined;
    try {
      const { sharedSecret, cipherText } = ml_kem768.encapsulate(publicKey, randomness);
      return { sharedSecret, ciphertext: cipherText };
    } catch {
      return undefined;
    }
  },
  decapsulate(privateKey, ciphertext) {
    requireLength(privateKey, mlKemSizes.privateKey, "an ML-KEM private key");
    if (ciphertext.length !== mlKemSizes.ciphertext) return undefined;
    return ml_kem768.decapsulate(ciphertext, privateKey);
  },
};
