/**
 * Seals values at rest: XChaCha20-Poly1305 with a random nonce under the store's data key, bound to the name that the value is stored
 * under. The data key is in the store, wrapped by the vault. Names stay readable: they hold ids and numbers, and blinded accounts.
 */
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { encodeBase64Url } from "@tacit/protocol";
import { TacitError } from "./errors.ts";
import type { Random, ScanOptions, Store, Vault, Write } from "./ports.ts";
import { concat, utf8 } from "./session/bytes.ts";

export interface SealedStore {
  get(key: string): Promise<Uint8Array | undefined>;
  scan(prefix: string, options?: ScanOptions): Promise<readonly (readonly [key: string, value: Uint8Array])[]>;
  /** Atomic and durable. Of two writes of one key the later counts. */
  commit(writes: readonly Write[]): Promise<void>;
  /** A name for the store that does not tell `text`. */
  blind(text: string): string;
  close(): Promise<void>;
}

const dataKeyName = "vault";
const nonceLength = 24;

/** @throws TacitError `vault_failed`, `store_corrupt` */
export async function sealedStore(store: Store, vault: Vault, random: Random): Promise<SealedStore> {
  const dataKey = await loadDataKey(store, vault, random);
  const blindingKey = hmac(sha256, dataKey, utf8("tacit store names 1"));

  let isClosed = false;

  /** `close` wipes the keys, also from under what is on its way. */
  function requireOpen(): void {
    if (isClosed) throw new TacitError("closed", "the store was closed");
  }
  function seal({ key, value }: Write): Write {
    if (value === undefined) return { key };
    const nonce = random(nonceLength);
    return { key, value: concat(nonce, xchacha20poly1305(dataKey, nonce, utf8(key)).encrypt(value)) };
  }
  function open(key: string, value: Uint8Array): Uint8Array {
    requireOpen();
    try {
      const nonce = value.subarray(0, nonceLength);
      return xchacha20poly1305(dataKey, nonce, utf8(key)).decrypt(value.subarray(nonceLength));
    } catch {
      throw new TacitError("store_corrupt", "a stored value was changed or is damaged");
    }
  }

  return {
    async get(key) {
      const [value] = await store.get([key]);
      return value && open(key, value);
    },
    async scan(prefix, options) {
      const found = await store.scan(prefix, options);
      return found.map(([key, value]) => [key, open(key, value)] as const);
    },
    async commit(writes) {
      requireOpen();
      await store.commit(writes.map(seal));
    },
    blind: (text) => encodeBase64Url(hmac(sha256, blindingKey, utf8(text))),
    async close() {
      isClosed = true;
      dataKey.fill(0);
      blindingKey.fill(0);
      await store.close();
    },
  };
}

/** Calls `changed` after each commit that writes a key below one of `prefixes`. */
export function watchedStore(store: SealedStore, prefixes: readonly string[], changed: () => void): SealedStore {
  return {
    ...store,
    async commit(writes) {
      await store.commit(writes);
      if (writes.some(({ key }) => prefixes.some((prefix) => key.startsWith(prefix)))) changed();
    },
  };
}

async function loadDataKey(store: Store, vault: Vault, random: Random): Promise<Uint8Array> {
  const [wrapped] = await store.get([dataKeyName]);
  if (wrapped !== undefined) return vault.unwrap(wrapped);
  const dataKey = random(32);
  await store.commit([{ key: dataKeyName, value: await vault.wrap(dataKey) }]);
  return dataKey;
}
