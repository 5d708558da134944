/** Joining by a Welcome: RFC 9420, section 12.4.3.1. */
import type { AuthenticationService } from "./authentication.ts";
import type { CipherSuite } from "./cipherSuite.ts";
import { decode, encode } from "./codec.ts";
import { equalBytes, samePublicBytes } from "./equalBytes.ts";
import { extensionTypes, findExtension, type Extension } from "./extension.ts";
import { invalid, local, misuse } from "./failure.ts";
import { strictConfig, type GroupConfig } from "./groupConfig.ts";
import { encodeGroupContext } from "./groupContext.ts";
import { ratchetTreeOf, readGroupInfo, verifyGroupInfo, type GroupInfo } from "./groupInfo.ts";
import type { GroupState } from "./groupState.ts";
import { keyPackageRef, type KeyPackage, type KeyPackagePrivate } from "./keyPackage.ts";
import { deriveNewEpoch, deriveWelcomeSecret } from "./keySchedule.ts";
import { writeLeafNode } from "./leafNode.ts";
import { checkLifetime, type LifetimePolicy } from "./lifetime.ts";
import { decodeMlsMessage } from "./mlsMessage.ts";
import { MlsError } from "./mlsError.ts";
import { checkPredecessor, predecessorPsk } from "./predecessor.ts";
import { derivePskSecret, type Psk, type PskLookup } from "./psk.ts";
import { findPsks } from "./pskStore.ts";
import { decodeTree, requireLeaf, type TreeDraft } from "./ratchetTree.ts";
import { createSecretTree } from "./secretTree.ts";
import { interimTranscriptHash } from "./transcript.ts";
import { derivePathKeys } from "./treeKem.ts";
import { commonAncestor, directPath } from "./treeMath.ts";
import { validateTree } from "./treeValidation.ts";
import { encryptionKeyAt } from "./ratchetTree.ts";
import { readGroupSecrets, welcomeKeys, welcomeLabel, type GroupSecrets, type Welcome } from "./welcome.ts";

export interface JoinGroupOptions {
  readonly suite: CipherSuite;
  /** The MLSMessage with the Welcome. */
  readonly welcome: Uint8Array;
  readonly keyPackage: KeyPackage;
  readonly privateKeys: KeyPackagePrivate;
  /**
   * Needed where the Welcome does not carry it. A function is given the GroupInfo's extensions, which may say how to open what
   * travelled apart; they are only proven once the tree is there.
   */
  readonly ratchetTree?: Uint8Array | ((groupInfoExtensions: readonly Extension[]) => Uint8Array | undefined);
  readonly psks?: PskLookup;
  /** The state of the group that this one branches from or reinitialises; such a Welcome is refused without it. */
  readonly predecessor?: GroupState;
  /** Checks the own key package's lifetime, and with `checkMembers` that of members who never committed. */
  readonly lifetime?: LifetimePolicy & { readonly checkMembers?: boolean };
  readonly authentication: AuthenticationService;
  readonly config?: GroupConfig;
}

export interface JoinedGroup {
  readonly state: GroupState;
  readonly groupInfoExtensions: readonly Extension[];
  /** Leaf index of who signed the GroupInfo. */
  readonly signer: number;
  /** The key package's own keys, which must not be used again; none if it is one of last resort. */
  readonly consumed: readonly Uint8Array[];
}

/** @throws MlsError; `welcome_not_for_us` when the Welcome does not name the key package. */
export async function joinGroup(options: JoinGroupOptions): Promise<JoinedGroup> {
  const { suite, keyPackage, privateKeys } = options;
  const message = decodeMlsMessage(options.welcome);
  if (message.wireFormat !== "welcome") throw misuse("the message is not a Welcome");
  const { welcome } = message;
  if (welcome.cipherSuite !== suite.id || keyPackage.cipherSuite !== suite.id) {
    throw local("unsupported", "the Welcome is for another cipher suite");
  }
  checkLifetime(keyPackage.leafNode, options.lifetime);
  const groupSecrets = await openGroupSecrets(suite, welcome, keyPackage, privateKeys);
  const psks = await welcomePsks(options, groupSecrets);
  const pskSecret = derivePskSecret(suite, psks);
  const groupInfo = openGroupInfo(suite, welcome, groupSecrets, pskSecret);
  const { groupContext } = groupInfo;
  if (groupContext.cipherSuite !== suite.id) throw invalid("group_info_invalid", "the group has another cipher suite");

  const tree = ratchetTreeOf(groupInfo.extensions) ?? givenTree(options, groupInfo.extensions);
  const signerLeaf = requireLeaf(tree, groupInfo.signer);
  if (!(await verifyGroupInfo(suite, groupInfo, signerLeaf.signatureKey))) {
    throw invalid("group_info_signature_invalid", "the GroupInfo's signature is invalid");
  }
  await validateTree(suite, tree, groupContext, {
    authentication: options.authentication,
    lifetime: options.lifetime?.checkMembers === true ? options.lifetime : undefined,
  });
  const ownLeafIndex = findOwnLeaf(tree, keyPackage);
  const pathKeys = new Map<number, Uint8Array>([[2 * ownLeafIndex, privateKeys.encryptionPrivateKey.slice()]]);
  if (groupSecrets.pathSecret !== undefined) {
    for (const [node, key] of await pathKeysOf(suite, tree, ownLeafIndex, groupInfo.signer, groupSecrets.pathSecret)) {
      pathKeys.set(node, key);
    }
  }

  const { joinerSecret } = groupSecrets;
  const { secrets, encryptionSecret } = deriveNewEpoch(
    suite,
    joinerSecret,
    pskSecret,
    encodeGroupContext(groupContext),
  );
  for (const secret of [joinerSecret, pskSecret]) secret.fill(0);
  const confirmationTag = suite.mac(secrets.confirmationKey, groupContext.confirmedTranscriptHash);
  if (!equalBytes(confirmationTag, groupInfo.confirmationTag)) {
    throw invalid("confirmation_tag_invalid", "the GroupInfo's confirmation tag is invalid");
  }
  checkPredecessor(groupSecrets.psks, groupInfo, tree, options.predecessor, options.authentication);
  const state: GroupState = {
    suite,
    epoch: {
      config: options.config ?? strictConfig,
      groupContext,
      tree,
      ownLeafIndex,
      // A copy: the state owns (and one day wipes) its secrets.
      signaturePrivateKey: privateKeys.signaturePrivateKey.slice(),
      pathKeys,
      secrets,
      confirmationTag,
      interimTranscriptHash: interimTranscriptHash(suite, groupContext.confirmedTranscriptHash, confirmationTag),
      proposals: [],
      resumptionPsks: [],
      pastEpochs: [],
    },
    ratchets: { current: createSecretTree(encryptionSecret, tree.leaves.length), past: [] },
  };
  return {
    state,
    groupInfoExtensions: groupInfo.extensions,
    signer: groupInfo.signer,
    consumed:
      findExtension(keyPackage.extensions, extensionTypes.lastResort) === undefined
        ? [privateKeys.initPrivateKey, privateKeys.encryptionPrivateKey]
        : [],
  };
}

