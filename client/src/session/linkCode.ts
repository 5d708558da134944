/**
 * The code that links a device: 128 random bits that only the two devices learn, and 128 bits of the hash of what the new device offers
 * (linkOffer.ts). It goes from screen to screen, as a QR code or typed, and never through the relay.
 *
 *     code = secret (16) || first 16 bytes of SHA-256(offer) || check (3)
 *     check = first 3 bytes of SHA-256("tacit link code 1" 0x00 || secret || hash)
 *     text = Crockford's base32 of it, 56 characters in groups of four; QR: "tacit-link:1:" and the same without dashes
 */
import { concat, sameBytes, utf8 } from "./bytes.ts";
import { sha256, type CryptoProvider } from "./cryptoContext.ts";

export interface LinkCode {
  readonly secret: Uint8Array;
  /** The first 16 bytes of the offer's SHA-256. */
  readonly offerHash: Uint8Array;
}

export const linkSecretLength = 16;
export const linkHashLength = 16;
const checkLength = 3;
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const qrPrefix = "tacit-link:1:";

export function linkCodeText(provider: CryptoProvider, code: LinkCode): string {
  return encode(provider, code).replace(/.{4}(?=.)/g, "$&-");
}

export function linkCodeQr(provider: CryptoProvider, code: LinkCode): string {
  return qrPrefix + encode(provider, code);
}

/** Of what was typed or scanned: case, blanks, dashes, O for 0, I and L for 1 do not matter. Undefined where it is no code. */
export function parseLinkCode(provider: CryptoProvider, input: string): LinkCode | undefined {
  const trimmed = input.trim();
  const typed = trimmed.toLowerCase().startsWith(qrPrefix) ? trimmed.slice(qrPrefix.length) : trimmed;
  const characters = typed
    .toUpperCase()
    .replace(/[\s\u2010-\u2015-]/g, "")
    .replace(/O/g, "0")
    .replace(/[IL]/g, "1");
  if (characters.length !== ((linkSecretLength + linkHashLength + checkLength) * 8) / 5) return undefined;
  const bytes = decodeBase32(characters);
  if (bytes === undefined) return undefined;
  const secret = bytes.slice(0, linkSecretLength);
  const offerHash = bytes.slice(linkSecretLength, linkSecretLength + linkHashLength);
  return sameBytes(check(provider, secret, offerHash), bytes.subarray(-checkLength))
    ? { secret, offerHash }
    : undefined;
}

function encode(provider: CryptoProvider, { secret, offerHash }: LinkCode): string {
  return encodeBase32(concat(secret, offerHash, check(provider, secret, offerHash)));
}

function check(provider: CryptoProvider, secret: Uint8Array, offerHash: Uint8Array): Uint8Array {
  return sha256(provider, concat(utf8("tacit link code 1\0"), secret, offerHash)).slice(0, checkLength);
}

/** Of a multiple of five bytes. */
function encodeBase32(bytes: Uint8Array): string {
  let text = "";
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value = (value << 8) | byte;
    for (bits += 8; bits >= 5; bits -= 5) text += alphabet[(value >> (bits - 5)) & 31];
    value &= (1 << bits) - 1;
  }
  return text;
}

/** Of a multiple of eight characters. */
function decodeBase32(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array((text.length * 5) / 8);
  let bits = 0;
  let value = 0;
  let length = 0;
  for (const character of text) {
    const digit = alphabet.indexOf(character);
    if (digit < 0) return undefined;
    value = (value << 5) | digit;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes[length++] = value >> bits;
    value &= (1 << bits) - 1;
  }
  return bytes;
}
