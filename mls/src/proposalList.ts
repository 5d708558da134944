/** Validating and applying proposals: RFC 9420, sections 12.2 and 12.3, and the rules of 12.1 for each of them. */
import type { AuthenticationService } from "./authentication.ts";
import type { CipherSuite } from "./cipherSuite.ts";
import { encode } from "./codec.ts";
import { hex, samePublicBytes } from "./equalBytes.ts";
import type { Extension } from "./extension.ts";
import { externalSendersOf } from "./externalSenders.ts";
import { invalid } from "./failure.ts";
import { mls10, type GroupContext } from "./groupContext.ts";
import { keyPackageRef } from "./keyPackage.ts";
import { validateKeyPackage } from "./keyPackageValidation.ts";
import type { LeafNode } from "./leafNode.ts";
import { authenticateCredential, checkSuccessor, validateLeafNode } from "./leafNodeValidation.ts";
import type { LifetimePolicy } from "./lifetime.ts";
import type { ExternalInitProposal, Proposal, ReInitProposal, UpdateProposal } from "./proposal.ts";
import { writePskId, type PreSharedKeyId, type ResumptionUsage } from "./psk.ts";
import {
  addLeaf,
  draftOf,
  freeLeaf,
  leafAt,
  replaceLeaf,
  requireLeaf,
  truncate,
  type RatchetTree,
  type TreeDraft,
} from "./ratchetTree.ts";
import type { Sender } from "./sender.ts";

export interface ListedProposal {
  readonly proposal: Proposal;
  readonly sender: Sender;
  readonly byReference: boolean;
}

/** What proposals are judged by: group data and the application's hook alone. */
export interface ProposalRules {
  readonly suite: CipherSuite;
  readonly groupContext: GroupContext;
  readonly tree: RatchetTree;
  readonly authentication: AuthenticationService;
  readonly lifetime?: LifetimePolicy | undefined;
  /** The proposals were validated one by one when they arrived; only their being together is judged. */
  readonly togetherOnly?: boolean;
  /** The usage of resumption PSKs; other than `application` only in the first commit of a new group. */
  readonly resumptionUsage?: ResumptionUsage;
}

export interface MemberChange {
  readonly leafIndex: number;
  readonly leafNode: LeafNode;
  /** Who proposed it. */
  readonly by: Sender;
}

export interface AddedMember extends MemberChange {
  readonly initKey: Uint8Array;
  readonly keyPackageRef: Uint8Array;
}

export interface UpdatedMember extends MemberChange {
  readonly previous: LeafNode;
}

export interface AppliedProposals {
  readonly draft: TreeDraft;
  readonly extensions: readonly Extension[];
  readonly extensionsChanged: boolean;
  readonly added: readonly AddedMember[];
  readonly removed: readonly MemberChange[];
  readonly updated: readonly UpdatedMember[];
  readonly psks: readonly PreSharedKeyId[];
  readonly externalInit?: ExternalInitProposal;
  readonly reinit?: ReInitProposal;
}

const externallyProposable: ReadonlySet<Proposal["type"]> = new Set([
  "add",
  "remove",
  "psk",
  "reinit",
  "groupContextExtensions",
]);

/** Sections 6.1 and 12.1.8: what each kind of sender may propose. */
export function checkSenderMayPropose(sender: Sender, proposal: Proposal): void {
  const allowed =
    sender.type === "member"
      ? proposal.type !== "externalInit"
      : sender.type === "external"
        ? externallyProposable.has(proposal.type)
        : sender.type === "newMemberProposal" && proposal.type === "add";
  if (!allowed) throw invalid("proposal_not_allowed", "this kind of sender may not make this proposal");
}

