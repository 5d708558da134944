/**
 * Who may connect: a token of the identity provider, and a proof that whoever shows it holds the device key
 * (RFC 9449). Browsers see neither status nor body of a refused upgrade, so where the signatures hold but the time or a
 * replay does not, the socket is admitted with scope `none` and told why.
 */
import {
  accountId,
  decodeBase64Url,
  deviceKeyThumbprintInput,
  isBase64Url,
  limits,
  proofClaims,
  proofHeader,
  proofSubprotocolPrefix,
  subprotocol,
  tokenSubprotocolPrefix,
  type ProofClaims,
} from "@tacit/protocol";
import type { Clock, Directory, Proofs, Tokens, Verify } from "../ports.ts";
import type { CloseReason, Scope } from "./caller.ts";
import { digest } from "./digest.ts";
import { seconds } from "./expiry.ts";
import { parse, parseJson } from "./parseJson.ts";

export type Gate = {
  readonly tokens: Tokens;
  readonly proofs: Proofs;
  readonly directory: Directory;
  readonly verify: Verify;
  readonly clock: Clock;
  readonly issuer: string;
  readonly audience: string;
  /** The claim of the token that names the account. */
  readonly accountClaim: string;
  /** What clients connect to: the `htu` of their proofs. */
  readonly socketUrl: string;
};

export type Admission =
  | {
      readonly kind: "admitted";
      readonly account: string;
      readonly device: string;
      readonly scope: Scope;
      /** End of the token, milliseconds. */
      readonly expires: number;
      readonly reason: CloseReason | undefined;
    }
  /** Nothing was shown that could be judged. */
  | { readonly kind: "unauthorized" }
  /** What was shown is not signed by whom it should be, or was made for somewhere else. */
  | { readonly kind: "denied" };

type Bearer = { readonly account: string; readonly expires: number; readonly notBefore: number };
type Holder = { readonly device: string; readonly claims: ProofClaims };

/** @param protocols the value of `Sec-WebSocket-Protocol` */
export async function admit(gate: Gate, protocols: string): Promise<Admission> {
  const shown = readProtocols(protocols);
  if (shown === undefined) return { kind: "unauthorized" };
  const claims = await gate.tokens.open(shown.token);
  const bearer = claims && judgeToken(gate, claims);
  const holder = judgeProof(gate, shown.proof, shown.token);
  if (bearer === undefined || holder === undefined) return { kind: "denied" };

  const { account, expires } = bearer;
  const { device } = holder;
  const admitted = (scope: Scope, reason?: CloseReason): Admission => {
    return { kind: "admitted", account, device, scope, expires, reason };
  };
  const now = gate.clock.now();
  if (now >= expires) return admitted("none", "token_expired");
  const issuedAt = holder.claims.iat * 1_000;
  if (Math.abs(now - issuedAt) > limits.clockSkew || bearer.notBefore > now + limits.clockSkew) {
    return admitted("none", "clock_skew");
  }
  // Remembered for longer than the proof could be shown again.
  const remember = seconds(issuedAt + 2 * limits.clockSkew);
  if (!(await gate.proofs.firstUse(account, device, holder.claims.jti, remember))) {
    return admitted("none", "proof_replayed");
  }
  const record = await gate.directory.get(account);
  if (record?.revoked.includes(device) === true) return admitted("none", "device_revoked");
  return admitted(record?.devices.includes(device) === true ? "full" : "register");
}

function readProtocols(protocols: string): { readonly token: string; readonly proof: string } | undefined {
  const offered = protocols.split(",").map((one) => one.trim());
  const after = (prefix: string): string | undefined => {
    const found = offered.filter((one) => one.startsWith(prefix));
    return found.length === 1 ? found[0]!.slice(prefix.length) : undefined;
  };
  const token = after(tokenSubprotocolPrefix);
  const proof = after(proofSubprotocolPrefix);
  if (!offered.includes(subprotocol) || !token || !proof) return undefined;
  return { token, proof };
}

/** Everything about the token but its signature, and its time, which is judged later. */
function judgeToken(gate: Gate, claims: Readonly<Record<string, unknown>>): Bearer | undefined {
  const { iss, aud, exp, nbf } = claims;
  const audiences: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
  const account = parse(accountId, claims[gate.accountClaim]);
  if (iss !== gate.issuer || !audiences.includes(gate.audience) || account === undefined) return undefined;
  if (typeof exp !== "number" || !Number.isFinite(exp)) return undefined;
  if (nbf !== undefined && (typeof nbf !== "number" || !Number.isFinite(nbf))) return undefined;
  return { account, expires: Math.floor(exp * 1_000), notBefore: (nbf ?? 0) * 1_000 };
}

/** Everything about the proof but its time. */
function judgeProof(gate: Gate, proof: string, token: string): Holder | undefined {
  const parts = proof.split(".");
  const [head, body, signature] = parts;
  if (parts.length !== 3 || !head || !body || !signature || !parts.every(isBase64Url)) return undefined;
  const header = parseJson(proofHeader, decodeBase64Url(head));
  const claims = parseJson(proofClaims, decodeBase64Url(body));
  if (header === undefined || claims === undefined) return undefined;
  const signed = new TextEncoder().encode(`${head}.${body}`);
  const { x } = header.jwk;
  if (!gate.verify.ed25519(decodeBase64Url(x), signed, decodeBase64Url(signature))) return undefined;
  if (claims.htu !== gate.socketUrl || claims.ath !== digest(gate, token)) return undefined;
  return { device: digest(gate, deviceKeyThumbprintInput(x)), claims };
}
