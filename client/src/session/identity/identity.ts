/** What makes this device: its keys, the account that certified it, and what it shares with the account's other devices. */
import type { KeyPair } from "@tacit/mls";
import { decodeBase64Url, encodeBase64Url, type Signed } from "@tacit/protocol";
import { parseJson, utf8 } from "../bytes.ts";
import { deviceIdOf } from "./certificate.ts";
import type { CryptoProvider, CryptoContext } from "../cryptoContext.ts";
import { firstRecord, type DeviceKeys } from "./nextRecord.ts";

export interface Identity {
  readonly device: string;
  readonly deviceKey: KeyPair;
  /** MLS suite -> key. */
  readonly signatureKeys: ReadonlyMap<number, KeyPair>;
  /** On the holder alone: the device that created the account, or recovered it. */
  readonly accountKey: KeyPair | undefined;
  /** 32 bytes that the account's devices share. Each revocation renews it. */
  readonly accountSecret: Uint8Array | undefined;
  /** The version of the record that the secret came with: one of a lower version never replaces it. */
  readonly secretSince: number;
  /** X-Wing; on a linked device: what the holder seals to it. */
  readonly hpkeKey: KeyPair | undefined;
  /** Once it is known whose device this is. */
  readonly enrolment?: Enrolment;
}

export interface Enrolment {
  readonly account: string;
  readonly certificate: Signed;
  readonly record: Signed;
  readonly recordVersion: number;
  /** The relay's, for that version. */
  readonly receipt?: Signed;
  /** Whether the relay is known to have the record. */
  readonly registered: boolean;
}

export type Enrolled = Identity & { readonly enrolment: Enrolment };
/** The device that can sign the account's record. */
export type Holder = Enrolled & { readonly accountKey: KeyPair; readonly accountSecret: Uint8Array };

export function isHolder(identity: Identity): identity is Holder {
  const { accountKey, accountSecret, enrolment } = identity;
  return accountKey !== undefined && accountSecret !== undefined && enrolment !== undefined;
}

const secretLength = 32;

/** A device of nobody yet. */
export async function createIdentity({ provider, suite }: CryptoContext): Promise<Identity> {
  const deviceKey = await provider.signatures.Ed25519.generate();
  return {
    device: deviceIdOf(provider, encodeBase64Url(deviceKey.publicKey)),
    deviceKey,
    signatureKeys: new Map([[suite.id, await suite.generateSignatureKeyPair()]]),
    accountKey: undefined,
    accountSecret: undefined,
    secretSince: 0,
    hpkeKey: undefined,
  };
}

/** Makes the account: its key, and the first record of `account`, with this device alone. */
export async function enrol(
  provider: CryptoProvider,
  identity: Identity,
  account: string,
  now: number,
): Promise<Holder> {
  const accountKey = await provider.signatures.Ed25519.generate();
  const accountSecret = newAccountSecret(provider);
  const names = { holder: identity.device, names: new Map<string, string>() };
  const keys = deviceKeysOf(identity);
  const { record, certificate } = await firstRecord(
    { provider, accountKey, secret: accountSecret, names },
    account,
    keys,
    now,
  );
  return {
    ...identity,
    accountKey,
    accountSecret,
    secretSince: 1,
    enrolment: { account, certificate, record, recordVersion: 1, registered: false },
  };
}

export function newAccountSecret(provider: CryptoProvider): Uint8Array {
  return provider.random(secretLength);
}

export function deviceKeysOf({ device, deviceKey, signatureKeys }: Identity): DeviceKeys {
  return {
    device,
    deviceKey: encodeBase64Url(deviceKey.publicKey),
    signatureKeys: Object.fromEntries(
      [...signatureKeys].map(([suite, { publicKey }]) => [String(suite), encodeBase64Url(publicKey)]),
    ),
  };
}

const version = 2;

export function encodeIdentity(identity: Identity): Uint8Array {
  const { device, deviceKey, signatureKeys, accountKey, accountSecret, secretSince, hpkeKey, enrolment } = identity;
  const stored: StoredIdentity = {
    version,
    device,
    deviceKey: pairToJson(deviceKey),
    signatureKeys: [...signatureKeys].map(([suite, pair]) => [suite, pairToJson(pair)]),
    accountKey: accountKey && pairToJson(accountKey),
    accountSecret: accountSecret && encodeBase64Url(accountSecret),
    secretSince,
    hpkeKey: hpkeKey && pairToJson(hpkeKey),
    enrolment,
  };
  return utf8(JSON.stringify(stored));
}

/** Of what `encodeIdentity` made, of this version or the first, and the store kept authentic. Undefined: another version. */
export function decodeIdentity(bytes: Uint8Array): Identity | undefined {
  const stored = parseJson(bytes) as StoredIdentity | undefined;
  if (stored?.version !== version && stored?.version !== 1) return undefined;
  const { device, deviceKey, signatureKeys, accountKey, accountSecret, secretSince = 0, hpkeKey, enrolment } = stored;
  return {
    device,
    deviceKey: pairFromJson(deviceKey),
    signatureKeys: new Map(signatureKeys.map(([suite, pair]) => [suite, pairFromJson(pair)])),
    // Version 1 made the key before it was known whether the account exists.
    accountKey: accountKey && (stored.version !== 1 || enrolment !== undefined) ? pairFromJson(accountKey) : undefined,
    accountSecret: accountSecret === undefined ? undefined : decodeBase64Url(accountSecret),
    secretSince,
    hpkeKey: hpkeKey && pairFromJson(hpkeKey),
    ...(enrolment === undefined ? {} : { enrolment }),
  };
}

/** What version 1 did not have: its only devices are holders, which share a secret with nobody yet. */
export function migrated(provider: CryptoProvider, identity: Identity): Identity {
  const { accountKey, accountSecret, enrolment } = identity;
  if (accountKey === undefined || accountSecret !== undefined || enrolment === undefined) return identity;
  return { ...identity, accountSecret: newAccountSecret(provider), secretSince: enrolment.recordVersion };
}

interface StoredIdentity {
  readonly version: number;
  readonly device: string;
  readonly deviceKey: StoredPair;
  readonly signatureKeys: readonly (readonly [number, StoredPair])[];
  readonly accountKey?: StoredPair | undefined;
  readonly accountSecret?: string | undefined;
  readonly secretSince?: number;
  readonly hpkeKey?: StoredPair | undefined;
  readonly enrolment?: Enrolment | undefined;
}

export interface StoredPair {
  readonly publicKey: string;
  readonly privateKey: string;
}

export function pairToJson({ publicKey, privateKey }: KeyPair): StoredPair {
  return { publicKey: encodeBase64Url(publicKey), privateKey: encodeBase64Url(privateKey) };
}

export function pairFromJson({ publicKey, privateKey }: StoredPair): KeyPair {
  return { publicKey: decodeBase64Url(publicKey), privateKey: decodeBase64Url(privateKey) };
}
