/**
 * Hybrid Public Key Encryption in its base and PSK modes.
 * https://www.rfc-editor.org/rfc/rfc9180, section 5
 */
import { concatBytes, integerBytes, wipe } from "./bytes.ts";
import type { MaybePromise } from "./cipherSuite.ts";
import type { Kem } from "./hpkeKem.ts";
import { labeledExpand, labeledExtract } from "./hpkeLabels.ts";
import { chain } from "./maybePromise.ts";
import { MlsError } from "./mlsError.ts";
import type { Aead, HashFunction } from "./provider.ts";

export interface HpkeAlgorithms {
  readonly kem: Kem;
  readonly kdf: { readonly id: number; readonly hash: HashFunction };
  readonly aead: { readonly id: number; readonly cipher: Aead };
}

/** A secret of at least 32 random bytes that both sides know already, and its name; RFC 9180, section 5.1.2. */
export interface HpkePsk {
  readonly psk: Uint8Array;
  readonly pskId: Uint8Array;
}

/** The sending or the receiving end of one encapsulation: messages are sealed and opened in the same order. */
export interface HpkeContext {
  readonly seal: (aad: Uint8Array, plaintext: Uint8Array) => Uint8Array;
  /** @throws MlsError `hpke_failed`; the context then still expects the same message. */
  readonly open: (aad: Uint8Array, ciphertext: Uint8Array) => Uint8Array;
  readonly exportSecret: (exporterContext: Uint8Array, length: number) => Uint8Array;
  /** Overwrites the context's keys, which ends its use. */
  readonly wipe: () => void;
}

export interface Hpke {
  readonly kem: Kem;
  /** @throws MlsError `hpke_failed` when the public key is not valid. */
  readonly setupSender: (
    publicKey: Uint8Array,
    info: Uint8Array,
    psk?: HpkePsk,
  ) => MaybePromise<{ readonly kemOutput: Uint8Array; readonly context: HpkeContext }>;
  /** @throws MlsError `hpke_failed` when a key or the KEM output is not valid. */
  readonly setupReceiver: (
    privateKey: Uint8Array,
    publicKey: Uint8Array,
    kemOutput: Uint8Array,
    info: Uint8Array,
    psk?: HpkePsk,
  ) => MaybePromise<HpkeContext>;
}

const empty = new Uint8Array(0);
const minimumPsk = 32;

function hpkeFailed(message: string): MlsError {
  return new MlsError("hpke_failed", message);
}

export function hpke({ kem, kdf, aead }: HpkeAlgorithms): Hpke {
  const { hash } = kdf;
  const suiteId = concatBytes(
    new TextEncoder().encode("HPKE"),
    integerBytes(kem.id, 2),
    integerBytes(kdf.id, 2),
    integerBytes(aead.id, 2),
  );
  const noPskIdHash = labeledExtract(hash, suiteId, empty, "psk_id_hash", empty);

  /** KeySchedule of section 5.1. */
  function context(sharedSecret: Uint8Array, info: Uint8Array, psk: HpkePsk | undefined): HpkeContext {
    const pskIdHash = psk ? labeledExtract(hash, suiteId, empty, "psk_id_hash", psk.pskId) : noPskIdHash;
    const infoHash = labeledExtract(hash, suiteId, empty, "info_hash", info);
    const schedule = concatBytes(Uint8Array.of(psk ? 1 : 0), pskIdHash, infoHash);
    const secret = labeledExtract(hash, suiteId, sharedSecret, "secret", psk?.psk ?? empty);
    wipe(sharedSecret);
    const derive = (label: string, length: number) => labeledExpand(hash, suiteId, secret, label, schedule, length);
    return hpkeContext(derive, secret);
  }

  function hpkeContext(derive: (label: string, length: number) => Uint8Array, secret: Uint8Array): HpkeContext {
    const { cipher } = aead;
    let keys: { readonly key: Uint8Array; readonly baseNonce: Uint8Array } | undefined;
    let sequence = 0;
    let over = false;

    /** Not derived before it is needed: exports need no key, and a single message no exporter secret. */
    const prepare = (): { readonly key: Uint8Array; readonly nonce: Uint8Array } => {
      if (over) throw new MlsError("invalid_argument", "the HPKE context was wiped");
      keys ??= { key: derive("key", cipher.keyLength), baseNonce: derive("base_nonce", cipher.nonceLength) };
      const nonce = keys.baseNonce.slice();
      integerBytes(sequence, cipher.nonceLength).forEach((byte, index) => (nonce[index] = (nonce[index] ?? 0) ^ byte));
      return { key: keys.key, nonce };
    };

    return {
      seal(aad, plaintext) {
        const { key, nonce } = prepare();
        sequence++;
        return cipher.seal(key, nonce, aad, plaintext);
      },
      open(aad, ciphertext) {
        const { key, nonce } = prepare();
        const plaintext = cipher.open(key, nonce, aad, ciphertext);
        if (plaintext === undefined) throw hpkeFailed("the ciphertext is not authentic");
        sequence++;
        return plaintext;
      },
      exportSecret(exporterContext, length) {
        if (over) throw new MlsError("invalid_argument", "the HPKE context was wiped");
        const exporterSecret = derive("exp", hash.length);
        const result = labeledExpand(hash, suiteId, exporterSecret, "sec", exporterContext, length);
        wipe(exporterSecret);
        return result;
      },
      wipe() {
        over = true;
        wipe(secret);
        if (keys) wipe(keys.key, keys.baseNonce);
      },
    };
  }

  function checkPsk(psk: HpkePsk | undefined): void {
    if (psk && (psk.psk.length < minimumPsk || psk.pskId.length === 0)) {
      throw new MlsError("invalid_argument", "an HPKE PSK needs 32 bytes and a name");
    }
  }

  return {
    kem,
    setupSender(publicKey, info, psk) {
      checkPsk(psk);
      return chain(kem.encapsulate(publicKey), (encapsulation) => {
        if (encapsulation === undefined) throw hpkeFailed("the public key is not valid");
        const { kemOutput, sharedSecret } = encapsulation;
        return { kemOutput, context: context(sharedSecret, info, psk) };
      });
    },
    setupReceiver(privateKey, publicKey, kemOutput, info, psk) {
      checkPsk(psk);
      return chain(kem.decapsulate(privateKey, publicKey, kemOutput), (sharedSecret) => {
        if (sharedSecret === undefined) throw hpkeFailed("the KEM output or a key is not valid");
        return context(sharedSecret, info, psk);
      });
    },
  };
}
