/** What a commit did, for the application to judge before it takes the new state. */
import type { ListedProposal, MemberChange, UpdatedMember, AppliedProposals } from "./proposalList.ts";
import type { LeafNode } from "./leafNode.ts";
import type { ReInitProposal } from "./proposal.ts";
import type { Sender } from "./sender.ts";

export interface CommitSummary {
  readonly sender: Sender;
  /** The committer's leaf index in the new epoch (that of the joiner for an external commit). */
  readonly committer: number;
  /** The epoch that the commit starts. */
  readonly epoch: bigint;
  readonly proposals: readonly ListedProposal[];
  readonly added: readonly MemberChange[];
  readonly removed: readonly MemberChange[];
  /** `leafNode` is the new one. The committer's own is included when there is a path. */
  readonly updated: readonly UpdatedMember[];
  readonly hasPath: boolean;
  readonly extensionsChanged: boolean;
  readonly reinit?: ReInitProposal;
}

export function summarize(
  sender: Sender,
  committer: number,
  epoch: bigint,
  proposals: readonly ListedProposal[],
  applied: AppliedProposals,
  /** With a path: the committer's leaf before and after. Before is undefined for a joiner. */
  path: { readonly previous: LeafNode | undefined; readonly leafNode: LeafNode } | undefined,
): CommitSummary {
  const own = path === undefined ? [] : [{ leafIndex: committer, leafNode: path.leafNode, by: sender }];
  const isJoin = path !== undefined && path.previous === undefined;
  const previous = path?.previous;
  return {
    sender,
    committer,
    epoch,
    proposals,
    added: isJoin ? own : applied.added.map(({ leafIndex, leafNode, by }) => ({ leafIndex, leafNode, by })),
    removed: applied.removed,
    updated:
      previous === undefined ? applied.updated : [...applied.updated, ...own.map((each) => ({ ...each, previous }))],
    hasPath: path !== undefined,
    extensionsChanged: applied.extensionsChanged,
    ...(applied.reinit === undefined ? {} : { reinit: applied.reinit }),
  };
}
