/**
 * What a new device offers to become part of an account: its public keys, and a key for the answer. The code that it shows names the
 * offer by its hash, so nobody else's offer can be taken for it; the MAC shows that who offers knows the code.
 *
 *     offer = UTF-8 JSON { "v": 1, "account", "deviceKey", "signatureKeys", "hpkeKey", "issuedAt", "name"? }
 *     mac   = HMAC-SHA256(HKDF-SHA256(secret, no salt, "tacit link mac 1", 32), offer)
 *
 * `hpkeKey`: X-Wing. `issuedAt`: the relay's clock, as the new device heard it. `name`: sealed (offeredName.ts) under
 * HKDF-SHA256(secret, no salt, "tacit link name 1", 32).
 */
import { hkdf } from "@noble/hashes/hkdf.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 as nobleSha256 } from "@noble/hashes/sha2.js";
import { cipherSuites, getHpke, type Hpke, type KeyPair } from "@tacit/mls";
import { accountId, decodeBase64Url, encodeBase64Url, deviceCertificate } from "@tacit/protocol";
import type { LinkOfferMessage } from "../identity/accountMessage.ts";
import { isCount, parseJson, sameBytes, utf8 } from "../bytes.ts";
import { deviceIdOf } from "../identity/certificate.ts";
import { sha256, type CryptoProvider } from "../cryptoContext.ts";
import { deviceKeysOf, pairFromJson, pairToJson, type Identity, type StoredPair } from "../identity/identity.ts";
import { linkHashLength, linkSecretLength, type LinkCode } from "./linkCode.ts";
import type { DeviceKeys } from "../identity/nextRecord.ts";
import { openOfferedName, sealOfferedName } from "./offeredName.ts";
import { bytesOf, parse } from "../parse.ts";

/** Milliseconds that a code may be used for. */
export const linkCodeLifetime = 10 * 60_000;
/** How far ahead of the holder's the new device's idea of the relay's clock may be. */
const clockTolerance = 2 * 60_000;

/** X-Wing with AES-256-GCM, whatever the deployment's MLS suite. */
export function linkHpke(provider: CryptoProvider): Hpke {
  return getHpke(cipherSuites.MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519, provider);
}

/** On the new device: what it offered, and what opens the answer. */
export interface LinkSession {
  readonly secret: Uint8Array;
  readonly hpkeKey: KeyPair;
  readonly offer: Uint8Array;
  /** The device's own clock. */
  readonly createdAt: number;
}

export interface LinkOffer {
  readonly account: string;
  readonly keys: DeviceKeys;
  readonly hpkeKey: Uint8Array;
  readonly issuedAt: number;
  readonly name: string | undefined;
}

export async function createLinkSession(
  provider: CryptoProvider,
  identity: Identity,
  what: {
    readonly account: string;
    readonly name: string | undefined;
    /** The relay's clock. */
    readonly issuedAt: number;
    readonly createdAt: number;
  },
): Promise<LinkSession> {
  const { account, name, issuedAt, createdAt } = what;
  const hpkeKey = await linkHpke(provider).kem.generateKeyPair();
  const { deviceKey, signatureKeys } = deviceKeysOf(identity);
  const key = encodeBase64Url(hpkeKey.publicKey);
  const secret = provider.random(linkSecretLength);
  const sealed = name === undefined ? undefined : sealOfferedName(provider.random, nameKeyOf(secret), name);
  const named = sealed && encodeBase64Url(sealed);
  const body = { v: 1, account, deviceKey, signatureKeys, hpkeKey: key, issuedAt, name: named };
  return { secret, hpkeKey, offer: utf8(JSON.stringify(body)), createdAt };
}

export function linkCodeOf(provider: CryptoProvider, { secret, offer }: LinkSession): LinkCode {
  return { secret, offerHash: sha256(provider, offer).slice(0, linkHashLength) };
}

