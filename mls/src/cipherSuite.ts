/**
 * A cipher suite of RFC 9420, section 5.1, as the engine uses it: every primitive of one suite behind one interface.
 *
 * Hashes, KDF and AEAD are synchronous; signatures and the KEM may return promises, so that a provider can
 * stand on WebCrypto. All byte arrays are owned by the caller and never mutated.
 */

export type MaybePromise<T> = T | Promise<T>;

/** Fills and returns a new array of `length` random bytes. */
export type Random = (length: number) => Uint8Array;

export interface KeyPair {
  readonly publicKey: Uint8Array;
  readonly privateKey: Uint8Array;
}

/** An HPKE ciphertext (RFC 9420, section 7.6). */
export interface HpkeCiphertext {
  readonly kemOutput: Uint8Array;
  readonly ciphertext: Uint8Array;
}

export interface CipherSuite {
  /** The IANA (or private-use) number, e.g. 0x0001. */
  readonly id: number;
  readonly name: string;
  /** Nh: bytes of the hash and KDF output. */
  readonly hashLength: number;
  /** Nk: bytes of an AEAD key. */
  readonly keyLength: number;
  /** Nn: bytes of an AEAD nonce. */
  readonly nonceLength: number;

  random(length: number): Uint8Array;

  hash(data: Uint8Array): Uint8Array;
  /** HMAC with the suite's hash; RFC 9420, section 6.1. */
  mac(key: Uint8Array, data: Uint8Array): Uint8Array;
  /** KDF.Extract */
  extract(salt: Uint8Array, ikm: Uint8Array): Uint8Array;
  /** KDF.Expand */
  expand(prk: Uint8Array, info: Uint8Array, length: number): Uint8Array;
  /** Section 8: Expand over KDFLabel with the "MLS 1.0 " prefix. */
  expandWithLabel(secret: Uint8Array, label: string, context: Uint8Array, length: number): Uint8Array;
  /** Section 8: ExpandWithLabel with an empty context and Nh bytes. */
  deriveSecret(secret: Uint8Array, label: string): Uint8Array;
  /** Section 9.1: ExpandWithLabel with a generation (uint32) as context. */
  deriveTreeSecret(secret: Uint8Array, label: string, generation: number, length: number): Uint8Array;
  /** Section 5.2: hash over RefHashInput, `label` given whole, e.g. "MLS 1.0 KeyPackage Reference". */
  refHash(label: string, value: Uint8Array): Uint8Array;

  seal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array;
  /** @throws MlsError with code `aead_failed` */
  open(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, ciphertext: Uint8Array): Uint8Array;

  /** Can anybody encrypt to this HPKE public key? The same answer with every provider. */
  isValidEncryptionKey(publicKey: Uint8Array): boolean;
  /** HPKE's DeriveKeyPair (RFC 9180, section 7.1.3; draft-ietf-hpke-pq for X-Wing). */
  deriveKeyPair(ikm: Uint8Array): MaybePromise<KeyPair>;
  generateKeyPair(): MaybePromise<KeyPair>;
  /** Section 5.1.3. */
  encryptWithLabel(
    publicKey: Uint8Array,
    label: string,
    context: Uint8Array,
    plaintext: Uint8Array,
  ): MaybePromise<HpkeCiphertext>;
  /** Section 5.1.3. @throws MlsError with code `hpke_failed` */
  decryptWithLabel(
    privateKey: Uint8Array,
    publicKey: Uint8Array,
    label: string,
    context: Uint8Array,
    ciphertext: HpkeCiphertext,
  ): MaybePromise<Uint8Array>;
  /** RFC 9180 SetupBaseS and Export, for external init (RFC 9420, section 8.3). */
  hpkeExportSender(
    publicKey: Uint8Array,
    info: Uint8Array,
    exporterContext: Uint8Array,
    length: number,
  ): MaybePromise<{ readonly kemOutput: Uint8Array; readonly secret: Uint8Array }>;
  /** RFC 9180 SetupBaseR and Export. @throws MlsError with code `hpke_failed` */
  hpkeExportReceiver(
    privateKey: Uint8Array,
    publicKey: Uint8Array,
    kemOutput: Uint8Array,
    info: Uint8Array,
    exporterContext: Uint8Array,
    length: number,
  ): MaybePromise<Uint8Array>;

  generateSignatureKeyPair(): MaybePromise<KeyPair>;
  /** Section 5.1.2. */
  signWithLabel(privateKey: Uint8Array, label: string, content: Uint8Array): MaybePromise<Uint8Array>;
  /** Section 5.1.2. A malformed key or signature is `false`, never a throw. */
  verifyWithLabel(
    publicKey: Uint8Array,
    label: string,
    content: Uint8Array,
    signature: Uint8Array,
  ): MaybePromise<boolean>;
}
