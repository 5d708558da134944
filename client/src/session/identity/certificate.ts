/** Device certificates (protocol/src/accountRecord.ts), and the MLS credential that carries one. */
import type { Credential } from "@tacit/mls";
import {
  decodeBase64Url,
  deviceCertificate,
  deviceCertificateLabel,
  deviceKeyThumbprintInput,
  encodeBase64Url,
  signedBytes,
  signedDeviceCertificate,
  type DeviceCertificate,
  type Signed,
} from "@tacit/protocol";
import { verifyRotations } from "./accountRotations.ts";
import { parseJson, utf8 } from "../bytes.ts";
import { sha256, type CryptoProvider } from "../cryptoContext.ts";
import { parse } from "../parse.ts";

/** A basic credential whose identity is the UTF-8 JSON `{ payload, signature }`. */
export function credentialOf(certificate: Signed): Credential {
  const { payload, signature } = certificate;
  return { type: "basic", identity: utf8(JSON.stringify({ payload, signature })) };
}

/** What a credential says, signature unchecked. Undefined where it carries no certificate. */
export function certificateIn(
  credential: Credential,
): { readonly signed: Signed; readonly certificate: DeviceCertificate } | undefined {
  if (credential.type !== "basic") return undefined;
  const signed = parse(signedDeviceCertificate, parseJson(credential.identity));
  const certificate = signed && certificateOf(signed);
  return signed === undefined || certificate === undefined ? undefined : { signed, certificate };
}

/** What it says, signature unchecked. Undefined where it says nothing of that form. */
export function certificateOf({ payload }: Signed): DeviceCertificate | undefined {
  return parse(deviceCertificate, parseJson(decodeBase64Url(payload)));
}

/** Does the certificate hold in itself: under the account key that it names, and those before it, for the device key that it names? */
export async function verifyCertificate(
  provider: CryptoProvider,
  signed: Signed,
  certificate: DeviceCertificate,
): Promise<boolean> {
  const { account, accountKey, rotations = [] } = certificate;
  return (
    (await isCertified(provider, signed, certificate)) &&
    (await verifyRotations(provider, account, rotations, accountKey))
  );
}

/** As `verifyCertificate`, but for the keys before. */
export async function isCertified(
  provider: CryptoProvider,
  signed: Signed,
  certificate: DeviceCertificate,
): Promise<boolean> {
  if (certificate.device !== deviceIdOf(provider, certificate.deviceKey)) return false;
  return provider.signatures.Ed25519.verify(
    decodeBase64Url(certificate.accountKey),
    signedBytes(deviceCertificateLabel, decodeBase64Url(signed.payload)),
    decodeBase64Url(signed.signature),
  );
}

/** RFC 7638 thumbprint of an Ed25519 key, `x` in base64url. */
export function deviceIdOf(provider: CryptoProvider, x: string): string {
  return encodeBase64Url(sha256(provider, utf8(deviceKeyThumbprintInput(x))));
}
