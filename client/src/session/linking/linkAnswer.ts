/**
 * What the holder gives a device that it certified: HPKE in PSK mode (RFC 9180, section 5.1.2) with X-Wing, to the key of the offer, under
 * a key from the code. So only the device that made the offer opens it, and only who was told the code can have made it; a copy, or the
 * answer to another offer, opens nowhere.
 *
 *     psk    = HKDF-SHA256(secret, no salt, "tacit link psk 1", 32), its name "tacit link psk 1"
 *     info   = UTF-8 JSON ["tacit link answer 1", account, device, SHA-256 of the offer]
 *     sealed = Seal(aad = "", UTF-8 JSON { "v": 1, "accountKey", "version", "hash", "secret", "secretSince", "history"? })
 *
 * `version` and `hash` name the record that certifies the device, which it asks the relay for. `secret`: what the account's devices
 * share. `history`: `{ "key", "blobs": [{ "hash", "size" }] }` of an archive (historyArchive.ts), whose chunks the blobs are.
 */
import { blobReference, encodeBase64Url, hash, type BlobReference } from "@tacit/protocol";
import type { LinkAnswerMessage } from "../identity/accountMessage.ts";
import { isCount, parseJson, sameBytes, utf8 } from "../bytes.ts";
import { sha256, type CryptoProvider } from "../cryptoContext.ts";
import { derivedFromCode, linkHpke, type LinkSession } from "./linkOffer.ts";
import { bytesOf, parse } from "../parse.ts";

export interface LinkAnswer {
  /** base64url. */
  readonly accountKey: string;
  /** Of the record, and its hash, base64url. */
  readonly version: number;
  readonly hash: string;
  readonly secret: Uint8Array;
  readonly secretSince: number;
  readonly history: HandedHistory | undefined;
}

/** An archive's key, and where its chunks are. */
export interface HandedHistory {
  readonly key: Uint8Array;
  readonly blobs: readonly BlobReference[];
}

/** What the holder keeps of an offer and its code until the answer is sent. */
export interface LinkRecipient {
  readonly account: string;
  readonly device: string;
  readonly hpkeKey: Uint8Array;
  /** SHA-256. */
  readonly offer: Uint8Array;
  /** From the code. */
  readonly psk: Uint8Array;
}

const pskLabel = "tacit link psk 1";

export function pskOf(secret: Uint8Array): Uint8Array {
  return derivedFromCode(secret, pskLabel);
}

export async function sealAnswer(
  provider: CryptoProvider,
  to: LinkRecipient,
  { accountKey, version, hash: recordHash, secret, secretSince, history }: LinkAnswer,
): Promise<LinkAnswerMessage> {
  const handed = history && { key: encodeBase64Url(history.key), blobs: history.blobs };
  const body = {
    v: 1,
    accountKey,
    version,
    hash: recordHash,
    secret: encodeBase64Url(secret),
    secretSince,
    history: handed,
  };
  const psk = { psk: to.psk, pskId: utf8(pskLabel) };
  const { kemOutput, context } = await linkHpke(provider).setupSender(to.hpkeKey, infoOf(to), psk);
  const sealed = context.seal(new Uint8Array(0), utf8(JSON.stringify(body)));
  context.wipe();
  return { kind: "linkAnswer", offer: to.offer, kem: kemOutput, sealed };
}

/** Undefined where it does not answer the offer of `session`, or was not made by who knows its code. */
export async function openAnswer(
  provider: CryptoProvider,
  to: { readonly account: string; readonly device: string },
  session: LinkSession,
  { offer, kem, sealed }: LinkAnswerMessage,
): Promise<LinkAnswer | undefined> {
  const own = sha256(provider, session.offer);
  if (!sameBytes(own, offer)) return undefined;
  const { publicKey, privateKey } = session.hpkeKey;
  const psk = { psk: pskOf(session.secret), pskId: utf8(pskLabel) };
  let plain: Uint8Array;
  try {
    const info = infoOf({ ...to, offer: own });
    const context = await linkHpke(provider).setupReceiver(privateKey, publicKey, kem, info, psk);
    plain = context.open(new Uint8Array(0), sealed);
    context.wipe();
  } catch {
    return undefined;
  }
  return decodeAnswer(plain);
}

function decodeAnswer(plain: Uint8Array): LinkAnswer | undefined {
  const body = parseJson(plain);
  if (body?.["v"] !== 1) return undefined;
  const { accountKey, version, secretSince } = body;
  const secret = bytesOf(body["secret"]);
  if (parse(hash, accountKey) === undefined || parse(hash, body["hash"]) === undefined) return undefined;
  if (!isCount(version) || !isCount(secretSince) || secret?.length !== 32) return undefined;
  const history = body["history"] === undefined ? undefined : decodeHistory(body["history"]);
  if (history === null) return undefined;
  return {
    accountKey: accountKey as string,
    version,
    hash: body["hash"] as string,
    secret,
    secretSince,
    history,
  };
}

/** Null where it is of another form. */
function decodeHistory(value: unknown): HandedHistory | null {
  if (typeof value !== "object" || value === null) return null;
  const { key: text, blobs } = value as Readonly<Record<string, unknown>>;
  const key = bytesOf(text);
  if (key?.length !== 32 || !Array.isArray(blobs)) return null;
  const references = blobs.map((blob) => parse(blobReference, blob));
  return references.every((reference) => reference !== undefined) ? { key, blobs: references } : null;
}

function infoOf(to: { readonly account: string; readonly device: string; readonly offer: Uint8Array }): Uint8Array {
  return utf8(JSON.stringify(["tacit link answer 1", to.account, to.device, encodeBase64Url(to.offer)]));
}
