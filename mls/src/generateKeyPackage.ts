/** Making key packages: RFC 9420, section 10. */
import type { Capabilities } from "./capabilities.ts";
import type { CipherSuite, KeyPair } from "./cipherSuite.ts";
import { decode } from "./codec.ts";
import { credentialTypeOf, type Credential } from "./credential.ts";
import { extensionTypes, type Extension } from "./extension.ts";
import { decodeFailed } from "./codec.ts";
import { misuse } from "./failure.ts";
import { mls10 } from "./groupContext.ts";
import {
  keyPackageRef,
  readKeyPackage,
  signKeyPackage,
  type KeyPackage,
  type KeyPackagePrivate,
} from "./keyPackage.ts";
import { signLeafNode, type Lifetime } from "./leafNode.ts";
import { decodeMlsMessage, encodeMlsMessage } from "./mlsMessage.ts";

export interface GenerateKeyPackageOptions {
  readonly suite: CipherSuite;
  readonly credential: Credential;
  readonly signatureKeyPair: KeyPair;
  readonly lifetime: Lifetime;
  /** Default: mls10, this suite, the types of the credential and of the extensions given. */
  readonly capabilities?: Partial<Capabilities>;
  readonly extensions?: readonly Extension[];
  readonly leafExtensions?: readonly Extension[];
  /** Marks the package as one that may be used several times. */
  readonly lastResort?: boolean;
}

export interface GeneratedKeyPackage {
  readonly keyPackage: KeyPackage;
  /** An MLSMessage; give it to those who want to add this client. */
  readonly bytes: Uint8Array;
  /** KeyPackageRef: what a Welcome names. */
  readonly ref: Uint8Array;
  readonly privateKeys: KeyPackagePrivate;
}

const firstExtensionToList = 6;

/** What a client of this engine supports, with `given` in the place of the defaults. */
export function defaultCapabilities(
  suite: CipherSuite,
  credential: Credential,
  extensions: readonly Extension[],
  given: Partial<Capabilities> = {},
): Capabilities {
  const listed = extensions.map(({ extensionType }) => extensionType).filter((type) => type >= firstExtensionToList);
  return {
    versions: given.versions ?? [mls10],
    cipherSuites: given.cipherSuites ?? [suite.id],
    extensions: given.extensions ?? listed,
    proposals: given.proposals ?? [],
    credentials: given.credentials ?? [credentialTypeOf(credential)],
  };
}

export async function generateKeyPackage(options: GenerateKeyPackageOptions): Promise<GeneratedKeyPackage> {
  const { suite, credential, signatureKeyPair, lifetime, leafExtensions = [] } = options;
  if (lifetime.notBefore > lifetime.notAfter) throw misuse("the lifetime ends before it begins");
  const extensions = [...(options.extensions ?? [])];
  if (options.lastResort === true)
    extensions.push({ extensionType: extensionTypes.lastResort, data: new Uint8Array(0) });
  const [init, encryption] = await Promise.all([suite.generateKeyPair(), suite.generateKeyPair()]);
  const leafNode = await signLeafNode(
    suite,
    {
      encryptionKey: encryption.publicKey,
      signatureKey: signatureKeyPair.publicKey,
      credential,
      capabilities: defaultCapabilities(suite, credential, leafExtensions, options.capabilities),
      source: "keyPackage",
      lifetime: { notBefore: lifetime.notBefore, notAfter: lifetime.notAfter },
      extensions: leafExtensions,
    },
    undefined,
    signatureKeyPair.privateKey,
  );
  const keyPackage = await signKeyPackage(
    suite,
    { cipherSuite: suite.id, initKey: init.publicKey, leafNode, extensions },
    signatureKeyPair.privateKey,
  );
  return {
    keyPackage,
    bytes: encodeMlsMessage({ wireFormat: "keyPackage", keyPackage }),
    ref: keyPackageRef(suite, keyPackage),
    privateKeys: {
      initPrivateKey: init.privateKey,
      encryptionPrivateKey: encryption.privateKey,
      signaturePrivateKey: signatureKeyPair.privateKey,
    },
  };
}

/** Decodes an MLSMessage with a key package; checks nothing else. */
export function decodeKeyPackage(bytes: Uint8Array): KeyPackage {
  const message = decodeMlsMessage(bytes);
  if (message.wireFormat !== "keyPackage") throw decodeFailed("the message is not a key package");
  return message.keyPackage;
}

/** Decodes a key package that stands by itself, without the frame of an MLSMessage. */
export function decodeBareKeyPackage(bytes: Uint8Array): KeyPackage {
  return decode(readKeyPackage, bytes);
}
