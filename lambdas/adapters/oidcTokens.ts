/** Tokens of an OpenID Connect provider, under the keys that its discovery document points to. */
import { compactVerify, createRemoteJWKSet, errors, type JWTVerifyGetKey } from "jose";
import type { Tokens } from "../ports.ts";

/** Asymmetric ones alone: with a secret, whoever can check a token could make one. */
const algorithms = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
];

/** Milliseconds. */
const patience = 3_000;
/** An unknown key makes us look for new ones, but not more often than this. */
const cooldown = 30_000;
const cacheMaxAge = 60 * 60_000;

export function oidcTokens(issuer: string): Tokens {
  let keys: JWTVerifyGetKey | undefined;
  return {
    async open(token) {
      keys ??= createRemoteJWKSet(await keySetOf(issuer), {
        timeoutDuration: patience,
        cooldownDuration: cooldown,
        cacheMaxAge,
      });
      try {
        const { payload } = await compactVerify(token, keys, { algorithms });
        const claims: unknown = JSON.parse(new TextDecoder().decode(payload));
        return typeof claims === "object" && claims !== null ? (claims as Record<string, unknown>) : undefined;
      } catch (error) {
        if (error instanceof SyntaxError || isTokensFault(error)) return undefined;
        throw error;
      }
    },
  };
}

/** Faults of the token; all others are the provider's, or the network's. */
function isTokensFault(error: unknown): boolean {
  return (
    error instanceof errors.JWSInvalid ||
    error instanceof errors.JWSSignatureVerificationFailed ||
    error instanceof errors.JOSEAlgNotAllowed ||
    error instanceof errors.JOSENotSupported ||
    error instanceof errors.JWKSNoMatchingKey ||
    error instanceof errors.JWKSMultipleMatchingKeys
  );
}

/** https://openid.net/specs/openid-connect-discovery-1_0.html, section 4 */
async function keySetOf(issuer: string): Promise<URL> {
  const address = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
  const response = await fetch(address, { signal: AbortSignal.timeout(patience) });
  if (!response.ok) throw new Error(`oidc: discovery ${response.status}`);
  const document = (await response.json()) as { readonly issuer?: unknown; readonly jwks_uri?: unknown };
  if (document.issuer !== issuer || typeof document.jwks_uri !== "string") throw new Error("oidc: discovery document");
  const keySet = new URL(document.jwks_uri);
  // Whoever can change the keys on their way makes any token. Only on one's own machine nobody is on the way.
  if (keySet.protocol !== "https:" && !isLoopback(new URL(issuer))) throw new Error("oidc: key set without TLS");
  return keySet;
}

function isLoopback({ hostname }: URL): boolean {
  return hostname === "localhost" || hostname === "127.0.0.1" || hostname === "[::1]";
}
