/** A vault behind a passphrase (scrypt, RFC 7914): for places without a keyring. */
import { randomBytes } from "@noble/ciphers/utils.js";
import { scryptAsync } from "@noble/hashes/scrypt.js";
import { TacitError } from "../errors.ts";
import type { Vault } from "../ports.ts";
import { unwrapKey, wrapKey } from "./keyWrap.ts";

const saltLength = 16;
/** Bounds what a damaged store can make this spend. */
const costs = { least: 10, most: 20 };

export interface PassphraseVaultOptions {
  /** log2 of scrypt's N, between 10 and 20. Stored with the key. Default 17: 128 MB and about a second. */
  readonly cost?: number;
}

/** @throws TacitError `invalid_argument` */
export function passphraseVault(passphrase: string, { cost = 17 }: PassphraseVaultOptions = {}): Vault {
  if (!isCost(cost)) throw new TacitError("invalid_argument", "passphraseVault: cost is between 10 and 20");
  return {
    async wrap(key) {
      const salt = randomBytes(saltLength);
      const wrappingKey = await derive(passphrase, salt, cost);
      const sealed = wrapKey(wrappingKey, key);
      wrappingKey.fill(0);
      return Uint8Array.of(cost, ...salt, ...sealed);
    },
    async unwrap(wrapped) {
      const stored = wrapped[0] ?? 0;
      if (!isCost(stored)) throw new TacitError("vault_failed", "the store's key is damaged");
      const wrappingKey = await derive(passphrase, wrapped.subarray(1, 1 + saltLength), stored);
      try {
        return unwrapKey(wrappingKey, wrapped.subarray(1 + saltLength));
      } finally {
        wrappingKey.fill(0);
      }
    },
  };
}

function isCost(cost: number): boolean {
  return Number.isInteger(cost) && cost >= costs.least && cost <= costs.most;
}

function derive(passphrase: string, salt: Uint8Array, cost: number): Promise<Uint8Array> {
  return scryptAsync(passphrase.normalize("NFKC"), salt, {
    N: 2 ** cost,
    r: 8,
    p: 1,
    dkLen: 32,
    maxmem: 2 ** 31,
  });
}
