/** A vault behind a passphrase (scrypt, RFC 7914): for places without a keyring. Takes about half a second to open. */
import { randomBytes } from "@noble/ciphers/utils.js";
import { scryptAsync } from "@noble/hashes/scrypt.js";
import { TacitError } from "../errors.ts";
import type { Vault } from "../ports.ts";
import { unwrapKey, wrapKey } from "./keyWrap.ts";

/** Stored with the key, so that a later version can raise it. N = 2^17 uses 128 MB. */
const costExponent = 17;
const saltLength = 16;

export function passphraseVault(passphrase: string): Vault {
  return {
    async wrap(key) {
      const salt = randomBytes(saltLength);
      const wrappingKey = await derive(passphrase, salt, costExponent);
      const sealed = wrapKey(wrappingKey, key);
      wrappingKey.fill(0);
      return Uint8Array.of(costExponent, ...salt, ...sealed);
    },
    async unwrap(wrapped) {
      const exponent = wrapped[0] ?? 0;
      // Bounds what a damaged store can make this spend.
      if (exponent < 10 || exponent > 20) throw new TacitError("vault_failed", "the store's key is damaged");
      const wrappingKey = await derive(passphrase, wrapped.subarray(1, 1 + saltLength), exponent);
      try {
        return unwrapKey(wrappingKey, wrapped.subarray(1 + saltLength));
      } finally {
        wrappingKey.fill(0);
      }
    },
  };
}

function derive(passphrase: string, salt: Uint8Array, exponent: number): Promise<Uint8Array> {
  return scryptAsync(passphrase.normalize("NFKC"), salt, {
    N: 2 ** exponent,
    r: 8,
    p: 1,
    dkLen: 32,
    maxmem: 2 ** 31,
  });
}
