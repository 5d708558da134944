/** Validation of leaf nodes: RFC 9420, section 7.3, and what section 13.4 demands of members. */
import type { AuthenticationContext, AuthenticationService } from "./authentication.ts";
import { meetsRequired, requiredCapabilitiesOf, supportsExtension } from "./capabilities.ts";
import type { CipherSuite } from "./cipherSuite.ts";
import { credentialTypeOf } from "./credential.ts";
import { ByteSet } from "./equalBytes.ts";
import type { Extension } from "./extension.ts";
import { invalid } from "./failure.ts";
import { mls10, type GroupContext } from "./groupContext.ts";
import { verifyLeafNodeSignature, type LeafNode, type LeafPosition } from "./leafNode.ts";
import { encryptionKeyAt, occupiedLeaves, type RatchetTree } from "./ratchetTree.ts";
import { indexOf } from "./treeIndex.ts";
import { nodeWidth } from "./treeMath.ts";

/** Asks the application. */
export async function authenticateCredential(
  authentication: AuthenticationService,
  credential: LeafNode["credential"],
  signatureKey: Uint8Array,
  context: AuthenticationContext,
): Promise<void> {
  if (!(await authentication.authenticate(credential, signatureKey, context))) {
    throw invalid("credential_rejected", "the application does not accept the credential");
  }
}

/** What a leaf must fulfil by itself, wherever it stands. */
export async function validateLeafNode(
  suite: CipherSuite,
  leaf: LeafNode,
  position: LeafPosition | undefined,
  authentication: AuthenticationService,
  context: AuthenticationContext,
): Promise<void> {
  checkCapabilities(suite, leaf);
  checkEncryptionKey(suite, leaf.encryptionKey);
  if (!(await verifyLeafNodeSignature(suite, leaf, position))) {
    throw invalid("leaf_signature_invalid", "the leaf node's signature is invalid");
  }
  await authenticateCredential(authentication, leaf.credential, leaf.signatureKey, context);
}

/** Not a rule of RFC 9420: a key that nobody can encrypt to would keep all others from committing. */
export function checkEncryptionKey(suite: CipherSuite, publicKey: Uint8Array): void {
  if (!suite.isValidEncryptionKey(publicKey)) throw invalid("encryption_key_invalid", "an encryption key is malformed");
}

function checkCapabilities(suite: CipherSuite, leaf: LeafNode): void {
  const { capabilities } = leaf;
  if (!capabilities.versions.includes(mls10) || !capabilities.cipherSuites.includes(suite.id)) {
    throw invalid("capabilities_insufficient", "the leaf node does not support the group's version or cipher suite");
  }
  for (const { extensionType } of leaf.extensions) {
    if (!supportsExtension(capabilities, extensionType)) {
      throw invalid("capabilities_insufficient", "the leaf node has an extension that it does not support");
    }
  }
  if (!capabilities.credentials.includes(credentialTypeOf(leaf.credential))) {
    throw invalid("capabilities_insufficient", "the leaf node does not support its own credential");
  }
}

/** Is each of these leaves compatible with the extensions of the group context? */
export function checkGroupExtensions(leaves: Iterable<LeafNode>, extensions: readonly Extension[]): void {
  const required = requiredCapabilitiesOf(extensions);
  for (const { capabilities } of leaves) {
    for (const { extensionType } of extensions) {
      if (!supportsExtension(capabilities, extensionType)) {
        throw invalid("capabilities_insufficient", "a member does not support an extension of the group");
      }
    }
    if (required !== undefined && !meetsRequired(capabilities, required)) {
      throw invalid("capabilities_insufficient", "a member lacks a capability that the group requires");
    }
  }
}

