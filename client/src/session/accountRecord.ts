/** Account records: making one's own, and checking those of others (protocol/src/accountRecord.ts). */
import type { KeyPair } from "@tacit/mls";
import {
  accountRecord,
  accountRecordLabel,
  decodeBase64Url,
  deviceCertificate,
  encodeBase64Url,
  signedBytes,
  type AccountRecord,
  type DeviceCertificate,
  type Signed,
} from "@tacit/protocol";
import { parseJson, utf8 } from "./bytes.ts";
import { verifyCertificate } from "./certificate.ts";
import { parse } from "./parse.ts";
import { sha256, type CryptoProvider } from "./cryptoContext.ts";

export async function sign(
  provider: CryptoProvider,
  label: string,
  key: KeyPair,
  value: AccountRecord | DeviceCertificate,
): Promise<Signed> {
  const payload = utf8(JSON.stringify(value));
  const signature = await provider.signatures.Ed25519.sign(key.privateKey, signedBytes(label, payload));
  return { payload: encodeBase64Url(payload), signature: encodeBase64Url(signature) };
}

export interface VerifiedRecord {
  readonly account: string;
  /** base64url. */
  readonly accountKey: string;
  readonly version: number;
  /** SHA-256 of its payload, base64url. */
  readonly hash: string;
  /** That of the version before; null in the first. */
  readonly previous: string | null;
  /** Those that are not revoked. */
  readonly devices: readonly DeviceCertificate[];
}

/** Undefined where the record, or a certificate in it, does not hold. Whether its key is the pinned one is not looked at. */
export async function verifyRecord(
  provider: CryptoProvider,
  signed: Signed,
  account: string,
): Promise<VerifiedRecord | undefined> {
  const payload = decodeBase64Url(signed.payload);
  const record = parse(accountRecord, parseJson(payload));
  if (record === undefined || record.account !== account) return undefined;
  const authentic = await provider.signatures.Ed25519.verify(
    decodeBase64Url(record.accountKey),
    signedBytes(accountRecordLabel, payload),
    decodeBase64Url(signed.signature),
  );
  if (!authentic) return undefined;
  const devices: DeviceCertificate[] = [];
  for (const each of record.devices) {
    const certificate = parse(deviceCertificate, parseJson(decodeBase64Url(each.payload)));
    if (
      certificate === undefined ||
      certificate.account !== account ||
      certificate.accountKey !== record.accountKey ||
      !(await verifyCertificate(provider, each, certificate))
    ) {
      return undefined;
    }
    if (!record.revoked.includes(certificate.device)) devices.push(certificate);
  }
  const { accountKey, version, previous } = record;
  return { account, accountKey, version, hash: encodeBase64Url(sha256(provider, payload)), previous, devices };
}
