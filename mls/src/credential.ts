/** Credentials: RFC 9420, section 5.3. */
import { decodeFailed, type Reader, type Writer } from "./codec.ts";

export const credentialTypes = { basic: 1, x509: 2 } as const;

export interface BasicCredential {
  readonly type: "basic";
  readonly identity: Uint8Array;
}
export interface X509Credential {
  readonly type: "x509";
  /** DER, the end entity first. */
  readonly certificates: readonly Uint8Array[];
}
/** A type registered elsewhere; its content is one opaque vector. */
export interface OtherCredential {
  readonly type: "other";
  readonly credentialType: number;
  readonly data: Uint8Array;
}
export type Credential = BasicCredential | X509Credential | OtherCredential;

/** The CredentialType on the wire. */
export function credentialTypeOf(credential: Credential): number {
  switch (credential.type) {
    case "basic":
      return credentialTypes.basic;
    case "x509":
      return credentialTypes.x509;
    case "other":
      return credential.credentialType;
  }
}

export function writeCredential(writer: Writer, credential: Credential): void {
  writer.uint16(credentialTypeOf(credential));
  switch (credential.type) {
    case "basic":
      writer.opaque(credential.identity);
      return;
    case "x509":
      writer.vector(credential.certificates, (certificate) => writer.opaque(certificate));
      return;
    case "other":
      writer.opaque(credential.data);
  }
}

export function readCredential(reader: Reader): Credential {
  const credentialType = reader.uint16();
  switch (credentialType) {
    case 0:
      throw decodeFailed("credential type 0 is reserved");
    case credentialTypes.basic:
      return { type: "basic", identity: reader.opaque() };
    case credentialTypes.x509:
      return { type: "x509", certificates: reader.vector((item) => item.opaque()) };
    default:
      return { type: "other", credentialType, data: reader.opaque() };
  }
}
