/** Credentials as an application has them: a name with the signature of an authority over it and the member's key. */
import type { AuthenticationService, CryptoProvider } from "@tacit/mls";

export interface Certifier {
  readonly lifetime: { readonly notBefore: bigint; readonly notAfter: bigint };
  readonly now: bigint;
  readonly certify: (name: string, signatureKey: Uint8Array) => Promise<Uint8Array>;
  /** Is `identity` the certificate of `signatureKey`? One verification of a signature. */
  readonly check: (identity: Uint8Array, signatureKey: Uint8Array) => Promise<boolean> | boolean;
  readonly authentication: AuthenticationService;
}

const nameLength = 16;

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const result = new Uint8Array(a.length + b.length);
  result.set(a);
  result.set(b, a.length);
  return result;
}

export async function newCertifier(provider: CryptoProvider, now: bigint): Promise<Certifier> {
  const { Ed25519 } = provider.signatures;
  const authority = await Ed25519.generate();
  const check: Certifier["check"] = (identity, signatureKey) =>
    Ed25519.verify(
      authority.publicKey,
      concat(identity.subarray(0, nameLength), signatureKey),
      identity.subarray(nameLength),
    );
  return {
    lifetime: { notBefore: now - 3600n, notAfter: now + 20n * 86_400n },
    now,
    async certify(name, signatureKey) {
      const padded = new Uint8Array(nameLength);
      padded.set(new TextEncoder().encode(name).subarray(0, nameLength));
      return concat(padded, await Ed25519.sign(authority.privateKey, concat(padded, signatureKey)));
    },
    check,
    authentication: {
      authenticate: (credential, signatureKey) =>
        credential.type === "basic" && check(credential.identity, signatureKey),
      identity: (credential) =>
        credential.type === "basic" ? String.fromCharCode(...credential.identity.subarray(0, nameLength)) : "",
    },
  };
}
