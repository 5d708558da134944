/** Welcome messages as data: RFC 9420, section 12.4.3.1. */
import type { CipherSuite, HpkeCiphertext } from "./cipherSuite.ts";
import type { Reader, Writer } from "./codec.ts";
import { readHpkeCiphertext, writeHpkeCiphertext } from "./hpkeCiphertext.ts";
import { readPskId, writePskId, type PreSharedKeyId } from "./psk.ts";

export interface GroupSecrets {
  readonly joinerSecret: Uint8Array;
  readonly pathSecret?: Uint8Array;
  readonly psks: readonly PreSharedKeyId[];
}

export interface EncryptedGroupSecrets {
  /** A KeyPackageRef. */
  readonly newMember: Uint8Array;
  readonly encryptedGroupSecrets: HpkeCiphertext;
}

export interface Welcome {
  readonly cipherSuite: number;
  readonly secrets: readonly EncryptedGroupSecrets[];
  readonly encryptedGroupInfo: Uint8Array;
}

export function writeGroupSecrets(writer: Writer, secrets: GroupSecrets): void {
  writer.opaque(secrets.joinerSecret);
  writer.optional(secrets.pathSecret, (pathSecret) => writer.opaque(pathSecret));
  writer.vector(secrets.psks, (id) => writePskId(writer, id));
}

export function readGroupSecrets(reader: Reader): GroupSecrets {
  const joinerSecret = reader.opaque();
  const pathSecret = reader.optional((item) => item.opaque());
  const psks = reader.vector(readPskId);
  return pathSecret === undefined ? { joinerSecret, psks } : { joinerSecret, pathSecret, psks };
}

export function writeWelcome(writer: Writer, welcome: Welcome): void {
  writer.uint16(welcome.cipherSuite);
  writer.vector(welcome.secrets, (entry) => {
    writer.opaque(entry.newMember);
    writeHpkeCiphertext(writer, entry.encryptedGroupSecrets);
  });
  writer.opaque(welcome.encryptedGroupInfo);
}

export function readWelcome(reader: Reader): Welcome {
  return {
    cipherSuite: reader.uint16(),
    secrets: reader.vector((item) => ({
      newMember: item.opaque(),
      encryptedGroupSecrets: readHpkeCiphertext(item),
    })),
    encryptedGroupInfo: reader.opaque(),
  };
}

export const welcomeLabel = "Welcome";

/** The key and nonce that protect the GroupInfo of a Welcome. */
export function welcomeKeys(
  suite: CipherSuite,
  welcomeSecret: Uint8Array,
): { readonly key: Uint8Array; readonly nonce: Uint8Array } {
  const empty = new Uint8Array(0);
  return {
    key: suite.expandWithLabel(welcomeSecret, "key", empty, suite.keyLength),
    nonce: suite.expandWithLabel(welcomeSecret, "nonce", empty, suite.nonceLength),
  };
}
