/**
 * Proof that the one who shows a token holds the device key: the format of RFC 9449 (DPoP), a JWT signed by the device
 * key (EdDSA, Ed25519), whose header carries the key. It travels in `Sec-WebSocket-Protocol`.
 */
import * as v from "valibot";
import { bytes, hash } from "./primitives.ts";

export const proofType = "dpop+jwt";

export const proofHeader = v.object({
  typ: v.literal(proofType),
  alg: v.picklist(["EdDSA", "Ed25519"]),
  jwk: v.strictObject({ kty: v.literal("OKP"), crv: v.literal("Ed25519"), x: bytes(32, 32) }),
});

export const proofClaims = v.object({
  htm: v.literal("GET"),
  /** The socket URL, without query and fragment. */
  htu: v.pipe(v.string(), v.maxLength(512)),
  /** Seconds since 1970. */
  iat: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  /** Random, at least 128 bits; each is accepted once. */
  jti: bytes(16, 32),
  /** SHA-256 of the token. */
  ath: hash,
});
export type ProofClaims = v.InferOutput<typeof proofClaims>;
