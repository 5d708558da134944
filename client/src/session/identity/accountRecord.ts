/** Account records: making one's own, and checking those of others (protocol/src/accountRecord.ts). */
import type { KeyPair } from "@tacit/mls";
import {
  accountRecord,
  accountRecordLabel,
  decodeBase64Url,
  encodeBase64Url,
  signedBytes,
  type AccountRotation,
  type DeviceCertificate,
  type Signed,
} from "@tacit/protocol";
import { sameRotations, verifyRotations } from "./accountRotations.ts";
import { parseJson, utf8 } from "../bytes.ts";
import { certificateOf, isCertified } from "./certificate.ts";
import { sha256, type CryptoProvider } from "../cryptoContext.ts";
import { parse } from "../parse.ts";

export async function sign(provider: CryptoProvider, label: string, key: KeyPair, value: object): Promise<Signed> {
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
  /** Devices that are not of the account any more. */
  readonly revoked: readonly string[];
  /** The account keys before, oldest first: each one's proof leads to the next, the last one's to `accountKey`. */
  readonly rotations: readonly AccountRotation[];
  /** What the account's devices tell each other (deviceNames.ts), base64url. */
  readonly sealed: string | undefined;
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
  const { accountKey, version, previous, revoked, rotations = [], sealed } = record;
  const authentic = await provider.signatures.Ed25519.verify(
    decodeBase64Url(accountKey),
    signedBytes(accountRecordLabel, payload),
    decodeBase64Url(signed.signature),
  );
  if (!authentic || !(await verifyRotations(provider, account, rotations, accountKey))) return undefined;
  const devices = new Map<string, DeviceCertificate>();
  for (const each of record.devices) {
    const certificate = certificateOf(each);
    if (
      certificate === undefined ||
      certificate.account !== account ||
      certificate.accountKey !== accountKey ||
      !sameRotations(certificate.rotations ?? [], rotations) ||
      devices.has(certificate.device) ||
      !(await isCertified(provider, each, certificate))
    ) {
      return undefined;
    }
    devices.set(certificate.device, certificate);
  }
  for (const device of revoked) devices.delete(device);
  const hash = encodeBase64Url(sha256(provider, payload));
  return { account, accountKey, version, hash, previous, devices: [...devices.values()], revoked, rotations, sealed };
}

/** Did the account have the key `accountKey` (base64url), now or before? */
export function hadKey({ accountKey: current, rotations }: VerifiedRecord, accountKey: string): boolean {
  return current === accountKey || rotations.some(({ from }) => from === accountKey);
}

export type Succession =
  | "same"
  | "later"
  /** Older than what is known: whoever shows it hides what came after. */
  | "behind"
  /** Not what can have come after what is known: another history of the same account. */
  | "contradiction";

/** What `shown` is to `known`, of the same account: versions in between that were never seen are checked by what they could not undo. */
export function succession(known: VerifiedRecord, shown: VerifiedRecord): Succession {
  if (shown.version < known.version) return "behind";
  if (shown.version === known.version) return shown.hash === known.hash ? "same" : "contradiction";
  if (shown.version === known.version + 1 && shown.previous !== known.hash) return "contradiction";
  if (!hadKey(shown, known.accountKey)) return "contradiction";
  const revoked = new Set(shown.revoked);
  const left = new Set([...revoked, ...shown.devices.map(({ device }) => device)]);
  const isWhole =
    known.revoked.every((device) => revoked.has(device)) && known.devices.every(({ device }) => left.has(device));
  return isWhole ? "later" : "contradiction";
}

/** The certificate of `device`, as it stands in a record. */
export function certificateFor(record: Signed, device: string): Signed | undefined {
  const content = parse(accountRecord, parseJson(decodeBase64Url(record.payload)));
  return content?.devices.find((each) => certificateOf(each)?.device === device);
}
