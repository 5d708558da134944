/** Signatures, hashes and randomness of Node. */
import { createHash, createPublicKey, randomBytes, verify } from "node:crypto";
import type { Random, Verify } from "../ports.ts";
import { encodeBase64Url } from "@tacit/protocol";

export const nodeVerify: Verify = {
  ed25519(publicKey, message, signature) {
    const jwk = { kty: "OKP", crv: "Ed25519", x: encodeBase64Url(publicKey) };
    try {
      return verify(null, message, createPublicKey({ key: jwk, format: "jwk" }), signature);
    } catch {
      // Not a key.
      return false;
    }
  },
  sha256: (bytes) => new Uint8Array(createHash("sha256").update(bytes).digest()),
};

export const nodeRandom: Random = {
  id: (bytes) => randomBytes(bytes).toString("base64url"),
  fraction: () => randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
};
