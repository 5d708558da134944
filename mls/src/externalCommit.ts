/** Joining by oneself: RFC 9420, section 12.4.3.2. */
import type { AuthenticationService } from "./authentication.ts";
import type { Capabilities } from "./capabilities.ts";
import type { CipherSuite, KeyPair } from "./cipherSuite.ts";
import { summarize, type CommitSummary } from "./commitSummary.ts";
import type { Credential } from "./credential.ts";
import type { Extension } from "./extension.ts";
import { sendExternalInit } from "./externalInit.ts";
import { invalid, local, misuse } from "./failure.ts";
import { framedContentTbs, signContent, type FramedContent } from "./framing.ts";
import { defaultCapabilities } from "./generateKeyPackage.ts";
import { strictConfig, type GroupConfig } from "./groupConfig.ts";
import { encodeGroupContext, followingEpoch, type GroupContext } from "./groupContext.ts";
import { externalPubOf, ratchetTreeOf, verifyGroupInfo, type GroupInfo } from "./groupInfo.ts";
import type { GroupState } from "./groupState.ts";
import { authenticateCredential, validateChangedLeaves } from "./leafNodeValidation.ts";
import { decodeMlsMessage, encodeMlsMessage } from "./mlsMessage.ts";
import { deriveNextEpoch } from "./nextEpoch.ts";
import type { Proposal } from "./proposal.ts";
import { applyProposalList, validateReplacement } from "./proposalList.ts";
import { derivePskSecret, type PreSharedKeyId, type PskLookup } from "./psk.ts";
import { findPsks } from "./pskStore.ts";
import { addLeaf, decodeTree, freeLeaf, requireLeaf, type TreeDraft } from "./ratchetTree.ts";
import { createSecretTree } from "./secretTree.ts";
import { interimTranscriptHash } from "./transcript.ts";
import { rootHash } from "./treeHash.ts";
import { encryptOwnPath, updateOwnPath } from "./treeKem.ts";
import { validateTree } from "./treeValidation.ts";
import type { LeafNode } from "./leafNode.ts";

export interface JoinExternallyOptions {
  readonly suite: CipherSuite;
  /** An MLSMessage, with external_pub. */
  readonly groupInfo: Uint8Array;
  /** Needed where the GroupInfo does not carry it. */
  readonly ratchetTree?: Uint8Array;
  readonly credential: Credential;
  readonly signatureKeyPair: KeyPair;
  readonly capabilities?: Partial<Capabilities>;
  readonly leafExtensions?: readonly Extension[];
  /** Resync: the leaf index of one's own former appearance, which is removed. */
  readonly resync?: number;
  readonly psks?: { readonly ids: readonly PreSharedKeyId[]; readonly lookup: PskLookup };
  readonly authenticatedData?: Uint8Array;
  readonly authentication: AuthenticationService;
  readonly config?: GroupConfig;
}

export interface JoinedExternally {
  /** The epoch that the commit starts: take it when the commit was accepted. */
  readonly next: GroupState;
  /** An MLSMessage, necessarily public. */
  readonly commit: Uint8Array;
  readonly summary: CommitSummary;
}

async function readAndVerify(
  options: JoinExternallyOptions,
): Promise<{ readonly info: GroupInfo; readonly tree: TreeDraft; readonly externalPub: Uint8Array }> {
  const { suite, authentication } = options;
  const message = decodeMlsMessage(options.groupInfo);
  if (message.wireFormat !== "groupInfo") throw misuse("the message is not a GroupInfo");
  const info = message.groupInfo;
  if (info.groupContext.cipherSuite !== suite.id) throw local("unsupported", "the group has another cipher suite");
  const externalPub = externalPubOf(info.extensions);
  if (externalPub === undefined) throw local("external_pub_missing", "the GroupInfo has no external public key");
  const tree =
    ratchetTreeOf(info.extensions) ?? (options.ratchetTree === undefined ? undefined : decodeTree(options.ratchetTree));
  if (tree === undefined) throw local("ratchet_tree_missing", "the ratchet tree was not given");
  const signer = requireLeaf(tree, info.signer);
  if (!(await verifyGroupInfo(suite, info, signer.signatureKey))) {
    throw invalid("group_info_signature_invalid", "the GroupInfo's signature is invalid");
  }
  await validateTree(suite, tree, info.groupContext, { authentication });
  return { info, tree, externalPub };
}

