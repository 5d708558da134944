/** Processing a commit: RFC 9420, section 12.4.2. What all members see alike is checked before what only this one sees. */
import type { AuthenticationService } from "./authentication.ts";
import { summarize, type CommitSummary } from "./commitSummary.ts";
import type { Commit } from "./commit.ts";
import { equalBytes, samePublicBytes } from "./equalBytes.ts";
import { invalid } from "./failure.ts";
import type { AuthenticatedContent } from "./framing.ts";
import { encodeGroupContext, followingEpoch, type GroupContext } from "./groupContext.ts";
import { keptPathKeys, secretsLeftBehind, type EpochState, type GroupState } from "./groupState.ts";
import type { LeafNode } from "./leafNode.ts";
import { checkEncryptionKey, validateChangedLeaves, validateLeafNode } from "./leafNodeValidation.ts";
import type { LifetimePolicy } from "./lifetime.ts";
import { deriveNextEpoch } from "./nextEpoch.ts";
import { receiveExternalInit } from "./externalInit.ts";
import { requiresPath } from "./proposal.ts";
import {
  applyProposalList,
  changedLeaves,
  validateReplacement,
  type AppliedProposals,
  type ListedProposal,
} from "./proposalList.ts";
import { derivePskSecret, type PskLookup } from "./psk.ts";
import { findPsks } from "./pskStore.ts";
import { addLeaf, freeLeaf, leafAt, type PathStep, type TreeDraft } from "./ratchetTree.ts";
import type { Sender } from "./sender.ts";
import { stateAfter, type OwnKeys } from "./stateAfter.ts";
import { rootHash } from "./treeHash.ts";
import { indexOf } from "./treeIndex.ts";
import { decryptUpdatePath, mergeUpdatePath, type ReceivedPath } from "./treeKem.ts";
import type { UpdatePath } from "./updatePath.ts";

export interface CommitOptions {
  readonly authentication: AuthenticationService;
  readonly psks?: PskLookup | undefined;
  readonly lifetime?: LifetimePolicy | undefined;
}

export interface CommitOutcome {
  readonly state: GroupState;
  readonly summary: CommitSummary;
  readonly removed: boolean;
  readonly consumed: readonly Uint8Array[];
}

function resolve(epoch: EpochState, commit: Commit, sender: Sender): ListedProposal[] {
  return commit.proposals.map((item) => {
    if (item.type === "proposal") return { proposal: item.proposal, sender, byReference: false };
    const pending = epoch.proposals.find((each) => samePublicBytes(each.ref, item.reference));
    if (pending === undefined)
      throw invalid("unknown_proposal", "the commit refers to a proposal that was not received");
    return { proposal: pending.proposal, sender: pending.sender, byReference: true };
  });
}

/** Section 12.4.2: no key of the path is in the tree yet. */
function checkFreshKeys(tree: TreeDraft, path: UpdatePath): void {
  const fresh = [path.leafNode.encryptionKey, ...path.nodes.map(({ encryptionKey }) => encryptionKey)];
  fresh.forEach((key, index) => {
    if (fresh.some((other, at) => at < index && samePublicBytes(key, other))) throw notFresh();
  });
  const index = indexOf(tree);
  if (fresh.some((key) => index.hasEncryptionKey(key))) throw notFresh();
}

function notFresh(): Error {
  return invalid("key_not_fresh", "a key of the update path is not new");
}

interface MergedPath {
  readonly committer: number;
  readonly previous: LeafNode | undefined;
  readonly steps: readonly PathStep[];
  readonly path: UpdatePath;
}

/** Places and checks the committer's new leaf and the path above it. */
async function mergePath(
  state: GroupState,
  applied: AppliedProposals,
  path: UpdatePath,
  sender: Sender,
  newLeaves: ReadonlySet<number>,
  groupContext: GroupContext,
  options: CommitOptions,
): Promise<MergedPath> {
  const { suite, epoch } = state;
  const { draft } = applied;
  const { authentication } = options;
  const committer = sender.type === "member" ? sender.leafIndex : freeLeaf(draft);
  const previous = sender.type === "member" ? leafAt(draft, committer) : undefined;
  const replaced = previous ?? applied.removed[0]?.leafNode;
  const leaf = path.leafNode;
  if (leaf.source !== "commit") throw invalid("leaf_source_invalid", "the path's leaf node is not made for a commit");
  if (replaced !== undefined) await validateReplacement({ authentication }, replaced, leaf);
  await validateLeafNode(suite, leaf, { groupId: epoch.groupContext.groupId, leafIndex: committer }, authentication, {
    role: "member",
    groupContext,
  });
  for (const { encryptionKey } of path.nodes) checkEncryptionKey(suite, encryptionKey);
  checkFreshKeys(draft, path);
  if (sender.type !== "member") addLeaf(draft, committer, leaf);
  const steps = mergeUpdatePath(suite, draft, committer, path, newLeaves);
  return { committer, previous, steps, path };
}

