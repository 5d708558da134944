/**
 * Bytes as people write, read out and type them: Crockford's base32 (no I, L, O, U) in groups of four, with 20 bits of checksum at the end.
 *
 *     text     = groups of four, "-" between them, of: symbols of the bytes (zero bits up to a whole symbol) || four symbols of checksum
 *     checksum = the first 20 bits of SHA-256("tacit code 1" 0x00 bytes)
 *
 * A reader takes any case, O for 0, I and L for 1, and passes over blanks and hyphens. The checksum finds what was mistyped; it protects nothing.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { concat, utf8 } from "./bytes.ts";

const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const label = utf8("tacit code 1\0");
const checksumSymbols = 4;

export function encodeCode(bytes: Uint8Array): string {
  const symbols = symbolsOf(bytes) + checksumOf(bytes);
  return symbols.match(/.{1,4}/g)!.join("-");
}

/** Undefined where `text` is no code of `length` bytes. */
export function decodeCode(text: string, length: number): Uint8Array | undefined {
  const symbols = text
    .replace(/[\s\-\u2010-\u2015]/g, "")
    .toUpperCase()
    .replace(/O/g, "0")
    .replace(/[IL]/g, "1");
  const bodyLength = Math.ceil((length * 8) / 5);
  if (symbols.length !== bodyLength + checksumSymbols) return undefined;
  const bytes = bytesOf(symbols.slice(0, bodyLength), length);
  return bytes !== undefined && checksumOf(bytes) === symbols.slice(bodyLength) ? bytes : undefined;
}

function checksumOf(bytes: Uint8Array): string {
  return symbolsOf(sha256(concat(label, bytes)).subarray(0, 3)).slice(0, checksumSymbols);
}

function symbolsOf(bytes: Uint8Array): string {
  let symbols = "";
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = ((held << 8) | byte) & 0xfff;
    for (bits += 8; bits >= 5; bits -= 5) symbols += alphabet[(held >> (bits - 5)) & 31];
  }
  return bits === 0 ? symbols : symbols + alphabet[(held << (5 - bits)) & 31];
}

/** Undefined where a symbol is none, or the bits that fill the last one are not zero. */
function bytesOf(symbols: string, length: number): Uint8Array | undefined {
  const bytes = new Uint8Array(length);
  let bits = 0;
  let held = 0;
  let at = 0;
  for (const symbol of symbols) {
    const value = alphabet.indexOf(symbol);
    if (value < 0) return undefined;
    held = ((held << 5) | value) & 0xfff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = held >> bits;
    }
  }
  return (held & ((1 << bits) - 1)) === 0 ? bytes : undefined;
}
