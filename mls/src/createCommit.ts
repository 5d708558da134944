/** Creating a commit: RFC 9420, section 12.4.1. */
import type { AuthenticationService } from "./authentication.ts";
import { summarize, type CommitSummary } from "./commitSummary.ts";
import { changedLeaf, type LeafChange } from "./createProposal.ts";
import { createWelcomes, type WelcomeMessage, type WelcomeMode } from "./createWelcome.ts";
import { samePublicBytes } from "./equalBytes.ts";
import type { Extension } from "./extension.ts";
import { misuse } from "./failure.ts";
import { MlsError } from "./mlsError.ts";
import { framedContentTbs, signContent } from "./framing.ts";
import { encodeGroupContext, followingEpoch, type GroupContext } from "./groupContext.ts";
import { ratchetTreeExtension, signGroupInfo } from "./groupInfo.ts";
import { keptPathKeys, secretsLeftBehind, type GroupState, type PendingProposal } from "./groupState.ts";
import { validateChangedLeaves } from "./leafNodeValidation.ts";
import { checkLifetime, type LifetimePolicy } from "./lifetime.ts";
import { deriveNextEpoch } from "./nextEpoch.ts";
import { requiresPath, type Proposal } from "./proposal.ts";
import { applyProposalList, changedLeaves, validateReplacement, type ListedProposal } from "./proposalList.ts";
import { frameOwn, protect, requireOpen, type FramingOptions } from "./protectMessage.ts";
import { derivePskSecret, type PskLookup, type ResumptionUsage } from "./psk.ts";
import { findPsks } from "./pskStore.ts";
import { requireLeaf } from "./ratchetTree.ts";
import { dropUnfit, selectProposals } from "./selectProposals.ts";
import { stateAfter } from "./stateAfter.ts";
import { rootHash } from "./treeHash.ts";
import { encryptOwnPath, updateOwnPath, type OwnPath } from "./treeKem.ts";

export interface CreateCommitOptions extends FramingOptions {
  readonly authentication: AuthenticationService;
  /** New proposals, by value. */
  readonly proposals?: readonly Proposal[];
  /** Pending proposals, by reference: all that can be committed (the default), none, or those named. */
  readonly references?: "all" | "none" | readonly Uint8Array[];
  /** A path even if only Adds, PSKs or a ReInit are committed. Default true. */
  readonly forcePath?: boolean;
  /** Changes the own leaf; implies a path. */
  readonly leaf?: LeafChange;
  /** Default true. */
  readonly privateMessage?: boolean;
  /** Default `shared`. */
  readonly welcome?: WelcomeMode;
  /** Default false: the tree travels apart (`encodeRatchetTree(next)`). */
  readonly ratchetTreeInWelcome?: boolean;
  readonly groupInfoExtensions?: readonly Extension[];
  readonly psks?: PskLookup;
  /** Checks the lifetimes of those who are added. */
  readonly lifetime?: LifetimePolicy;
}

export interface CreatedCommit {
  /** The current epoch with its ratchet advanced: store it before sending, and go on with it until the commit is accepted. */
  readonly state: GroupState;
  /** The next epoch: take it when the commit was accepted, drop it when another was. */
  readonly next: GroupState;
  /** An MLSMessage. */
  readonly commit: Uint8Array;
  readonly welcomes: readonly WelcomeMessage[];
  readonly summary: CommitSummary;
  /** Wipe when `state` is stored. */
  readonly consumed: readonly Uint8Array[];
  /** Wipe when `next` has replaced `state`. */
  readonly consumedByNext: readonly Uint8Array[];
}

async function chooseReferences(state: GroupState, options: CreateCommitOptions): Promise<readonly PendingProposal[]> {
  const { proposals, ownLeafIndex } = state.epoch;
  const { references = "all" } = options;
  if (references === "none") return [];
  if (references === "all") {
    const candidates = selectProposals(proposals, options.proposals ?? [], ownLeafIndex);
    return dropUnfit(candidates, (chosen) => fitTogether(state, chosen, options));
  }
  return references.map((ref) => {
    const found = proposals.find((pending) => samePublicBytes(pending.ref, ref));
    if (found === undefined) throw misuse("a reference names no pending proposal");
    return found;
  });
}

/** Would a commit of these and the new proposals be valid, and are their PSKs at hand? */
async function fitTogether(
  state: GroupState,
  chosen: readonly PendingProposal[],
  options: CreateCommitOptions,
): Promise<boolean> {
  const { suite, epoch } = state;
  const { authentication } = options;
  const { groupContext, tree, ownLeafIndex } = epoch;
  try {
    const rules = { suite, groupContext, tree, authentication, togetherOnly: true };
    const applied = await applyProposalList(rules, listOf(chosen, options.proposals ?? [], ownLeafIndex), ownLeafIndex);
    const context = { extensions: applied.extensions };
    validateChangedLeaves(applied.draft, changedLeaves(applied), context, applied.extensionsChanged, authentication);
    for (const { leafNode } of applied.added) checkLifetime(leafNode, options.lifetime);
    await findPsks(applied.psks, epoch, options.psks);
    return true;
  } catch (error) {
    if (error instanceof MlsError) return false;
    throw error;
  }
}

function listOf(
  referenced: readonly PendingProposal[],
  byValue: readonly Proposal[],
  committer: number,
): ListedProposal[] {
  const sender = { type: "member", leafIndex: committer } as const;
  return [
    ...referenced.map((pending) => ({ proposal: pending.proposal, sender: pending.sender, byReference: true })),
    ...byValue.map((proposal) => ({ proposal, sender, byReference: false })),
  ];
}

