/**
 * What the devices of an account call each other, and which of them holds the account key. It travels in the account's record, where
 * peers and the relay see it, so it is sealed under a key from the secret that the devices share, bound to the account and the version:
 *
 *     sealed = nonce (24) || XChaCha20-Poly1305(key, nonce, aad = UTF-8 JSON ["tacit device names 1", account, version], plain)
 *     key    = HKDF-SHA256(secret, no salt, "tacit device names 1", 32)
 *     plain  = UTF-8 JSON { "v": 1, "holder", "names": { device: name } }, then blanks up to a multiple of 256 bytes
 */
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { decodeBase64Url, deviceId, encodeBase64Url } from "@tacit/protocol";
import { concat, parseJson, utf8 } from "../bytes.ts";
import { parse } from "../parse.ts";

export interface DeviceNames {
  /** The device that holds the account key. */
  readonly holder: string;
  /** Device -> name. */
  readonly names: ReadonlyMap<string, string>;
}

/** Which version of whose record it is in. */
export interface NamesPlace {
  readonly account: string;
  readonly version: number;
}

const label = "tacit device names 1";
const nonceLength = 24;
const padding = 256;
/** Bytes. */
export const longestName = 48;

/** Visible, and at most 48 bytes, so that the names of all devices fit a record. */
export function isDeviceName(name: unknown): name is string {
  return (
    typeof name === "string" &&
    name.trim() === name &&
    /^[^\p{Cc}\p{Cs}\u2028\u2029]+$/u.test(name) &&
    utf8(name).length <= longestName
  );
}

/** base64url. */
export function sealNames(
  random: (length: number) => Uint8Array,
  secret: Uint8Array,
  place: NamesPlace,
  { holder, names }: DeviceNames,
): string {
  const body = utf8(JSON.stringify({ v: 1, holder, names: Object.fromEntries(names) }));
  const plain = new Uint8Array(Math.ceil(body.length / padding) * padding).fill(0x20);
  plain.set(body);
  const nonce = random(nonceLength);
  return encodeBase64Url(concat(nonce, xchacha20poly1305(keyOf(secret), nonce, aadOf(place)).encrypt(plain)));
}

/** Undefined where it is not of this secret, account and version, or not of this form. */
export function openNames(secret: Uint8Array, place: NamesPlace, sealed: string): DeviceNames | undefined {
  const bytes = decodeBase64Url(sealed);
  let plain: Uint8Array;
  try {
    const nonce = bytes.subarray(0, nonceLength);
    plain = xchacha20poly1305(keyOf(secret), nonce, aadOf(place)).decrypt(bytes.subarray(nonceLength));
  } catch {
    return undefined;
  }
  const body = parseJson(plain);
  const names = body?.["names"];
  if (body?.["v"] !== 1 || parse(deviceId, body["holder"]) === undefined) return undefined;
  if (typeof names !== "object" || names === null) return undefined;
  const entries = Object.entries(names as Readonly<Record<string, unknown>>);
  if (!entries.every(([device, name]) => parse(deviceId, device) !== undefined && isDeviceName(name))) return undefined;
  return { holder: body["holder"] as string, names: new Map(entries as [string, string][]) };
}

function keyOf(secret: Uint8Array): Uint8Array {
  return hkdf(sha256, secret, undefined, utf8(label), 32);
}

function aadOf({ account, version }: NamesPlace): Uint8Array {
  return utf8(JSON.stringify([label, account, version]));
}
