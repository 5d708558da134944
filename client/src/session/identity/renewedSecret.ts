/**
 * The secret that an account's devices share, renewed when one of them is revoked: sealed to each of those that stay, signed by the
 * account key, so that neither the relay nor the revoked device makes or reads one.
 *
 *     payload = UTF-8 JSON { "account", "device", "version", "kem", "sealed" }, signed over "tacit account secret 1" 0x00 payload
 *     sealed  = HPKE (base mode, X-Wing) to the device's key: info = UTF-8 JSON ["tacit account secret 1", account, device, version]
 *
 * `version`: of the record that it comes with; a device takes no secret of a lower one than it has.
 */
import type { KeyPair } from "@tacit/mls";
import { decodeBase64Url, encodeBase64Url, signedBytes, type Signed } from "@tacit/protocol";
import { sign } from "./accountRecord.ts";
import { isCount, parseJson, utf8 } from "../bytes.ts";
import type { CryptoProvider } from "../cryptoContext.ts";
import { linkHpke } from "../linking/linkOffer.ts";
import { bytesOf } from "../parse.ts";

const label = "tacit account secret 1";

export interface SecretRecipient {
  readonly account: string;
  readonly device: string;
}

export async function sealSecret(
  provider: CryptoProvider,
  accountKey: KeyPair,
  to: SecretRecipient & { readonly hpkeKey: Uint8Array },
  { secret, version }: { readonly secret: Uint8Array; readonly version: number },
): Promise<Signed> {
  const { account, device, hpkeKey } = to;
  const { kemOutput, context } = await linkHpke(provider).setupSender(hpkeKey, infoOf(to, version));
  const sealed = context.seal(new Uint8Array(0), secret);
  context.wipe();
  const [kem, ciphertext] = [encodeBase64Url(kemOutput), encodeBase64Url(sealed)];
  return sign(provider, label, accountKey, { account, device, version, kem, sealed: ciphertext });
}

/** Undefined where it is not for this device, or not of who has the account key `accountKey` (base64url). */
export async function openSecret(
  provider: CryptoProvider,
  to: SecretRecipient & { readonly hpkeKey: KeyPair },
  accountKey: string,
  { payload, signature }: Signed,
): Promise<{ readonly secret: Uint8Array; readonly version: number } | undefined> {
  const bytes = decodeBase64Url(payload);
  const key = decodeBase64Url(accountKey);
  const isSigned = provider.signatures.Ed25519.verify(key, signedBytes(label, bytes), decodeBase64Url(signature));
  if (!(await isSigned)) return undefined;
  const body = parseJson(bytes);
  const { version } = body ?? {};
  const [kem, sealed] = [bytesOf(body?.["kem"]), bytesOf(body?.["sealed"])];
  if (body?.["account"] !== to.account || body["device"] !== to.device) return undefined;
  if (!isCount(version) || kem === undefined || sealed === undefined) return undefined;
  try {
    const { publicKey, privateKey } = to.hpkeKey;
    const context = await linkHpke(provider).setupReceiver(privateKey, publicKey, kem, infoOf(to, version));
    const secret = context.open(new Uint8Array(0), sealed);
    context.wipe();
    return secret.length === 32 ? { secret, version } : undefined;
  } catch {
    return undefined;
  }
}

function infoOf({ account, device }: SecretRecipient, version: number): Uint8Array {
  return utf8(JSON.stringify([label, account, device, version]));
}
