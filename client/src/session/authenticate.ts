/**
 * What MLS asks the application (RFC 9420, section 5.3.1). It looks at the credential alone, so that all members decide alike:
 * the certificate must hold in itself and name the leaf's signature key for the suite. What this device pinned, or knows of
 * revocations, is checked elsewhere and never decides whether a commit is valid.
 */
import type { AuthenticationService, Credential } from "@tacit/mls";
import { encodeBase64Url } from "@tacit/protocol";
import { certificateIn, verifyCertificate } from "./certificate.ts";
import type { CryptoContext } from "./cryptoContext.ts";

export function authentication({ provider, suite }: CryptoContext): AuthenticationService {
  return {
    async authenticate(credential, signatureKey) {
      const carried = certificateIn(credential);
      if (carried === undefined) return false;
      const { signed, certificate } = carried;
      return (
        certificate.signatureKeys[String(suite.id)] === encodeBase64Url(signatureKey) &&
        (await verifyCertificate(provider, signed, certificate))
      );
    },
    // One leaf per device. A credential without certificate never passes `authenticate`, so its key will do.
    identity: (credential, signatureKey) => {
      const certificate = certificateIn(credential)?.certificate;
      return certificate === undefined
        ? `key ${encodeBase64Url(signatureKey)}`
        : `device ${certificate.account} ${certificate.device}`;
    },
  };
}

/** Who a leaf is. */
export interface LeafIdentity {
  readonly account: string;
  readonly device: string;
  /** base64url. */
  readonly accountKey: string;
  /** Keys that the account had before, as each of them signed. */
  readonly formerKeys: readonly string[];
}

/** Credentials are never changed, and a group of a thousand has as many: each is parsed once. */
const known = new WeakMap<Credential, LeafIdentity>();

/** Of a credential that passed `authenticate`. */
export function leafIdentity(credential: Credential): LeafIdentity {
  const found = known.get(credential);
  if (found !== undefined) return found;
  const carried = certificateIn(credential);
  if (carried === undefined) throw new Error("an authenticated credential carries a certificate");
  const { account, device, accountKey, rotations = [] } = carried.certificate;
  const identity = { account, device, accountKey, formerKeys: rotations.map(({ from }) => from) };
  known.set(credential, identity);
  return identity;
}
