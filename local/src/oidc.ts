/**
 * An OpenID Connect issuer for development: discovery document, keys, and tokens for whoever asks. It stands where a
 * team's own identity provider stands in a deployment, and has no passwords.
 *
 * https://openid.net/specs/openid-connect-discovery-1_0.html
 */
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import type { ServiceResponse } from "./service.ts";
import type { SignedRequest } from "./sigV4.ts";

const PATH = "/oidc";
const ALGORITHM = "ES256";
const KEY_ID = "development";
const DEFAULT_LIFETIME_SECONDS = 3600;

export interface TokenRequest {
  readonly sub: string;
  readonly audience: string;
  /** Seconds. Default: an hour. Negative for a token that has expired. */
  readonly expiresIn?: number;
  readonly claims?: Readonly<Record<string, unknown>>;
}

export interface Issuer {
  readonly url: string;
  issueToken(request: TokenRequest): Promise<string>;
  /** Answers requests below the issuer's address; null for others. */
  respond(request: SignedRequest): Promise<ServiceResponse | null>;
}

export async function createIssuer(address: string, now: () => number): Promise<Issuer> {
  const url = `${address}${PATH}`;
  const { privateKey, publicKey } = await generateKeyPair(ALGORITHM);
  const jwk = { ...(await exportJWK(publicKey)), kid: KEY_ID, alg: ALGORITHM, use: "sig" };
  const issuer: Issuer = {
    url,
    issueToken({ sub, audience, expiresIn = DEFAULT_LIFETIME_SECONDS, claims = {} }) {
      const seconds = Math.floor(now() / 1000);
      return new SignJWT({ ...claims })
        .setProtectedHeader({ alg: ALGORITHM, kid: KEY_ID, typ: "JWT" })
        .setIssuer(url)
        .setSubject(sub)
        .setAudience(audience)
        .setIssuedAt(Math.min(seconds, seconds + expiresIn))
        .setExpirationTime(seconds + expiresIn)
        .sign(privateKey);
    },
    async respond({ method, path, body }) {
      switch (`${method} ${path}`) {
        case `GET ${PATH}/.well-known/openid-configuration`:
          return json(200, {
            issuer: url,
            jwks_uri: `${url}/jwks`,
            token_endpoint: `${url}/token`,
            id_token_signing_alg_values_supported: [ALGORITHM],
            response_types_supported: ["id_token"],
            subject_types_supported: ["public"],
          });
        case `GET ${PATH}/jwks`:
          return json(200, { keys: [jwk] });
        case `POST ${PATH}/token`: {
          const form = new URLSearchParams(body.toString("utf8"));
          const sub = form.get("sub");
          const audience = form.get("audience");
          if (!sub || !audience) return json(400, { error: "invalid_request", error_description: "sub and audience" });
          return json(200, {
            id_token: await issuer.issueToken({ sub, audience }),
            token_type: "Bearer",
            expires_in: DEFAULT_LIFETIME_SECONDS,
          });
        }
        default:
          return path.startsWith(`${PATH}/`) ? json(404, { error: "not_found" }) : null;
      }
    },
  };
  return issuer;
}

function json(status: number, body: unknown): ServiceResponse {
  const headers = { "content-type": "application/json", "access-control-allow-origin": "*" };
  return { status, headers, body: JSON.stringify(body) };
}