export async function joinExternally(options: JoinExternallyOptions): Promise<JoinedExternally> {
  const { suite, authentication, credential, signatureKeyPair, leafExtensions = [] } = options;
  const { info, tree, externalPub } = await readAndVerify(options);
  const { groupContext } = info;
  const { kemOutput, initSecret } = await sendExternalInit(suite, externalPub);
  const proposals: Proposal[] = [{ type: "externalInit", kemOutput }];
  if (options.resync !== undefined) proposals.push({ type: "remove", removed: options.resync });
  for (const id of options.psks?.ids ?? []) proposals.push({ type: "psk", id });
  const sender = { type: "newMemberCommit" } as const;
  const list = proposals.map((proposal) => ({ proposal, sender, byReference: false }));
  const applied = await applyProposalList({ suite, groupContext, tree, authentication }, list, undefined);
  const { draft } = applied;

  const leafIndex = freeLeaf(draft);
  const wanted: Pick<LeafNode, "signatureKey" | "credential" | "capabilities" | "extensions"> = {
    signatureKey: signatureKeyPair.publicKey,
    credential,
    capabilities: defaultCapabilities(suite, credential, leafExtensions, options.capabilities),
    extensions: leafExtensions,
  };
  const signaturePrivateKey = signatureKeyPair.privateKey.slice();
  // A place in the tree, so that the copath of the path is right; the path replaces it.
  addLeaf(draft, leafIndex, placeholder(wanted));
  const path = await updateOwnPath(suite, draft, leafIndex, wanted, groupContext.groupId, signaturePrivateKey);
  const former = applied.removed[0]?.leafNode;
  if (former !== undefined) await validateReplacement({ authentication }, former, path.leafNode);
  const provisional: GroupContext = {
    ...groupContext,
    epoch: followingEpoch(groupContext),
    treeHash: rootHash(suite, draft),
  };
  const context = { role: "member", groupContext: provisional } as const;
  await authenticateCredential(authentication, credential, signatureKeyPair.publicKey, context);
  validateChangedLeaves(draft, [leafIndex], provisional, false, authentication);
  const psks = await findPsks(applied.psks, undefined, options.psks?.lookup);
  const updatePath = await encryptOwnPath(suite, draft, path, new Set(), encodeGroupContext(provisional));

  const framed: FramedContent = {
    groupId: groupContext.groupId,
    epoch: groupContext.epoch,
    sender,
    authenticatedData: options.authenticatedData ?? new Uint8Array(0),
    content: {
      contentType: "commit",
      commit: { proposals: proposals.map((proposal) => ({ type: "proposal", proposal })), path: updatePath },
    },
  };
  const tbs = framedContentTbs("publicMessage", framed, encodeGroupContext(groupContext));
  const signature = await signContent(suite, signaturePrivateKey, tbs);
  const pskSecret = derivePskSecret(suite, psks);
  const following = deriveNextEpoch(suite, {
    provisional,
    interimTranscriptHash: interimTranscriptHash(suite, groupContext.confirmedTranscriptHash, info.confirmationTag),
    initSecret,
    commitSecret: path.commitSecret,
    pskSecret,
    commit: { wireFormat: "publicMessage", framed, signature },
  });
  const { confirmationTag } = following;
  for (const secret of [initSecret, pskSecret, path.commitSecret, following.joinerSecret, ...path.pathSecrets]) {
    secret.fill(0);
  }
  return {
    commit: encodeMlsMessage({
      wireFormat: "publicMessage",
      publicMessage: { framed, auth: { signature, confirmationTag } },
    }),
    summary: summarize(sender, leafIndex, provisional.epoch, list, applied, {
      previous: undefined,
      leafNode: path.leafNode,
    }),
    next: {
      suite,
      epoch: {
        config: options.config ?? strictConfig,
        groupContext: following.groupContext,
        tree: draft,
        ownLeafIndex: leafIndex,
        signaturePrivateKey,
        pathKeys: path.privateKeys,
        secrets: following.secrets,
        confirmationTag,
        interimTranscriptHash: following.interimTranscriptHash,
        proposals: [],
        resumptionPsks: [],
        pastEpochs: [],
      },
      ratchets: { current: createSecretTree(following.encryptionSecret, draft.leaves.length), past: [] },
    },
  };
}

function placeholder(leaf: Pick<LeafNode, "signatureKey" | "credential" | "capabilities" | "extensions">): LeafNode {
  const none = new Uint8Array(0);
  return { ...leaf, encryptionKey: none, source: "update", signature: none };
}
