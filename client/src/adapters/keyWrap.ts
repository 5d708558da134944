/** Wraps one key under another: XChaCha20-Poly1305 with a random nonce (draft-irtf-cfrg-xchacha), which goes first. */
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { randomBytes } from "@noble/ciphers/utils.js";
import { TacitError } from "../errors.ts";

const nonceLength = 24;
const label = new TextEncoder().encode("tacit store key 1");

export function wrapKey(wrappingKey: Uint8Array, key: Uint8Array): Uint8Array {
  const nonce = randomBytes(nonceLength);
  const sealed = xchacha20poly1305(wrappingKey, nonce, label).encrypt(key);
  const wrapped = new Uint8Array(nonceLength + sealed.length);
  wrapped.set(nonce);
  wrapped.set(sealed, nonceLength);
  return wrapped;
}

/** @throws TacitError `vault_failed` */
export function unwrapKey(wrappingKey: Uint8Array, wrapped: Uint8Array): Uint8Array {
  try {
    const nonce = wrapped.subarray(0, nonceLength);
    return xchacha20poly1305(wrappingKey, nonce, label).decrypt(wrapped.subarray(nonceLength));
  } catch {
    throw new TacitError("vault_failed", "the vault does not hold the key of this store");
  }
}
