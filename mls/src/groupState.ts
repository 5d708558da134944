/**
 * A member's view of a group, in the two parts in which it is stored: `epoch` changes with a commit or a proposal, `ratchets`
 * with each message. Both are immutable; compare them by identity to know what to store.
 */
import type { CipherSuite } from "./cipherSuite.ts";
import { samePublicBytes } from "./equalBytes.ts";
import type { GroupConfig } from "./groupConfig.ts";
import type { GroupContext } from "./groupContext.ts";
import type { EpochSecrets } from "./keySchedule.ts";
import type { Proposal, ReInitProposal } from "./proposal.ts";
import { encryptionKeyAt, type RatchetTree } from "./ratchetTree.ts";
import { secretsOf, type SecretTree } from "./secretTree.ts";
import type { Sender } from "./sender.ts";
import type { PathKeys } from "./treeKem.ts";

/** A proposal of this epoch that waits to be committed. */
export interface PendingProposal {
  readonly ref: Uint8Array;
  readonly proposal: Proposal;
  readonly sender: Sender;
  /** With an own Update: the keys of the leaf, for when somebody commits it. */
  readonly ownUpdate?: { readonly encryptionPrivateKey: Uint8Array; readonly signaturePrivateKey: Uint8Array };
}

/** What is left of an epoch that is over, so that its late messages can be read. */
export interface PastEpoch {
  readonly groupContext: GroupContext;
  readonly tree: RatchetTree;
  readonly senderDataSecret: Uint8Array;
}

export interface EpochState {
  readonly config: GroupConfig;
  readonly groupContext: GroupContext;
  readonly tree: RatchetTree;
  readonly ownLeafIndex: number;
  readonly signaturePrivateKey: Uint8Array;
  readonly pathKeys: PathKeys;
  readonly secrets: EpochSecrets;
  readonly confirmationTag: Uint8Array;
  readonly interimTranscriptHash: Uint8Array;
  readonly proposals: readonly PendingProposal[];
  /** Of earlier epochs, newest first. */
  readonly resumptionPsks: readonly { readonly epoch: bigint; readonly psk: Uint8Array }[];
  /** Newest first. */
  readonly pastEpochs: readonly PastEpoch[];
  /** The last commit reinitialised the group: nothing more may be sent in it (RFC 9420, section 12.4.2). */
  readonly reinit?: ReInitProposal;
}

export interface Ratchets {
  readonly current: SecretTree;
  /** Of `epoch.pastEpochs`, in its order. */
  readonly past: readonly SecretTree[];
}

export interface GroupState {
  readonly suite: CipherSuite;
  readonly epoch: EpochState;
  readonly ratchets: Ratchets;
}

function secretsIn(state: GroupState): Uint8Array[] {
  const { epoch, ratchets } = state;
  return [
    ...Object.values(epoch.secrets as unknown as Record<string, Uint8Array>),
    epoch.signaturePrivateKey,
    ...epoch.pathKeys.values(),
    ...epoch.proposals.flatMap(({ ownUpdate }) =>
      ownUpdate === undefined ? [] : [ownUpdate.encryptionPrivateKey, ownUpdate.signaturePrivateKey],
    ),
    ...epoch.resumptionPsks.map(({ psk }) => psk),
    ...epoch.pastEpochs.map(({ senderDataSecret }) => senderDataSecret),
    ...secretsOf(ratchets.current),
    ...ratchets.past.flatMap(secretsOf),
  ];
}

/** The secrets of a state that its successor does not hold any more. */
export function secretsLeftBehind(state: GroupState, next: GroupState): Uint8Array[] {
  const kept = new Set(secretsIn(next));
  return secretsIn(state).filter((secret) => !kept.has(secret));
}

/**
 * The secrets of a state that is given up, as far as `kept` does not hold them; each once. The signature key is not among them: it is the
 * device's, and may be used in other groups.
 */
export function secretsGivenUp(state: GroupState, kept?: GroupState): Uint8Array[] {
  const spared = new Set(kept === undefined ? [] : secretsIn(kept)).add(state.epoch.signaturePrivateKey);
  return [...new Set(secretsIn(state))].filter((secret) => !spared.has(secret));
}

/** Keys of nodes that were neither blanked nor replaced between two trees. */
export function keptPathKeys(pathKeys: PathKeys, before: RatchetTree, after: RatchetTree): Map<number, Uint8Array> {
  const kept = new Map<number, Uint8Array>();
  for (const [node, key] of pathKeys) {
    const old = encryptionKeyAt(before, node);
    const current = encryptionKeyAt(after, node);
    if (old !== undefined && current !== undefined && samePublicBytes(old, current)) kept.set(node, key);
  }
  return kept;
}

/** What the next epoch keeps of the one that ends, as the configuration has it. */
export function archive(state: GroupState): {
  readonly resumptionPsks: EpochState["resumptionPsks"];
  readonly pastEpochs: readonly PastEpoch[];
  readonly pastRatchets: readonly SecretTree[];
} {
  const { epoch, ratchets } = state;
  const { config, groupContext } = epoch;
  const ending = { groupContext, tree: epoch.tree, senderDataSecret: epoch.secrets.senderDataSecret };
  return {
    resumptionPsks: [{ epoch: groupContext.epoch, psk: epoch.secrets.resumptionPsk }, ...epoch.resumptionPsks].slice(
      0,
      config.resumptionPsks,
    ),
    pastEpochs: [ending, ...epoch.pastEpochs].slice(0, config.pastEpochs),
    pastRatchets: [ratchets.current, ...ratchets.past].slice(0, config.pastEpochs),
  };
}
