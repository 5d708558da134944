/**
 * What an account is: one record, signed by its account key, that lists certified devices and revoked ones. The signed
 * bytes are those that travel, so nothing depends on how JSON is written.
 */
import * as v from "valibot";
import { limits } from "./limits.ts";
import { accountId, bytes, deviceId, hash, time } from "./primitives.ts";

const ed25519PublicKey = bytes(32, 32);
const ed25519Signature = bytes(64, 64);

/** A payload (UTF-8 JSON, base64url) and the Ed25519 signature over `signedBytes(label, payload)`. */
export function signed(maxBytes: number) {
  return v.strictObject({ payload: bytes(2, maxBytes), signature: ed25519Signature });
}
export type Signed = v.InferOutput<ReturnType<typeof signed>>;

/**
 * Says that an account went on under another account key: Ed25519, by the key before, over
 * `signedBytes(accountRotationLabel, UTF-8 of accountRotationText(...))`.
 */
export const accountRotation = v.strictObject({
  /** The account key before. */
  from: ed25519PublicKey,
  signature: ed25519Signature,
});
export type AccountRotation = v.InferOutput<typeof accountRotation>;
export const accountRotationLabel = "tacit account rotation 1";

/** Injective. Keys in base64url. */
export function accountRotationText(account: string, from: string, to: string): string {
  return JSON.stringify([account, from, to]);
}

/** Proofs that travel: the newest ones. Whoever pinned a key from before them is shown a changed key. */
export const longestRotations = 4;
const rotations = v.optional(v.pipe(v.array(accountRotation), v.maxLength(longestRotations)));

export const deviceCertificateLabel = "tacit device certificate 1";
export const accountRecordLabel = "tacit account record 1";

/** What is signed: the label, a zero byte, the payload. Labels keep one signature from serving as another. */
export function signedBytes(label: string, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(label.length + 1 + payload.length);
  for (let i = 0; i < label.length; i++) bytes[i] = label.charCodeAt(i);
  bytes.set(payload, label.length + 1);
  return bytes;
}

/** One device of an account: its key, and one MLS signature key for each suite, so that each can be renewed alone. */
export const deviceCertificate = v.strictObject({
  account: accountId,
  accountKey: ed25519PublicKey,
  device: deviceId,
  deviceKey: ed25519PublicKey,
  /** MLS suite number, decimal -> signature public key. */
  signatureKeys: v.record(v.pipe(v.string(), v.regex(/^[1-9][0-9]{0,4}$/)), bytes(32, 133)),
  issuedAt: time,
  /** How the account came to this key, oldest first: the last one's signature leads to `accountKey`. */
  rotations,
});
export type DeviceCertificate = v.InferOutput<typeof deviceCertificate>;
export const signedDeviceCertificate = signed(3_072);

export const accountRecord = v.strictObject({
  account: accountId,
  /** From 1. Peers refuse a lower one than they know. */
  version: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  /** SHA-256 of the payload of the version before; null in the first. */
  previous: v.nullable(hash),
  accountKey: ed25519PublicKey,
  devices: v.pipe(v.array(signedDeviceCertificate), v.minLength(1), v.maxLength(limits.devicesPerAccount)),
  revoked: v.pipe(v.array(deviceId), v.maxLength(1_000)),
  /** As in the certificates. */
  rotations,
  /** What the account's own devices tell each other here, sealed under a key that they share (names of devices). */
  sealed: v.optional(bytes(1, 6_144)),
});
export type AccountRecord = v.InferOutput<typeof accountRecord>;
export const signedAccountRecord = signed(limits.accountRecord);

/**
 * A receipt of the relay for one version of a record, signed by a key in KMS (Ed25519): whoever holds two of them for one version
 * and different hashes holds proof that the relay showed people different records.
 */
export const recordReceipt = v.strictObject({
  account: accountId,
  version: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  /** SHA-256 of the record's payload. */
  hash,
  /** When it was signed. */
  at: time,
  /** The signing key: clients pin it for the deployment. */
  key: ed25519PublicKey,
});
export type RecordReceipt = v.InferOutput<typeof recordReceipt>;
export const recordReceiptLabel = "tacit record receipt 1";
export const signedRecordReceipt = signed(1_024);

/** The text whose SHA-256 is a device's id: the canonical JWK of RFC 7638, section 3. `x` is base64url. */
export function deviceKeyThumbprintInput(x: string): string {
  return `{"crv":"Ed25519","kty":"OKP","x":"${x}"}`;
}