/** Sections 12.1.1 to 12.1.7, for one proposal by itself. */
export async function validateProposal(rules: ProposalRules, proposal: Proposal, sender: Sender): Promise<void> {
  const { suite, groupContext, tree, authentication } = rules;
  switch (proposal.type) {
    case "add":
      return validateKeyPackage(proposal.keyPackage, rules, { role: "member", groupContext });
    case "update":
      return validateUpdate(rules, proposal, sender);
    case "remove":
      requireLeaf(tree, proposal.removed);
      return;
    case "psk":
      return checkPsk(suite, proposal.id, rules.resumptionUsage ?? "application");
    case "reinit":
      if (proposal.version < mls10) throw invalid("reinit_invalid", "the reinitialised group has an older version");
      return;
    case "groupContextExtensions":
      for (const external of externalSendersOf(proposal.extensions)) {
        const context = { role: "externalSender", groupContext } as const;
        await authenticateCredential(authentication, external.credential, external.signatureKey, context);
      }
      return;
    case "externalInit":
      return;
  }
}

function checkPsk(suite: CipherSuite, id: PreSharedKeyId, usage: ResumptionUsage): void {
  if (id.nonce.length !== suite.hashLength) throw invalid("psk_invalid", "a PSK's nonce has the wrong length");
  if (id.type === "resumption" && id.usage !== usage) {
    throw invalid("psk_invalid", "a resumption PSK has a usage that is not allowed here");
  }
}

async function validateUpdate(rules: ProposalRules, proposal: UpdateProposal, sender: Sender): Promise<void> {
  const { suite, groupContext, tree, authentication } = rules;
  if (sender.type !== "member") throw invalid("proposal_not_allowed", "only members can be updated");
  const leaf = proposal.leafNode;
  if (leaf.source !== "update") throw invalid("leaf_source_invalid", "the leaf node is not made for an Update");
  const current = requireLeaf(tree, sender.leafIndex);
  await validateReplacement(rules, current, leaf);
  const position = { groupId: groupContext.groupId, leafIndex: sender.leafIndex };
  await validateLeafNode(suite, leaf, position, authentication, { role: "member", groupContext });
}

/** What the leaf of an Update or of a path must fulfil towards the leaf that it replaces. */
export async function validateReplacement(
  rules: Pick<ProposalRules, "authentication">,
  current: LeafNode,
  next: LeafNode,
): Promise<void> {
  if (samePublicBytes(current.encryptionKey, next.encryptionKey)) {
    throw invalid("key_not_fresh", "a leaf node is replaced without a new encryption key");
  }
  await checkSuccessor(current, next, rules.authentication);
}

/** Section 12.2 for a commit by a member. */
function checkMemberList(list: readonly ListedProposal[], committer: number): void {
  const touched = new Set<number>();
  const psks = new Set<string>();
  let extensions = 0;
  for (const { proposal, sender } of list) {
    if (proposal.type === "update" || proposal.type === "remove") {
      const target = proposal.type === "remove" ? proposal.removed : sender.type === "member" ? sender.leafIndex : -1;
      if (target === committer) {
        throw proposal.type === "remove"
          ? invalid("commit_removes_committer", "a commit removes its own sender")
          : invalid("commit_updates_committer", "a commit covers an Update of its own sender");
      }
      if (touched.has(target)) throw invalid("leaf_changed_twice", "a commit changes one leaf twice");
      touched.add(target);
    } else if (proposal.type === "psk") {
      const key = hex(encode(writePskId, proposal.id));
      if (psks.has(key)) throw invalid("psk_repeated", "a commit uses one PSK twice");
      psks.add(key);
    } else if (proposal.type === "groupContextExtensions") {
      if (++extensions > 1) throw invalid("extensions_repeated", "a commit changes the group's extensions twice");
    } else if (proposal.type === "externalInit") {
      throw invalid("external_init_not_allowed", "a member's commit has an ExternalInit");
    } else if (proposal.type === "reinit" && list.length > 1) {
      throw invalid("reinit_not_alone", "a ReInit is committed together with other proposals");
    }
  }
}

/** Section 12.2 for an external commit. */
function checkExternalList(list: readonly ListedProposal[]): void {
  const count = (type: Proposal["type"]): number => list.filter(({ proposal }) => proposal.type === type).length;
  if (list.some(({ byReference }) => byReference)) {
    throw invalid("external_commit_invalid", "an external commit refers to a proposal");
  }
  if (count("externalInit") !== 1 || count("remove") > 1) {
    throw invalid("external_commit_invalid", "an external commit needs one ExternalInit and at most one Remove");
  }
  if (count("externalInit") + count("remove") + count("psk") !== list.length) {
    throw invalid("external_commit_invalid", "an external commit has a proposal that it must not have");
  }
  const psks = new Set(
    list.map(({ proposal }) => (proposal.type === "psk" ? hex(encode(writePskId, proposal.id)) : "")),
  );
  if (count("psk") > 0 && [...psks].filter((key) => key !== "").length !== count("psk")) {
    throw invalid("psk_repeated", "a commit uses one PSK twice");
  }
}

