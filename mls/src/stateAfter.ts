/** What a member goes on with after a commit: the end of RFC 9420, sections 12.4.1 and 12.4.2. */
import { archive, type GroupState } from "./groupState.ts";
import type { NextEpoch } from "./nextEpoch.ts";
import type { AppliedProposals } from "./proposalList.ts";
import { createSecretTree } from "./secretTree.ts";

/** The keys of the own leaf, and of the nodes above it, in the epoch that follows. */
export interface OwnKeys {
  readonly signaturePrivateKey: Uint8Array;
  readonly pathKeys: ReadonlyMap<number, Uint8Array>;
}

export function stateAfter(
  state: GroupState,
  { draft, reinit }: AppliedProposals,
  { groupContext, secrets, encryptionSecret, confirmationTag, interimTranscriptHash }: NextEpoch,
  { signaturePrivateKey, pathKeys }: OwnKeys,
): GroupState {
  const { config, ownLeafIndex } = state.epoch;
  const { resumptionPsks, pastEpochs, pastRatchets } = archive(state);
  return {
    suite: state.suite,
    epoch: {
      config,
      groupContext,
      tree: draft,
      ownLeafIndex,
      signaturePrivateKey,
      pathKeys,
      secrets,
      confirmationTag,
      interimTranscriptHash,
      proposals: [],
      resumptionPsks,
      pastEpochs,
      ...(reinit === undefined ? {} : { reinit }),
    },
    ratchets: { current: createSecretTree(encryptionSecret, draft.leaves.length), past: pastRatchets },
  };
}
