/**
 * The provider of a run: node:crypto, whose calls are synchronous, with the seed's randomness; and a guard that sees which message key
 * sealed what. A client that crashes before it stored a step does that step again, with the same key: that is what persist before
 * release is for. So the guard asks what left a device: two different ciphertexts under one key must never do.
 */
import { nodeProvider } from "@tacit/mls/providers/node";
import type { CryptoProvider } from "../../../client/src/session/cryptoContext.ts";

type Aeads = CryptoProvider["aeads"];
type Aead = Aeads[keyof Aeads];

const tagLength = 16;

/** The end of a ciphertext, by which it is known again. */
export function tagOf(ciphertext: Uint8Array): string {
  return text(ciphertext.subarray(-tagLength));
}

export interface KeyGuard {
  readonly provider: CryptoProvider;
  /** A payload leaves its device. It ends with the tag of what sealed it. False: its key has sealed another one that did. */
  readonly releases: (payload: Uint8Array) => boolean;
}

/** @param sealed is told of each plaintext, and of the tag of what became of it */
export function keyGuard(
  random: (length: number) => Uint8Array,
  sealed: (plaintext: Uint8Array, tag: string) => void,
): KeyGuard {
  /** Tag -> key. */
  const keys = new Map<string, string>();
  /** Key -> tag of the ciphertext that left a device. */
  const released = new Map<string, string>();
  const provider = nodeProvider({ random });
  const guarded = (aead: Aead): Aead => ({
    ...aead,
    seal(key, nonce, aad, plaintext) {
      const ciphertext = aead.seal(key, nonce, aad, plaintext);
      const tag = tagOf(ciphertext);
      keys.set(tag, text(key));
      sealed(plaintext, tag);
      return ciphertext;
    },
  });
  const aeads = Object.entries(provider.aeads).map(([name, aead]) => [name, guarded(aead)]);
  return {
    provider: { ...provider, aeads: Object.fromEntries(aeads) },
    releases(payload) {
      const tag = tagOf(payload);
      const key = keys.get(tag);
      if (key === undefined) return true;
      const before = released.get(key);
      if (before === undefined) released.set(key, tag);
      return before === undefined || before === tag;
    },
  };
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}
