/** Groups that follow another: reinitialisation (RFC 9420, section 11.2) and branches (section 11.3). */
import type { CipherSuite } from "./cipherSuite.ts";
import { commitWith, type CreateCommitOptions, type CreatedCommit } from "./createCommit.ts";
import { createGroup, type CreateGroupOptions } from "./createGroup.ts";
import { misuse } from "./failure.ts";
import type { GroupState } from "./groupState.ts";
import type { KeyPackage } from "./keyPackage.ts";
import { identityOf } from "./leafNodeValidation.ts";
import type { ResumptionPskId } from "./psk.ts";
import { ownResumptionPsk } from "./pskStore.ts";
import { occupiedLeaves } from "./ratchetTree.ts";

interface SuccessorOptions extends Pick<
  CreateGroupOptions,
  "keyPackage" | "privateKeys" | "authentication" | "config"
> {
  /** Fresh key packages of the other members. */
  readonly members: readonly KeyPackage[];
  readonly commit?: Omit<CreateCommitOptions, "authentication" | "proposals" | "references" | "psks">;
}

export interface ReinitOptions extends SuccessorOptions {
  /** The suite that the ReInit named. */
  readonly suite: CipherSuite;
}

export interface BranchOptions extends SuccessorOptions {
  readonly groupId: Uint8Array;
  readonly extensions?: CreateGroupOptions["extensions"];
}

async function firstCommit(
  previous: GroupState,
  usage: "reinit" | "branch",
  options: SuccessorOptions,
  group: Pick<CreateGroupOptions, "suite" | "groupId" | "extensions">,
): Promise<CreatedCommit> {
  const { keyPackage, privateKeys, authentication, config = previous.epoch.config } = options;
  const state = await createGroup({ ...group, keyPackage, privateKeys, authentication, config });
  const id: ResumptionPskId = {
    type: "resumption",
    usage,
    groupId: previous.epoch.groupContext.groupId,
    epoch: previous.epoch.groupContext.epoch,
    nonce: group.suite.random(group.suite.hashLength),
  };
  return commitWith(
    state,
    {
      ...options.commit,
      authentication,
      references: "none",
      proposals: [{ type: "psk", id }, ...options.members.map((each) => ({ type: "add", keyPackage: each }) as const)],
      psks: (wanted) => ownResumptionPsk(previous.epoch, wanted),
    },
    usage,
  );
}

function identitiesOf(options: SuccessorOptions): Set<string> {
  const leaves = [options.keyPackage, ...options.members].map(({ leafNode }) => leafNode);
  return new Set(leaves.map((leaf) => identityOf(options.authentication, leaf)));
}

/**
 * The group that a committed ReInit announced, with all members of the old one. `previous` is the state after that commit. The
 * first epoch of the new group is in `next`; nobody has to accept its commit.
 */
export async function reinitialize(previous: GroupState, options: ReinitOptions): Promise<CreatedCommit> {
  const { reinit } = previous.epoch;
  if (reinit === undefined) throw misuse("the group was not reinitialised");
  if (reinit.cipherSuite !== options.suite.id) throw misuse("the ReInit named another cipher suite");
  const wanted = identitiesOf(options);
  for (const { leafNode } of occupiedLeaves(previous.epoch.tree)) {
    if (!wanted.has(identityOf(options.authentication, leafNode))) throw misuse("a member of the group is missing");
  }
  const { groupId, extensions } = reinit;
  return firstCommit(previous, "reinit", options, { suite: options.suite, groupId, extensions });
}

/** A new group of some of the members of another, with the same suite. */
export async function branch(previous: GroupState, options: BranchOptions): Promise<CreatedCommit> {
  const before = new Set(
    occupiedLeaves(previous.epoch.tree).map(({ leafNode }) => identityOf(options.authentication, leafNode)),
  );
  for (const identity of identitiesOf(options)) {
    if (!before.has(identity)) throw misuse("a branch can only have members of the group that it comes from");
  }
  const { groupId, extensions = previous.epoch.groupContext.extensions } = options;
  return firstCommit(previous, "branch", options, { suite: previous.suite, groupId, extensions });
}