export function offerMessage({ secret, offer }: LinkSession): LinkOfferMessage {
  return { kind: "linkOffer", offer, mac: macOf(secret, offer) };
}

export function isOfferFor(provider: CryptoProvider, { offerHash }: LinkCode, { offer }: LinkOfferMessage): boolean {
  return sameBytes(sha256(provider, offer).subarray(0, linkHashLength), offerHash);
}

/** What the offer that `code` names says, once `isOfferFor`. Undefined where it is not of who knows the code, or not of this form. */
export function openOffer(
  provider: CryptoProvider,
  { secret }: LinkCode,
  { offer, mac }: LinkOfferMessage,
): LinkOffer | undefined {
  if (!isSameMac(macOf(secret, offer), mac)) return undefined;
  const body = parseJson(offer);
  if (body?.["v"] !== 1) return undefined;
  const { account, deviceKey, signatureKeys, issuedAt } = body;
  const hpkeKey = bytesOf(body["hpkeKey"]);
  if (parse(accountId, account) === undefined || !isCount(issuedAt)) return undefined;
  const sealed = body["name"] === undefined ? undefined : (bytesOf(body["name"]) ?? new Uint8Array(0));
  const name = sealed && openOfferedName(nameKeyOf(secret), sealed);
  if (sealed !== undefined && name === undefined) return undefined;
  if (hpkeKey === undefined || !linkHpke(provider).kem.isValidPublicKey(hpkeKey)) return undefined;
  const keys = {
    deviceKey: parse(deviceCertificate.entries.deviceKey, deviceKey),
    signatureKeys: parse(deviceCertificate.entries.signatureKeys, signatureKeys),
  };
  if (keys.deviceKey === undefined || keys.signatureKeys === undefined) return undefined;
  return {
    account: account as string,
    keys: {
      device: deviceIdOf(provider, keys.deviceKey),
      deviceKey: keys.deviceKey,
      signatureKeys: keys.signatureKeys,
    },
    hpkeKey,
    issuedAt,
    name,
  };
}

/** By the relay's clock. */
export function isOfferCurrent({ issuedAt }: LinkOffer, now: number): boolean {
  return now < issuedAt + linkCodeLifetime && issuedAt < now + clockTolerance;
}

function macOf(secret: Uint8Array, offer: Uint8Array): Uint8Array {
  return hmac(nobleSha256, derivedFromCode(secret, "tacit link mac 1"), offer);
}

function nameKeyOf(secret: Uint8Array): Uint8Array {
  return derivedFromCode(secret, "tacit link name 1");
}

/** 32 bytes under a label of their own. */
export function derivedFromCode(secret: Uint8Array, label: string): Uint8Array {
  return hkdf(nobleSha256, secret, undefined, utf8(label), 32);
}

function isSameMac(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (let index = 0; index < a.length; index++) difference |= a[index]! ^ (b[index] ?? 0);
  return difference === 0;
}

interface StoredSession {
  readonly secret: string;
  readonly hpkeKey: StoredPair;
  readonly offer: string;
  readonly createdAt: number;
}

export function encodeLinkSessions(sessions: readonly LinkSession[]): Uint8Array {
  const stored: readonly StoredSession[] = sessions.map(({ secret, hpkeKey, offer, createdAt }) => ({
    secret: encodeBase64Url(secret),
    hpkeKey: pairToJson(hpkeKey),
    offer: encodeBase64Url(offer),
    createdAt,
  }));
  return utf8(JSON.stringify({ sessions: stored }));
}

/** Of what `encodeLinkSessions` made. */
export function decodeLinkSessions(bytes: Uint8Array): readonly LinkSession[] {
  const { sessions } = parseJson(bytes) as unknown as { readonly sessions: readonly StoredSession[] };
  return sessions.map(({ secret, hpkeKey, offer, createdAt }) => ({
    secret: decodeBase64Url(secret),
    hpkeKey: pairFromJson(hpkeKey),
    offer: decodeBase64Url(offer),
    createdAt,
  }));
}
