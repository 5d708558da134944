/**
 * What a new device would like to be called. Its offer passes the relay, which learns no names, so it is sealed under a key from the code:
 *
 *     sealed = nonce (24) || XChaCha20-Poly1305(key, nonce, no aad, name in UTF-8, then blanks up to 48 bytes)
 */
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { concat, fromUtf8, utf8 } from "../bytes.ts";
import { isDeviceName, longestName } from "../identity/deviceNames.ts";

const nonceLength = 24;

/** `name`: as `isDeviceName` has it. */
export function sealOfferedName(random: (length: number) => Uint8Array, key: Uint8Array, name: string): Uint8Array {
  const plain = new Uint8Array(longestName).fill(0x20);
  plain.set(utf8(name));
  const nonce = random(nonceLength);
  return concat(nonce, xchacha20poly1305(key, nonce).encrypt(plain));
}

/** Undefined where it does not open, or is no device's name. */
export function openOfferedName(key: Uint8Array, sealed: Uint8Array): string | undefined {
  try {
    const plain = xchacha20poly1305(key, sealed.subarray(0, nonceLength)).decrypt(sealed.subarray(nonceLength));
    const name = fromUtf8(plain).trimEnd();
    return isDeviceName(name) ? name : undefined;
  } catch {
    return undefined;
  }
}
