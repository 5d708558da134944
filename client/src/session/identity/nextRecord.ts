/**
 * The versions of one's own account record: the first, and from a version that holds the next one, signed by the account key. Nothing
 * here looks at who asks; the relay and the peers check the result as they check everybody's (accountRecord.ts).
 */
import type { KeyPair } from "@tacit/mls";
import {
  accountRecord,
  accountRecordLabel,
  decodeBase64Url,
  deviceCertificateLabel,
  encodeBase64Url,
  signedAccountRecord,
  type AccountRecord,
  type AccountRotation,
  type Signed,
} from "@tacit/protocol";
import { sign } from "./accountRecord.ts";
import { rotated } from "./accountRotations.ts";
import { parseJson } from "../bytes.ts";
import { certificateOf } from "./certificate.ts";
import { sha256, type CryptoProvider } from "../cryptoContext.ts";
import { sealNames, type DeviceNames } from "./deviceNames.ts";
import { parse } from "../parse.ts";

/** The public keys of a device, base64url. */
export interface DeviceKeys {
  readonly device: string;
  readonly deviceKey: string;
  /** MLS suite number, decimal -> signature public key. */
  readonly signatureKeys: Readonly<Record<string, string>>;
}

export interface Signer {
  readonly provider: CryptoProvider;
  readonly accountKey: KeyPair;
  /** What the account's devices share; seals `names` into the version. */
  readonly secret: Uint8Array;
  readonly names: DeviceNames;
}

/** Version 1 of `account`, with one device. */
export async function firstRecord(
  signer: Signer,
  account: string,
  device: DeviceKeys,
  now: number,
): Promise<{ readonly record: Signed; readonly certificate: Signed }> {
  const accountKey = encodeBase64Url(signer.accountKey.publicKey);
  const certificate = await certified(signer, { account, rotations: [] }, device, now);
  const first = { account, version: 1, previous: null, accountKey, devices: [certificate], revoked: [] };
  const record = await signRecord(signer, first);
  if (record === undefined) throw new Error("a first record is small");
  return { record, certificate };
}

/** With one more device. Undefined where there is no room for it, here as below. */
export async function recordWithDevice(
  signer: Signer,
  current: Signed,
  device: DeviceKeys,
  now: number,
): Promise<Signed | undefined> {
  const before = contentOf(current);
  const { account, rotations = [] } = before;
  const certificate = await certified(signer, { account, rotations }, device, now);
  return signNext(signer, current, { devices: [...before.devices, certificate] });
}

/** Without `devices`, for good. */
export async function recordWithoutDevices(
  signer: Signer,
  current: Signed,
  devices: readonly string[],
): Promise<Signed | undefined> {
  const before = contentOf(current);
  const gone = new Set(devices);
  return signNext(signer, current, {
    devices: before.devices.filter((each) => !gone.has(certificateOf(each)?.device ?? "")),
    revoked: [...new Set([...before.revoked, ...devices])],
  });
}

/** The same devices; the signer's `names` are what is new. */
export function recordWithNames(signer: Signer, current: Signed): Promise<Signed | undefined> {
  return signNext(signer, current, {});
}

/**
 * Under the signer's account key instead of `from`, which signs for it; with `device` alone, newly certified. All others are revoked.
 */
export async function recordUnderNewKey(
  signer: Signer,
  current: Signed,
  from: KeyPair,
  device: DeviceKeys,
  now: number,
): Promise<Signed | undefined> {
  const { provider } = signer;
  const before = contentOf(current);
  const { account } = before;
  if (before.accountKey !== encodeBase64Url(from.publicKey)) throw new Error("the record is under another key");
  const accountKey = encodeBase64Url(signer.accountKey.publicKey);
  const rotations = await rotated(provider, account, before.rotations ?? [], from, accountKey);
  const certificate = await certified(signer, { account, rotations }, device, now);
  const listed = before.devices.map((each) => certificateOf(each)?.device ?? "");
  const others = [...before.revoked, ...listed].filter((each) => each !== device.device);
  return signNext(signer, current, {
    accountKey,
    rotations: [...rotations],
    devices: [certificate],
    revoked: [...new Set(others)],
  });
}

async function certified(
  { provider, accountKey }: Signer,
  { account, rotations }: { readonly account: string; readonly rotations: readonly AccountRotation[] },
  { device, deviceKey, signatureKeys }: DeviceKeys,
  now: number,
): Promise<Signed> {
  return sign(provider, deviceCertificateLabel, accountKey, {
    account,
    accountKey: encodeBase64Url(accountKey.publicKey),
    device,
    deviceKey,
    signatureKeys,
    issuedAt: now,
    ...(rotations.length === 0 ? {} : { rotations }),
  });
}

async function signNext(signer: Signer, current: Signed, change: Partial<AccountRecord>): Promise<Signed | undefined> {
  const before = contentOf(current);
  const previous = encodeBase64Url(sha256(signer.provider, decodeBase64Url(current.payload)));
  return signRecord(signer, { ...before, ...change, version: before.version + 1, previous });
}

async function signRecord(signer: Signer, record: AccountRecord): Promise<Signed | undefined> {
  const { provider, accountKey, secret, names } = signer;
  const listed = new Set(record.devices.map((each) => certificateOf(each)?.device));
  const own = { holder: names.holder, names: new Map([...names.names].filter(([device]) => listed.has(device))) };
  const sealed = sealNames((length) => provider.random(length), secret, record, own);
  const whole = { ...record, sealed };
  if (parse(accountRecord, whole) === undefined) return undefined;
  const signed = await sign(provider, accountRecordLabel, accountKey, whole);
  return parse(signedAccountRecord, signed) === undefined ? undefined : signed;
}

/** Of a record that was verified. */
function contentOf(signed: Signed): AccountRecord {
  const record = parse(accountRecord, parseJson(decodeBase64Url(signed.payload)));
  if (record === undefined) throw new Error("a verified record has the form of one");
  return record;
}
