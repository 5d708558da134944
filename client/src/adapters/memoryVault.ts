/** A vault whose key lasts as long as its object. */
import { randomBytes } from "@noble/ciphers/utils.js";
import type { Vault } from "../ports.ts";
import { unwrapKey, wrapKey } from "./keyWrap.ts";

export function memoryVault(): Vault {
  const key = randomBytes(32);
  return {
    wrap: async (dataKey) => wrapKey(key, dataKey),
    unwrap: async (wrapped) => unwrapKey(key, wrapped),
  };
}