async function openGroupSecrets(
  suite: CipherSuite,
  welcome: Welcome,
  keyPackage: KeyPackage,
  privateKeys: KeyPackagePrivate,
): Promise<GroupSecrets> {
  const ref = keyPackageRef(suite, keyPackage);
  const entry = welcome.secrets.find(({ newMember }) => samePublicBytes(newMember, ref));
  if (entry === undefined) throw local("welcome_not_for_us", "the Welcome does not name this key package");
  const plaintext = await suite.decryptWithLabel(
    privateKeys.initPrivateKey,
    keyPackage.initKey,
    welcomeLabel,
    welcome.encryptedGroupInfo,
    entry.encryptedGroupSecrets,
  );
  const secrets = decode(readGroupSecrets, plaintext);
  plaintext.fill(0);
  return secrets;
}

async function welcomePsks(options: JoinGroupOptions, { psks }: GroupSecrets): Promise<Psk[]> {
  const special = psks.filter((id) => id.type === "resumption" && id.usage !== "application");
  if (special.length > 1) throw invalid("psk_invalid", "the Welcome has more than one PSK of a branch or reinit");
  for (const id of psks) {
    if (id.nonce.length !== options.suite.hashLength)
      throw invalid("psk_invalid", "a PSK's nonce has the wrong length");
  }
  return findPsks(psks, undefined, (id) =>
    id.type === "resumption" && id.usage !== "application"
      ? predecessorPsk(options.predecessor, id)
      : options.psks?.(id),
  );
}

function openGroupInfo(
  suite: CipherSuite,
  welcome: Welcome,
  groupSecrets: GroupSecrets,
  pskSecret: Uint8Array,
): GroupInfo {
  const welcomeSecret = deriveWelcomeSecret(suite, groupSecrets.joinerSecret, pskSecret);
  const keys = welcomeKeys(suite, welcomeSecret);
  welcomeSecret.fill(0);
  try {
    const bytes = suite.open(keys.key, keys.nonce, new Uint8Array(0), welcome.encryptedGroupInfo);
    return decode(readGroupInfo, bytes);
  } catch (error) {
    if (error instanceof MlsError && error.code === "aead_failed") {
      throw local("group_info_invalid", "the GroupInfo cannot be decrypted");
    }
    throw error;
  } finally {
    keys.key.fill(0);
  }
}

function givenTree({ ratchetTree }: JoinGroupOptions, extensions: readonly Extension[]): TreeDraft {
  const tree = typeof ratchetTree === "function" ? ratchetTree(extensions) : ratchetTree;
  if (tree === undefined) throw local("ratchet_tree_missing", "the ratchet tree was not given");
  return decodeTree(tree);
}

function findOwnLeaf(tree: TreeDraft, keyPackage: KeyPackage): number {
  const own = encode(writeLeafNode, keyPackage.leafNode);
  const found = tree.leaves.findIndex(
    (leaf) =>
      leaf !== undefined &&
      samePublicBytes(leaf.encryptionKey, keyPackage.leafNode.encryptionKey) &&
      samePublicBytes(encode(writeLeafNode, leaf), own),
  );
  if (found === -1) throw local("welcome_not_for_us", "the tree does not have the leaf of this key package");
  return found;
}

async function pathKeysOf(
  suite: CipherSuite,
  tree: TreeDraft,
  ownLeafIndex: number,
  signer: number,
  pathSecret: Uint8Array,
): Promise<ReadonlyMap<number, Uint8Array>> {
  const start = commonAncestor(ownLeafIndex, signer);
  const above = directPath(start, tree.leaves.length).filter((node) => encryptionKeyAt(tree, node) !== undefined);
  const { commitSecret, privateKeys } = await derivePathKeys(suite, tree, [start, ...above], pathSecret);
  commitSecret.fill(0);
  return privateKeys;
}
