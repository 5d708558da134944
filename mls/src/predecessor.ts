/** Groups that follow another: reinitialisation and branching, as a joiner checks them. RFC 9420, sections 11.2, 11.3, 12.4.3.1. */
import type { AuthenticationService } from "./authentication.ts";
import { encode } from "./codec.ts";
import { samePublicBytes } from "./equalBytes.ts";
import { writeExtensions } from "./extension.ts";
import { invalid, local } from "./failure.ts";
import type { GroupInfo } from "./groupInfo.ts";
import type { GroupState } from "./groupState.ts";
import { identityOf } from "./leafNodeValidation.ts";
import { ownResumptionPsk } from "./pskStore.ts";
import type { PreSharedKeyId } from "./psk.ts";
import { occupiedLeaves, type RatchetTree } from "./ratchetTree.ts";

export function predecessorPsk(predecessor: GroupState | undefined, id: PreSharedKeyId): Uint8Array | undefined {
  return predecessor === undefined ? undefined : ownResumptionPsk(predecessor.epoch, id);
}

function identities(tree: RatchetTree, authentication: AuthenticationService): Set<string> {
  return new Set(occupiedLeaves(tree).map(({ leafNode }) => identityOf(authentication, leafNode)));
}

function includes(all: ReadonlySet<string>, part: ReadonlySet<string>): boolean {
  for (const identity of part) if (!all.has(identity)) return false;
  return true;
}

/** @throws MlsError `predecessor_mismatch` when the new group is not what the old one led to. */
export function checkPredecessor(
  psks: readonly PreSharedKeyId[],
  { groupContext }: GroupInfo,
  tree: RatchetTree,
  predecessor: GroupState | undefined,
  authentication: AuthenticationService,
): void {
  const id = psks.find((each) => each.type === "resumption" && each.usage !== "application");
  if (id?.type !== "resumption") return;
  if (predecessor === undefined) throw local("psk_missing", "the state of the group before is needed");
  if (groupContext.epoch !== 1n) throw mismatch("the group that follows another is not in its first epoch");
  const before = identities(predecessor.epoch.tree, authentication);
  const now = identities(tree, authentication);
  if (id.usage === "branch") {
    if (groupContext.cipherSuite !== predecessor.epoch.groupContext.cipherSuite) {
      throw mismatch("the branch has another cipher suite");
    }
    if (!includes(before, now)) throw mismatch("the branch has members that the group before did not have");
    return;
  }
  const { reinit } = predecessor.epoch;
  if (reinit === undefined || id.epoch !== predecessor.epoch.groupContext.epoch) {
    throw mismatch("the group before was not reinitialised");
  }
  if (
    !samePublicBytes(groupContext.groupId, reinit.groupId) ||
    groupContext.cipherSuite !== reinit.cipherSuite ||
    !samePublicBytes(encode(writeExtensions, groupContext.extensions), encode(writeExtensions, reinit.extensions))
  ) {
    throw mismatch("the new group is not what was agreed");
  }
  if (!includes(now, before)) throw mismatch("a member of the group before is missing");
}

function mismatch(message: string): Error {
  return invalid("predecessor_mismatch", message);
}
