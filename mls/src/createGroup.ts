/** Creating a group: RFC 9420, section 11. */
import type { AuthenticationService } from "./authentication.ts";
import type { CipherSuite } from "./cipherSuite.ts";
import type { Extension } from "./extension.ts";
import { externalSendersOf } from "./externalSenders.ts";
import { misuse } from "./failure.ts";
import { strictConfig, type GroupConfig } from "./groupConfig.ts";
import type { GroupContext } from "./groupContext.ts";
import type { GroupState } from "./groupState.ts";
import type { KeyPackage, KeyPackagePrivate } from "./keyPackage.ts";
import { validateKeyPackage } from "./keyPackageValidation.ts";
import { deriveEpochSecrets } from "./keySchedule.ts";
import { authenticateCredential, checkGroupExtensions } from "./leafNodeValidation.ts";
import type { TreeDraft } from "./ratchetTree.ts";
import { createSecretTree } from "./secretTree.ts";
import { interimTranscriptHash } from "./transcript.ts";
import { rootHash } from "./treeHash.ts";

export interface CreateGroupOptions {
  readonly suite: CipherSuite;
  readonly groupId: Uint8Array;
  /** The creator's; used for this group alone. */
  readonly keyPackage: KeyPackage;
  readonly privateKeys: KeyPackagePrivate;
  readonly extensions?: readonly Extension[];
  readonly authentication: AuthenticationService;
  readonly config?: GroupConfig;
}

/** A group of one, in epoch 0. */
export async function createGroup(options: CreateGroupOptions): Promise<GroupState> {
  const { suite, keyPackage, privateKeys, extensions = [], authentication, config = strictConfig } = options;
  const leaf = keyPackage.leafNode;
  const draft: TreeDraft = { leaves: [leaf], parents: [], hashes: [undefined] };
  const groupContext: GroupContext = {
    cipherSuite: suite.id,
    groupId: options.groupId.slice(),
    epoch: 0n,
    treeHash: rootHash(suite, draft),
    confirmedTranscriptHash: new Uint8Array(0),
    extensions,
  };
  if (new Set(extensions.map(({ extensionType }) => extensionType)).size !== extensions.length) {
    throw misuse("an extension type occurs twice");
  }
  await validateKeyPackage(keyPackage, { suite, authentication }, { role: "member", groupContext });
  checkGroupExtensions([leaf], extensions);
  for (const external of externalSendersOf(extensions)) {
    const context = { role: "externalSender", groupContext } as const;
    await authenticateCredential(authentication, external.credential, external.signatureKey, context);
  }
  const { secrets, encryptionSecret } = deriveEpochSecrets(suite, suite.random(suite.hashLength));
  const confirmationTag = suite.mac(secrets.confirmationKey, groupContext.confirmedTranscriptHash);
  return {
    suite,
    epoch: {
      config,
      groupContext,
      tree: draft,
      ownLeafIndex: 0,
      // Copies: the state owns (and one day wipes) its secrets.
      signaturePrivateKey: privateKeys.signaturePrivateKey.slice(),
      pathKeys: new Map([[0, privateKeys.encryptionPrivateKey.slice()]]),
      secrets,
      confirmationTag,
      interimTranscriptHash: interimTranscriptHash(suite, groupContext.confirmedTranscriptHash, confirmationTag),
      proposals: [],
      resumptionPsks: [],
      pastEpochs: [],
    },
    ratchets: { current: createSecretTree(encryptionSecret, 1), past: [] },
  };
}