/**
 * Validates the list and applies it to a draft, in the order of section 12.3. What depends on the whole tree after the change is
 * checked by `validateChangedLeaves`, when the path is in place.
 */
export async function applyProposalList(
  rules: ProposalRules,
  list: readonly ListedProposal[],
  /** The committer's leaf; undefined for an external commit. */
  committer: number | undefined,
): Promise<AppliedProposals> {
  if (committer === undefined) checkExternalList(list);
  else checkMemberList(list, committer);
  for (const { proposal, sender } of list) if (committer !== undefined) checkSenderMayPropose(sender, proposal);
  const extensionsProposal = list.map(({ proposal }) => proposal).find(isGroupContextExtensions);
  const extensions = extensionsProposal?.extensions ?? rules.groupContext.extensions;
  // Section 12.3: the new extensions count for the other proposals of the list.
  const after = { ...rules, groupContext: { ...rules.groupContext, extensions } };
  if (rules.togetherOnly !== true) {
    await Promise.all(list.map(({ proposal, sender }) => validateProposal(after, proposal, sender)));
  }

  const draft = draftOf(rules.tree);
  const updated: UpdatedMember[] = [];
  const removed: MemberChange[] = [];
  for (const { proposal, sender } of list) {
    if (proposal.type !== "update" || sender.type !== "member") continue;
    const { leafIndex } = sender;
    updated.push({ leafIndex, leafNode: proposal.leafNode, by: sender, previous: requireLeaf(rules.tree, leafIndex) });
    replaceLeaf(draft, leafIndex, proposal.leafNode);
  }
  for (const { proposal, sender } of list) {
    if (proposal.type !== "remove") continue;
    removed.push({ leafIndex: proposal.removed, leafNode: requireLeaf(rules.tree, proposal.removed), by: sender });
    replaceLeaf(draft, proposal.removed, undefined);
  }
  if (removed.length > 0) truncate(draft);
  const added = applyAdds(rules.suite, draft, list);
  const psks = list.flatMap(({ proposal }) => (proposal.type === "psk" ? [proposal.id] : []));
  const externalInit = list.map(({ proposal }) => proposal).find((proposal) => proposal.type === "externalInit");
  const reinit = list.map(({ proposal }) => proposal).find((proposal) => proposal.type === "reinit");
  return {
    draft,
    extensions,
    extensionsChanged: extensionsProposal !== undefined,
    added,
    removed,
    updated,
    psks,
    ...(externalInit === undefined ? {} : { externalInit }),
    ...(reinit === undefined ? {} : { reinit }),
  };
}

function isGroupContextExtensions(proposal: Proposal): proposal is Proposal & { type: "groupContextExtensions" } {
  return proposal.type === "groupContextExtensions";
}

function applyAdds(suite: CipherSuite, draft: TreeDraft, list: readonly ListedProposal[]): AddedMember[] {
  const added: AddedMember[] = [];
  let from = 0;
  for (const { proposal, sender } of list) {
    if (proposal.type !== "add") continue;
    const { keyPackage } = proposal;
    const leafIndex = freeLeaf(draft, from);
    from = leafIndex + 1;
    addLeaf(draft, leafIndex, keyPackage.leafNode);
    added.push({
      leafIndex,
      leafNode: keyPackage.leafNode,
      by: sender,
      initKey: keyPackage.initKey,
      keyPackageRef: keyPackageRef(suite, keyPackage),
    });
  }
  return added;
}

/** Leaves that a list of proposals changed and that are there afterwards. */
export function changedLeaves(applied: AppliedProposals): number[] {
  return [...applied.added, ...applied.updated]
    .map(({ leafIndex }) => leafIndex)
    .filter((leafIndex) => leafAt(applied.draft, leafIndex) !== undefined);
}