/** Every credential type in use is supported by every member; `changed` leaves against all, and all against them. */
function checkCredentialTypes(tree: RatchetTree, changed: readonly LeafNode[]): void {
  const index = indexOf(tree);
  for (const type of new Set(changed.map((leaf) => credentialTypeOf(leaf.credential)))) {
    if (!index.everyoneSupports(type)) {
      throw invalid("credential_unsupported", "a member does not support the credential of another");
    }
  }
  const inUse = index.credentialTypes();
  for (const leaf of changed) {
    for (const type of inUse) {
      if (!leaf.capabilities.credentials.includes(type)) {
        throw invalid("credential_unsupported", "a new leaf does not support the credential of a member");
      }
    }
  }
}

const identities = new WeakMap<AuthenticationService, WeakMap<LeafNode, string>>();

export function identityOf(authentication: AuthenticationService, leaf: LeafNode): string {
  let known = identities.get(authentication);
  if (known === undefined) {
    known = new WeakMap();
    identities.set(authentication, known);
  }
  let identity = known.get(leaf);
  if (identity === undefined) {
    identity = authentication.identity(leaf.credential, leaf.signatureKey);
    known.set(leaf, identity);
  }
  return identity;
}

function duplicateKey(): Error {
  return invalid("key_not_unique", "a key occurs twice in the group");
}

/** Section 7.3's uniqueness for a few changed leaves: each against all others. */
function checkFew(tree: RatchetTree, changed: readonly number[], authentication: AuthenticationService): void {
  const index = indexOf(tree);
  const identify = (leaf: LeafNode): string => identityOf(authentication, leaf);
  for (const leafIndex of changed) {
    const leaf = tree.leaves[leafIndex] as LeafNode;
    if (index.hasEncryptionKey(leaf.encryptionKey, leafIndex)) throw duplicateKey();
    if (index.hasSignatureKey(leaf.signatureKey, leafIndex)) throw duplicateKey();
    if (index.hasIdentity(identify(leaf), leafIndex, authentication, identify)) {
      throw invalid("duplicate_client", "a client would be in the group twice");
    }
  }
}

/** The same over the whole tree, for joiners and for commits that change much. */
export function checkAllUnique(tree: RatchetTree, authentication: AuthenticationService): void {
  const encryptionKeys = new ByteSet();
  const nodes = nodeWidth(tree.leaves.length);
  for (let node = 0; node < nodes; node++) {
    const key = encryptionKeyAt(tree, node);
    if (key !== undefined && !encryptionKeys.add(key)) throw duplicateKey();
  }
  const signatureKeys = new ByteSet();
  const seen = new Set<string>();
  for (const { leafNode } of occupiedLeaves(tree)) {
    if (!signatureKeys.add(leafNode.signatureKey)) throw duplicateKey();
    const identity = identityOf(authentication, leafNode);
    if (seen.has(identity)) throw invalid("duplicate_client", "a client would be in the group twice");
    seen.add(identity);
  }
}

/** Above this many changes it is cheaper to look at the whole tree once. */
const few = 8;

/** What changed leaves must fulfil among the other members, in the tree as it is after the change. */
export function validateChangedLeaves(
  tree: RatchetTree,
  changed: readonly number[],
  groupContext: Pick<GroupContext, "extensions">,
  extensionsChanged: boolean,
  authentication: AuthenticationService,
): void {
  const leaves = changed.map((leafIndex) => tree.leaves[leafIndex] as LeafNode);
  const affected = extensionsChanged ? occupiedLeaves(tree).map(({ leafNode }) => leafNode) : leaves;
  checkGroupExtensions(affected, groupContext.extensions);
  checkCredentialTypes(tree, leaves);
  if (changed.length <= few) checkFew(tree, changed, authentication);
  else checkAllUnique(tree, authentication);
}

/** Section 5.3.1: may this leaf take the place of that one? */
export async function checkSuccessor(
  current: LeafNode,
  next: LeafNode,
  authentication: AuthenticationService,
): Promise<void> {
  if (current.credential === next.credential) return;
  const accepted =
    authentication.isSuccessor === undefined
      ? identityOf(authentication, current) === authentication.identity(next.credential, next.signatureKey)
      : await authentication.isSuccessor(current.credential, next.credential);
  if (!accepted) throw invalid("successor_rejected", "a leaf's new credential is not a successor of its old one");
}