export async function createCommit(state: GroupState, options: CreateCommitOptions): Promise<CreatedCommit> {
  return commitWith(state, options, "application");
}

/** Also for the first commit of a branched or reinitialised group, which may use PSKs of its own usage. */
export async function commitWith(
  state: GroupState,
  options: CreateCommitOptions,
  resumptionUsage: ResumptionUsage,
): Promise<CreatedCommit> {
  requireOpen(state);
  const { suite, epoch } = state;
  const { authentication, lifetime } = options;
  const { groupContext, tree, ownLeafIndex } = epoch;
  const sender = { type: "member", leafIndex: ownLeafIndex } as const;
  const referenced = await chooseReferences(state, options);
  const byValue = options.proposals ?? [];
  const list = listOf(referenced, byValue, ownLeafIndex);
  const rules = { suite, groupContext, tree, authentication, lifetime, resumptionUsage };
  const applied = await applyProposalList(rules, list, ownLeafIndex);
  const { draft } = applied;

  const needsPath = list.length === 0 || list.some(({ proposal }) => requiresPath(proposal));
  const withPath = needsPath || options.leaf !== undefined || (options.forcePath ?? true);
  const previous = requireLeaf(tree, ownLeafIndex);
  const signaturePrivateKey = options.leaf?.signatureKeyPair?.privateKey.slice() ?? epoch.signaturePrivateKey;
  let path: OwnPath | undefined;
  if (withPath) {
    const leaf = changedLeaf(previous, options.leaf);
    path = await updateOwnPath(suite, draft, ownLeafIndex, leaf, groupContext.groupId, signaturePrivateKey);
    await validateReplacement(rules, previous, path.leafNode);
    if (options.leaf !== undefined) await authenticateOwn(rules, path);
  }
  const provisional: GroupContext = {
    ...groupContext,
    epoch: followingEpoch(groupContext),
    treeHash: rootHash(suite, draft),
    extensions: applied.extensions,
  };
  const changed = path === undefined ? changedLeaves(applied) : [...changedLeaves(applied), ownLeafIndex];
  validateChangedLeaves(draft, changed, provisional, applied.extensionsChanged, authentication);

  const psks = await findPsks(applied.psks, epoch, options.psks);
  const newLeaves = new Set(applied.added.map(({ leafIndex }) => leafIndex));
  const updatePath =
    path === undefined
      ? undefined
      : await encryptOwnPath(suite, draft, path, newLeaves, encodeGroupContext(provisional));
  const content = {
    contentType: "commit",
    commit: {
      proposals: [
        ...referenced.map(({ ref }) => ({ type: "reference", reference: ref }) as const),
        ...byValue.map((proposal) => ({ type: "proposal", proposal }) as const),
      ],
      ...(updatePath === undefined ? {} : { path: updatePath }),
    },
  } as const;
  const framed = frameOwn(state, content, options.authenticatedData);
  const wireFormat = options.privateMessage === false ? "publicMessage" : "privateMessage";
  const tbs = framedContentTbs(wireFormat, framed, encodeGroupContext(groupContext));
  const signature = await signContent(suite, epoch.signaturePrivateKey, tbs);

  const pskSecret = derivePskSecret(suite, psks);
  const commitSecret = path?.commitSecret ?? new Uint8Array(suite.hashLength);
  const following = deriveNextEpoch(suite, {
    provisional,
    interimTranscriptHash: epoch.interimTranscriptHash,
    initSecret: epoch.secrets.initSecret,
    commitSecret,
    pskSecret,
    commit: { wireFormat, framed, signature },
  });
  const sent = protect(
    state,
    wireFormat,
    framed,
    { signature, confirmationTag: following.confirmationTag },
    options.padding,
  );
  const pathKeys = new Map([...keptPathKeys(epoch.pathKeys, tree, draft), ...(path?.privateKeys ?? [])]);
  // Of the state after sending: what the commit consumed must not live on in the past epochs.
  const next = stateAfter(sent.state, applied, following, { signaturePrivateKey, pathKeys });
  const welcomes =
    applied.added.length === 0
      ? []
      : await createWelcomes(suite, {
          groupInfo: await signGroupInfo(
            suite,
            {
              groupContext: following.groupContext,
              extensions: [
                ...(options.ratchetTreeInWelcome === true ? [ratchetTreeExtension(draft)] : []),
                ...(options.groupInfoExtensions ?? []),
              ],
              confirmationTag: following.confirmationTag,
              signer: ownLeafIndex,
            },
            signaturePrivateKey,
          ),
          joinerSecret: following.joinerSecret,
          pskSecret,
          psks: applied.psks,
          added: applied.added,
          path,
          mode: options.welcome ?? "shared",
        });
  for (const secret of [commitSecret, pskSecret, following.joinerSecret, ...(path?.pathSecrets ?? [])]) secret.fill(0);
  return {
    state: sent.state,
    next,
    commit: sent.message,
    welcomes,
    summary: summarize(
      sender,
      ownLeafIndex,
      provisional.epoch,
      list,
      applied,
      path === undefined ? undefined : { previous, leafNode: path.leafNode },
    ),
    consumed: sent.consumed,
    consumedByNext: secretsLeftBehind(sent.state, next),
  };
}

async function authenticateOwn(
  rules: { readonly authentication: AuthenticationService; readonly groupContext: GroupContext },
  path: OwnPath,
): Promise<void> {
  const { credential, signatureKey } = path.leafNode;
  const context = { role: "member", groupContext: rules.groupContext } as const;
  if (!(await rules.authentication.authenticate(credential, signatureKey, context))) {
    throw misuse("the application does not accept the new credential");
  }
}
