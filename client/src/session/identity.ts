/** What makes this device: its keys, and the account that certified it. */
import type { KeyPair } from "@tacit/mls";
import {
  accountRecordLabel,
  decodeBase64Url,
  deviceCertificateLabel,
  encodeBase64Url,
  type AccountRecord,
  type Signed,
} from "@tacit/protocol";
import { parseJson, utf8 } from "./bytes.ts";
import { sign } from "./accountRecord.ts";
import { deviceIdOf } from "./certificate.ts";
import type { CryptoProvider, CryptoContext } from "./cryptoContext.ts";

export interface Identity {
  readonly device: string;
  readonly deviceKey: KeyPair;
  /** On the holder alone: the device that created the account. */
  readonly accountKey: KeyPair;
  /** MLS suite -> key. */
  readonly signatureKeys: ReadonlyMap<number, KeyPair>;
  /** Once the relay has said who the token speaks for. */
  readonly enrolment?: Enrolment;
}

export interface Enrolment {
  readonly account: string;
  readonly certificate: Signed;
  readonly record: Signed;
  readonly recordVersion: number;
  /** Whether the relay is known to have the record. */
  readonly registered: boolean;
}

export async function createIdentity({ provider, suite }: CryptoContext): Promise<Identity> {
  const ed25519 = provider.signatures.Ed25519;
  const deviceKey = await ed25519.generate();
  return {
    device: deviceIdOf(provider, encodeBase64Url(deviceKey.publicKey)),
    deviceKey,
    accountKey: await ed25519.generate(),
    signatureKeys: new Map([[suite.id, await suite.generateSignatureKeyPair()]]),
  };
}

/** The first record of `account`, with this device alone. */
export async function enrol(
  provider: CryptoProvider,
  identity: Identity,
  account: string,
  now: number,
): Promise<Identity & { readonly enrolment: Enrolment }> {
  const accountKey = encodeBase64Url(identity.accountKey.publicKey);
  const certificate = await sign(provider, deviceCertificateLabel, identity.accountKey, {
    account,
    accountKey,
    device: identity.device,
    deviceKey: encodeBase64Url(identity.deviceKey.publicKey),
    signatureKeys: Object.fromEntries(
      [...identity.signatureKeys].map(([suite, { publicKey }]) => [String(suite), encodeBase64Url(publicKey)]),
    ),
    issuedAt: now,
  });
  const first: AccountRecord = { account, version: 1, previous: null, accountKey, devices: [certificate], revoked: [] };
  const record = await sign(provider, accountRecordLabel, identity.accountKey, first);
  return { ...identity, enrolment: { account, certificate, record, recordVersion: 1, registered: false } };
}

const version = 1;

export function encodeIdentity(identity: Identity): Uint8Array {
  const { device, deviceKey, accountKey, signatureKeys, enrolment } = identity;
  return utf8(
    JSON.stringify({
      version,
      device,
      deviceKey: pairToJson(deviceKey),
      accountKey: pairToJson(accountKey),
      signatureKeys: [...signatureKeys].map(([suite, pair]) => [suite, pairToJson(pair)]),
      enrolment,
    }),
  );
}

/** Of what `encodeIdentity` made and the store kept authentic. Undefined: another version. */
export function decodeIdentity(bytes: Uint8Array): Identity | undefined {
  const stored = parseJson(bytes) as
    | {
        readonly version: number;
        readonly device: string;
        readonly deviceKey: StoredPair;
        readonly accountKey: StoredPair;
        readonly signatureKeys: readonly (readonly [number, StoredPair])[];
        readonly enrolment?: Enrolment;
      }
    | undefined;
  if (stored?.version !== version) return undefined;
  const { device, deviceKey, accountKey, signatureKeys, enrolment } = stored;
  return {
    device,
    deviceKey: pairFromJson(deviceKey),
    accountKey: pairFromJson(accountKey),
    signatureKeys: new Map(signatureKeys.map(([suite, pair]) => [suite, pairFromJson(pair)])),
    ...(enrolment === undefined ? {} : { enrolment }),
  };
}

interface StoredPair {
  readonly publicKey: string;
  readonly privateKey: string;
}

function pairToJson({ publicKey, privateKey }: KeyPair): StoredPair {
  return { publicKey: encodeBase64Url(publicKey), privateKey: encodeBase64Url(privateKey) };
}

function pairFromJson({ publicKey, privateKey }: StoredPair): KeyPair {
  return { publicKey: decodeBase64Url(publicKey), privateKey: decodeBase64Url(privateKey) };
}
