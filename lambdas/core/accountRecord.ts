/** Checks an account's record as far as it can be checked alone: shapes, signatures, names, the way to its key. */
import {
  accountRecord,
  accountRecordLabel,
  accountRotationLabel,
  accountRotationText,
  decodeBase64Url,
  deviceCertificate,
  deviceCertificateLabel,
  deviceKeyThumbprintInput,
  signedBytes,
  type AccountRecord,
  type AccountRotation,
  type Signed,
} from "@tacit/protocol";
import { digest } from "./digest.ts";
import { parseJson } from "./parseJson.ts";
import type { Relay } from "./relay.ts";
import { Refused } from "./refused.ts";

export type CheckedRecord = {
  readonly record: AccountRecord;
  /** The devices that its certificates certify. */
  readonly devices: readonly string[];
};

/** @throws Refused `record_invalid` */
export function checkRecord(relay: Pick<Relay, "verify">, account: string, signed: Signed): CheckedRecord {
  const payload = decodeBase64Url(signed.payload);
  const record = parseJson(accountRecord, payload);
  if (record === undefined) throw invalid("not a record");
  if (record.account !== account) throw invalid("of another account");
  if (!isSigned(relay, record.accountKey, accountRecordLabel, signed)) throw invalid("signature");
  requireRotations(relay, record);
  const devices = record.devices.map((certificate) => certified(relay, record, certificate));
  if (new Set(devices).size < devices.length) throw invalid("a device twice");
  const revoked = new Set(record.revoked);
  if (revoked.size < record.revoked.length) throw invalid("a device revoked twice");
  if (devices.some((device) => revoked.has(device))) throw invalid("a device both certified and revoked");
  return { record, devices };
}

/** The device that `signed` certifies under the record's account key. */
function certified(relay: Pick<Relay, "verify">, record: AccountRecord, signed: Signed): string {
  const certificate = parseJson(deviceCertificate, decodeBase64Url(signed.payload));
  if (certificate === undefined) throw invalid("not a certificate");
  const { account, accountKey, device, deviceKey } = certificate;
  if (account !== record.account || accountKey !== record.accountKey) throw invalid("certificate of another account");
  if (!isSameWay(certificate.rotations, record.rotations)) throw invalid("certificate with other rotations");
  if (!isSigned(relay, accountKey, deviceCertificateLabel, signed)) throw invalid("signature of a certificate");
  // The name is the key, so nobody certifies a device under the name of another.
  if (device !== digest(relay, deviceKeyThumbprintInput(deviceKey))) throw invalid("device id is not of its key");
  return device;
}

/** Each key was named by the one before, and none comes back: whoever found an old one could go on from it. */
function requireRotations(
  { verify }: Pick<Relay, "verify">,
  { account, accountKey, rotations = [] }: AccountRecord,
): void {
  const keys = [...rotations.map(({ from }) => from), accountKey];
  if (new Set(keys).size < keys.length) throw invalid("an account key twice");
  rotations.forEach(({ from, signature }, index) => {
    const text = new TextEncoder().encode(accountRotationText(account, from, keys[index + 1]!));
    const message = signedBytes(accountRotationLabel, text);
    if (!verify.ed25519(decodeBase64Url(from), message, decodeBase64Url(signature))) throw invalid("a rotation");
  });
}

/** None at all is the same as an empty list. */
export function isSameWay(a: readonly AccountRotation[] = [], b: readonly AccountRotation[] = []): boolean {
  return (
    a.length === b.length && a.every(({ from, signature }, i) => from === b[i]!.from && signature === b[i]!.signature)
  );
}

function isSigned({ verify }: Pick<Relay, "verify">, key: string, label: string, { payload, signature }: Signed) {
  const message = signedBytes(label, decodeBase64Url(payload));
  return verify.ed25519(decodeBase64Url(key), message, decodeBase64Url(signature));
}

export const invalid = (message: string): Refused => new Refused("record_invalid", `record: ${message}`);
