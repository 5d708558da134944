/**
 * The code that links a device: 128 random bits that only the two devices learn, and 128 bits of the hash of what the new device offers
 * (linkOffer.ts). It goes from screen to screen, as a QR code or typed, and never through the relay.
 *
 *     text = base32 with a checksum (base32.ts), 56 symbols in groups of four, of: secret (16) || first 16 bytes of SHA-256(offer)
 *     QR   = "tacit-link:1:" and the same without dashes
 */
import { decodeCode, encodeCode } from "../base32.ts";
import { concat } from "../bytes.ts";

export interface LinkCode {
  readonly secret: Uint8Array;
  /** The first 16 bytes of the offer's SHA-256. */
  readonly offerHash: Uint8Array;
}

export const linkSecretLength = 16;
export const linkHashLength = 16;
const qrPrefix = "tacit-link:1:";

export function linkCodeText({ secret, offerHash }: LinkCode): string {
  return encodeCode(concat(secret, offerHash));
}

export function linkCodeQr(code: LinkCode): string {
  return qrPrefix + linkCodeText(code).replaceAll("-", "");
}

/** Of what was typed or scanned, as `decodeCode` takes it. Undefined where it is no code. */
export function parseLinkCode(input: string): LinkCode | undefined {
  const trimmed = input.trim();
  const typed = trimmed.toLowerCase().startsWith(qrPrefix) ? trimmed.slice(qrPrefix.length) : trimmed;
  const bytes = decodeCode(typed, linkSecretLength + linkHashLength);
  return bytes && { secret: bytes.slice(0, linkSecretLength), offerHash: bytes.slice(linkSecretLength) };
}
