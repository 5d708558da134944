/** The primitives and randomness that the session is given. */
import type { CipherSuite, getCipherSuite } from "@tacit/mls";
import { encodeBase64Url } from "@tacit/protocol";

/** Primitives: one of @tacit/mls/providers. */
export type CryptoProvider = Parameters<typeof getCipherSuite>[1];

export interface CryptoContext {
  readonly provider: CryptoProvider;
  /** MLS suite of this deployment. */
  readonly suite: CipherSuite;
}

export function sha256(provider: CryptoProvider, data: Uint8Array): Uint8Array {
  return provider.hashes["SHA-256"].digest(data);
}

/** 128 random bits, base64url. */
export function randomId(provider: CryptoProvider): string {
  return encodeBase64Url(provider.random(16));
}
