/**
 * The cipher suites: those of RFC 9420, section 17.1, that users meet, and the hybrid post-quantum ones of
 * draft-ietf-mls-pq-ciphersuites with X-Wing and Ed25519. The latter have no registered numbers yet and stand under private-use
 * ones, so groups in them interoperate with nobody else, and their signatures are classical.
 */
import { integerBytes } from "./bytes.ts";
import type { CipherSuite } from "./cipherSuite.ts";
import { hkdfExpand, truncate } from "./hkdf.ts";
import { hpke, type Hpke } from "./hpke.ts";
import { dhKem, xWingKem, type Kem } from "./hpkeKem.ts";
import { kdfLabel, labelled, refHashInput } from "./labels.ts";
import { chain } from "./maybePromise.ts";
import { MlsError } from "./mlsError.ts";
import type { AeadName, CryptoProvider, HashName, SignatureName } from "./provider.ts";

export const cipherSuites = {
  MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519: 0x0001,
  MLS_128_DHKEMP256_AES128GCM_SHA256_P256: 0x0002,
  MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519: 0x0003,
  /** Tacit's default. */
  MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519: 0xf0a2,
  MLS_128_MLKEM768X25519_AES128GCM_SHA256_Ed25519: 0xf0a1,
} as const;

interface Algorithms {
  readonly kem: KemName;
  readonly hash: keyof typeof kdfIds;
  readonly aead: AeadName;
  readonly signature: SignatureName;
}

const algorithms: Readonly<Record<keyof typeof cipherSuites, Algorithms>> = {
  MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519: {
    kem: "DHKEM-X25519",
    hash: "SHA-256",
    aead: "AES-128-GCM",
    signature: "Ed25519",
  },
  MLS_128_DHKEMP256_AES128GCM_SHA256_P256: {
    kem: "DHKEM-P256",
    hash: "SHA-256",
    aead: "AES-128-GCM",
    signature: "ECDSA-P256-SHA256",
  },
  MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519: {
    kem: "DHKEM-X25519",
    hash: "SHA-256",
    aead: "ChaCha20-Poly1305",
    signature: "Ed25519",
  },
  MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519: {
    kem: "X-Wing",
    hash: "SHA-384",
    aead: "AES-256-GCM",
    signature: "Ed25519",
  },
  MLS_128_MLKEM768X25519_AES128GCM_SHA256_Ed25519: {
    kem: "X-Wing",
    hash: "SHA-256",
    aead: "AES-128-GCM",
    signature: "Ed25519",
  },
};

type KemName = "DHKEM-X25519" | "DHKEM-P256" | "X-Wing";

/** RFC 9180, section 7.1, and draft-ietf-hpke-pq. */
const kems: Readonly<Record<KemName, (provider: CryptoProvider) => Kem>> = {
  "DHKEM-P256": (provider) => dhKem(0x0010, "P-256", provider),
  "DHKEM-X25519": (provider) => dhKem(0x0020, "X25519", provider),
  "X-Wing": xWingKem,
};
/** RFC 9180, section 7.2: HKDF with the suite's hash. */
const kdfIds = { "SHA-256": 0x0001, "SHA-384": 0x0002 } as const satisfies Partial<Record<HashName, number>>;
/** RFC 9180, section 7.3. */
const aeadIds: Readonly<Record<AeadName, number>> = {
  "AES-128-GCM": 0x0001,
  "AES-256-GCM": 0x0002,
  "ChaCha20-Poly1305": 0x0003,
};

export const defaultCipherSuite: number = cipherSuites.MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519;

const names = new Map<number, keyof typeof cipherSuites>(
  Object.entries(cipherSuites).map(([name, id]) => [id, name as keyof typeof cipherSuites]),
);

const empty = new Uint8Array(0);

const suitesOfProvider = new WeakMap<CryptoProvider, Map<number, CipherSuite>>();

/**
 * The suite `id` on the primitives of `provider`; the same object for the same arguments.
 * @throws MlsError `unsupported` when the table has no such suite.
 */
export function getCipherSuite(id: number, provider: CryptoProvider): CipherSuite {
  let suites = suitesOfProvider.get(provider);
  if (suites === undefined) suitesOfProvider.set(provider, (suites = new Map()));
  let suite = suites.get(id);
  if (suite === undefined) suites.set(id, (suite = assemble(id, provider)));
  return suite;
}

