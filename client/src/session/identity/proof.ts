/** The proof of possession that opens a socket: RFC 9449, see @tacit/protocol's proof.ts. */
import type { KeyPair } from "@tacit/mls";
import {
  encodeBase64Url,
  proofSubprotocolPrefix,
  proofType,
  subprotocol,
  tokenSubprotocolPrefix,
  type ProofClaims,
} from "@tacit/protocol";
import { utf8 } from "../bytes.ts";
import { randomId, sha256, type CryptoProvider } from "../cryptoContext.ts";

export interface ProofInput {
  readonly url: string;
  readonly token: string;
  readonly deviceKey: KeyPair;
  /** Milliseconds since 1970, as the server counts them. */
  readonly now: number;
}

export async function createProof(provider: CryptoProvider, input: ProofInput): Promise<string> {
  const x = encodeBase64Url(input.deviceKey.publicKey);
  const claims: ProofClaims = {
    htm: "GET",
    htu: socketAddress(input.url),
    iat: Math.floor(input.now / 1000),
    jti: randomId(provider),
    ath: encodeBase64Url(sha256(provider, utf8(input.token))),
  };
  const signed = `${part({ typ: proofType, alg: "EdDSA", jwk: { kty: "OKP", crv: "Ed25519", x } })}.${part(claims)}`;
  const signature = await provider.signatures.Ed25519.sign(input.deviceKey.privateKey, utf8(signed));
  return `${signed}.${encodeBase64Url(signature)}`;
}

/** The whole `Sec-WebSocket-Protocol` list. */
export async function connectProtocols(provider: CryptoProvider, input: ProofInput): Promise<readonly string[]> {
  return [
    subprotocol,
    tokenSubprotocolPrefix + input.token,
    proofSubprotocolPrefix + (await createProof(provider, input)),
  ];
}

function part(value: object): string {
  return encodeBase64Url(utf8(JSON.stringify(value)));
}

/** Without query and fragment: RFC 9449, section 4.2. */
function socketAddress(url: string): string {
  return url.replace(/[?#].*$/, "");
}
