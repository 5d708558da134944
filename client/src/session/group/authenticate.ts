/**
 * What MLS asks the application (RFC 9420, section 5.3.1). It looks at the credential alone, so that all members decide alike:
 * the certificate must hold in itself and name the leaf's signature key for the suite. What this device pinned, or knows of
 * revocations, is checked elsewhere and never decides whether a commit is valid.
 */
import type { AuthenticationService, Credential } from "@tacit/mls";
import { encodeBase64Url } from "@tacit/protocol";
import { fromUtf8 } from "../bytes.ts";
import { certificateIn, verifyCertificate } from "../identity/certificate.ts";
import type { CryptoContext } from "../cryptoContext.ts";

/** One for each suite: the engine keeps what it learned of a tree's identities as long as it is asked by the same. */
const services = new WeakMap<CryptoContext["suite"], AuthenticationService>();

export function authentication(context: CryptoContext): AuthenticationService {
  const known = services.get(context.suite);
  if (known !== undefined) return known;
  const service = createService(context);
  services.set(context.suite, service);
  return service;
}

function createService({ provider, suite }: CryptoContext): AuthenticationService {
  return {
    async authenticate(credential, signatureKey) {
      const carried = carriedBy(credential);
      if (carried?.signatureKeys[String(suite.id)] !== encodeBase64Url(signatureKey)) return false;
      if (carried.holds) return true;
      const { signed, certificate } = certificateIn(credential)!;
      return (carried.holds = await verifyCertificate(provider, signed, certificate));
    },
    // One leaf per device. A credential without certificate never passes `authenticate`, so its key will do.
    identity: (credential, signatureKey) => {
      const carried = carriedBy(credential);
      return carried === undefined ? `key ${encodeBase64Url(signatureKey)}` : carried.name;
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

/** Of a credential that passed `authenticate`. */
export function leafIdentity(credential: Credential): LeafIdentity {
  const carried = carriedBy(credential);
  if (carried === undefined) throw new Error("an authenticated credential carries a certificate");
  return carried.identity;
}

/** What a certificate says, and whether it is known to hold. */
interface Carried {
  readonly identity: LeafIdentity;
  /** Of the device, among all. */
  readonly name: string;
  /** Suite -> base64url. */
  readonly signatureKeys: Readonly<Record<string, string>>;
  holds: boolean;
}

/**
 * By the text of a credential: the same people are in many groups, and in all epochs of each, and a signature that held once holds always.
 * More than a group has; of more than these the oldest are looked at again.
 */
const seen = new Map<string, Carried>();
const remembered = 4_096;
/** In front of it, by object. */
const parsed = new WeakMap<Credential, Carried>();

function carriedBy(credential: Credential): Carried | undefined {
  const known = parsed.get(credential);
  if (known !== undefined) return known;
  const carried = credential.type === "basic" ? carriedIn(credential) : undefined;
  if (carried !== undefined) parsed.set(credential, carried);
  return carried;
}

function carriedIn(credential: Extract<Credential, { type: "basic" }>): Carried | undefined {
  const text = textIn(credential.identity);
  const known = text === undefined ? undefined : seen.get(text);
  if (known !== undefined) return known;
  const certificate = certificateIn(credential)?.certificate;
  if (text === undefined || certificate === undefined) return undefined;
  const { account, device, accountKey, rotations = [], signatureKeys } = certificate;
  const identity = { account, device, accountKey, formerKeys: rotations.map(({ from }) => from) };
  const carried = { identity, name: `device ${account} ${device}`, signatureKeys, holds: false };
  const [oldest] = seen.keys();
  if (seen.size >= remembered && oldest !== undefined) seen.delete(oldest);
  seen.set(text, carried);
  return carried;
}

function textIn(bytes: Uint8Array): string | undefined {
  try {
    return fromUtf8(bytes);
  } catch {
    return undefined;
  }
}
