/** SHA-256, base64url. */
import { encodeBase64Url } from "@tacit/protocol";
import type { Relay } from "./relay.ts";

export function digest({ verify }: Pick<Relay, "verify">, data: string | Uint8Array): string {
  return encodeBase64Url(verify.sha256(typeof data === "string" ? new TextEncoder().encode(data) : data));
}