export async function processCommit(
  state: GroupState,
  content: AuthenticatedContent & { readonly framed: { readonly content: { readonly contentType: "commit" } } },
  commit: Commit,
  options: CommitOptions,
): Promise<CommitOutcome> {
  const { suite, epoch } = state;
  const { sender } = content.framed;
  const { authentication } = options;
  const list = resolve(epoch, commit, sender);
  if (commit.path === undefined && (list.length === 0 || list.some(({ proposal }) => requiresPath(proposal)))) {
    throw invalid("path_missing", "the commit needs a path and has none");
  }
  const rules = {
    suite,
    groupContext: epoch.groupContext,
    tree: epoch.tree,
    authentication,
    lifetime: options.lifetime,
  };
  const applied = await applyProposalList(rules, list, sender.type === "member" ? sender.leafIndex : undefined);
  const { draft, extensions } = applied;
  const newLeaves = new Set(applied.added.map(({ leafIndex }) => leafIndex));
  const groupContext = { ...epoch.groupContext, epoch: followingEpoch(epoch.groupContext), extensions };
  const merged =
    commit.path === undefined
      ? undefined
      : await mergePath(state, applied, commit.path, sender, newLeaves, groupContext, options);
  const provisional = { ...groupContext, treeHash: rootHash(suite, draft) };
  const changed = merged === undefined ? changedLeaves(applied) : [...changedLeaves(applied), merged.committer];
  validateChangedLeaves(draft, changed, provisional, applied.extensionsChanged, authentication);

  const committer = merged?.committer ?? (sender.type === "member" ? sender.leafIndex : 0);
  const summary = summarize(
    sender,
    committer,
    provisional.epoch,
    list,
    applied,
    merged === undefined ? undefined : { previous: merged.previous, leafNode: merged.path.leafNode },
  );
  if (applied.removed.some(({ leafIndex }) => leafIndex === epoch.ownLeafIndex)) {
    return { state, summary, removed: true, consumed: [] };
  }

  const own = ownChanges(state, list, draft);
  const psks = await findPsks(applied.psks, epoch, options.psks);
  const received: ReceivedPath | undefined =
    merged === undefined
      ? undefined
      : await decryptUpdatePath(
          suite,
          draft,
          merged.steps,
          merged.path,
          newLeaves,
          epoch.ownLeafIndex,
          own.pathKeys,
          encodeGroupContext(provisional),
        );
  const pskSecret = derivePskSecret(suite, psks);
  const commitSecret = received?.commitSecret ?? new Uint8Array(suite.hashLength);
  const initSecret =
    applied.externalInit === undefined
      ? epoch.secrets.initSecret
      : await receiveExternalInit(suite, epoch.secrets.externalSecret, applied.externalInit.kemOutput);
  const following = deriveNextEpoch(suite, {
    provisional,
    interimTranscriptHash: epoch.interimTranscriptHash,
    initSecret,
    commitSecret,
    pskSecret,
    commit: { wireFormat: content.wireFormat, framed: content.framed, signature: content.auth.signature },
  });
  for (const secret of [commitSecret, pskSecret, following.joinerSecret]) secret.fill(0);
  if (
    content.auth.confirmationTag === undefined ||
    !equalBytes(content.auth.confirmationTag, following.confirmationTag)
  ) {
    throw invalid("confirmation_tag_invalid", "the commit's confirmation tag is invalid");
  }
  const pathKeys = new Map([...own.pathKeys, ...(received?.privateKeys ?? [])]);
  const next = stateAfter(state, applied, following, { ...own, pathKeys });
  return { state: next, summary, removed: false, consumed: secretsLeftBehind(state, next) };
}

/** The keys that survive the commit, and those of an own Update that it covers. */
function ownChanges(state: GroupState, list: readonly ListedProposal[], draft: TreeDraft): OwnKeys {
  const { epoch } = state;
  const pathKeys = keptPathKeys(epoch.pathKeys, epoch.tree, draft);
  const proposals = new Set(list.map(({ proposal }) => proposal));
  const committed = epoch.proposals.find(
    ({ proposal, ownUpdate }) => ownUpdate !== undefined && proposals.has(proposal),
  );
  if (committed?.ownUpdate === undefined) return { pathKeys, signaturePrivateKey: epoch.signaturePrivateKey };
  pathKeys.set(2 * epoch.ownLeafIndex, committed.ownUpdate.encryptionPrivateKey);
  return { pathKeys, signaturePrivateKey: committed.ownUpdate.signaturePrivateKey };
}
