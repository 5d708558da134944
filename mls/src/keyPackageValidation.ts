/** Validation of key packages: RFC 9420, section 10.1. */
import type { AuthenticationContext, AuthenticationService } from "./authentication.ts";
import type { CipherSuite } from "./cipherSuite.ts";
import { samePublicBytes } from "./equalBytes.ts";
import { invalid } from "./failure.ts";
import { verifyKeyPackageSignature, type KeyPackage } from "./keyPackage.ts";
import { checkEncryptionKey, validateLeafNode } from "./leafNodeValidation.ts";
import { checkLifetime, type LifetimePolicy } from "./lifetime.ts";

export interface ValidateKeyPackageOptions {
  readonly suite: CipherSuite;
  readonly authentication: AuthenticationService;
  readonly lifetime?: LifetimePolicy | undefined;
}

/** All but what depends on a group. @throws MlsError naming the first rule that is broken. */
export async function validateKeyPackage(
  keyPackage: KeyPackage,
  options: ValidateKeyPackageOptions,
  context: AuthenticationContext = { role: "keyPackage" },
): Promise<void> {
  const { suite, authentication } = options;
  const leaf = keyPackage.leafNode;
  if (keyPackage.cipherSuite !== suite.id) {
    throw invalid("key_package_invalid", "the key package is for another cipher suite");
  }
  if (leaf.source !== "keyPackage") {
    throw invalid("leaf_source_invalid", "the key package's leaf node is not made for one");
  }
  checkEncryptionKey(suite, keyPackage.initKey);
  if (samePublicBytes(keyPackage.initKey, leaf.encryptionKey)) {
    throw invalid("key_package_invalid", "the key package uses one key twice");
  }
  if (!(await verifyKeyPackageSignature(suite, keyPackage))) {
    throw invalid("key_package_signature_invalid", "the key package's signature is invalid");
  }
  await validateLeafNode(suite, leaf, undefined, authentication, context);
  checkLifetime(leaf, options.lifetime);
}