/**
 * The suite's HPKE by itself, for what an application encrypts outside of groups.
 * @throws MlsError `unsupported` when the table has no such suite.
 */
export function getHpke(id: number, provider: CryptoProvider): Hpke {
  const { aead, hash, kem } = algorithms[nameOf(id)];
  return hpke({
    kem: kems[kem](provider),
    kdf: { id: kdfIds[hash], hash: provider.hashes[hash] },
    aead: { id: aeadIds[aead], cipher: provider.aeads[aead] },
  });
}

function nameOf(id: number): keyof typeof cipherSuites {
  const name = names.get(id);
  if (name === undefined) throw new MlsError("unsupported", `there is no cipher suite ${id}`, { everyone: true });
  return name;
}

function assemble(id: number, provider: CryptoProvider): CipherSuite {
  const name = nameOf(id);
  const chosen = algorithms[name];
  const hash = provider.hashes[chosen.hash];
  const aead = provider.aeads[chosen.aead];
  const signature = provider.signatures[chosen.signature];
  const { kem, setupReceiver, setupSender } = getHpke(id, provider);

  function expandWithLabel(secret: Uint8Array, label: string, context: Uint8Array, length: number): Uint8Array {
    if (length > hash.length) return hkdfExpand(hash, secret, kdfLabel(length, label, context), length);
    // One block, the common case: the block's number goes into the same buffer.
    const input = kdfLabel(length, label, context, 1);
    input[input.length - 1] = 1;
    return truncate(hash.hmac(secret, input), length);
  }

  return {
    id,
    name,
    hashLength: hash.length,
    keyLength: aead.keyLength,
    nonceLength: aead.nonceLength,

    random: provider.random,

    hash: hash.digest,
    mac: hash.hmac,
    extract: hash.hmac,
    expand: (prk, info, length) => hkdfExpand(hash, prk, info, length),
    expandWithLabel,
    deriveSecret: (secret, label) => expandWithLabel(secret, label, empty, hash.length),
    deriveTreeSecret: (secret, label, generation, length) =>
      expandWithLabel(secret, label, integerBytes(generation, 4), length),
    refHash: (label, value) => hash.digest(refHashInput(label, value)),

    seal: aead.seal,
    open(key, nonce, aad, ciphertext) {
      const plaintext = aead.open(key, nonce, aad, ciphertext);
      if (plaintext === undefined) throw new MlsError("aead_failed", "the ciphertext is not authentic");
      return plaintext;
    },

    isValidEncryptionKey: kem.isValidPublicKey,
    deriveKeyPair: kem.deriveKeyPair,
    generateKeyPair: kem.generateKeyPair,
    encryptWithLabel: (publicKey, label, context, plaintext) =>
      chain(setupSender(publicKey, labelled(label, context)), ({ kemOutput, context: sender }) => {
        const ciphertext = sender.seal(empty, plaintext);
        sender.wipe();
        return { kemOutput, ciphertext };
      }),
    decryptWithLabel: (privateKey, publicKey, label, context, { kemOutput, ciphertext }) =>
      chain(setupReceiver(privateKey, publicKey, kemOutput, labelled(label, context)), (receiver) => {
        try {
          return receiver.open(empty, ciphertext);
        } finally {
          receiver.wipe();
        }
      }),
    hpkeExportSender: (publicKey, info, exporterContext, length) =>
      chain(setupSender(publicKey, info), ({ kemOutput, context }) => {
        const secret = context.exportSecret(exporterContext, length);
        context.wipe();
        return { kemOutput, secret };
      }),
    hpkeExportReceiver: (privateKey, publicKey, kemOutput, info, exporterContext, length) =>
      chain(setupReceiver(privateKey, publicKey, kemOutput, info), (context) => {
        const secret = context.exportSecret(exporterContext, length);
        context.wipe();
        return secret;
      }),

    generateSignatureKeyPair: () => signature.generate(),
    signWithLabel: (privateKey, label, content) => signature.sign(privateKey, labelled(label, content)),
    verifyWithLabel: (publicKey, label, content, signatureBytes) =>
      signature.verify(publicKey, labelled(label, content), signatureBytes),
  };
}
