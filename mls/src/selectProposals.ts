/** Which pending proposals a commit takes: the preferences of RFC 9420, section 12.2. */
import { encode } from "./codec.ts";
import { hex } from "./equalBytes.ts";
import type { PendingProposal } from "./groupState.ts";
import type { Proposal } from "./proposal.ts";
import { writePskId } from "./psk.ts";

/**
 * All that fit together and with the new proposals: Removes before Updates, the latest Update of a leaf, the latest extensions,
 * a ReInit only when there is nothing else. What the committer may not commit is left out.
 */
export function selectProposals(
  pending: readonly PendingProposal[],
  byValue: readonly Proposal[],
  committer: number,
): PendingProposal[] {
  const taken = new Set<string>(byValue.map(conflictKey));
  const chosen = new Set<PendingProposal>();
  const take = (candidate: PendingProposal, key: string): void => {
    if (taken.has(key)) return;
    taken.add(key);
    chosen.add(candidate);
  };
  const newestFirst = [...pending].reverse();
  for (const candidate of pending) {
    const { proposal } = candidate;
    if (proposal.type === "remove" && proposal.removed !== committer) take(candidate, conflictKey(proposal));
    if (proposal.type === "add" || proposal.type === "psk") take(candidate, conflictKey(proposal));
  }
  for (const candidate of newestFirst) {
    const { proposal, sender } = candidate;
    if (proposal.type === "update" && sender.type === "member" && sender.leafIndex !== committer) {
      take(candidate, `leaf ${sender.leafIndex}`);
    }
    if (proposal.type === "groupContextExtensions") take(candidate, conflictKey(proposal));
  }
  if (chosen.size === 0 && byValue.length === 0) {
    const reinit = pending.find(({ proposal }) => proposal.type === "reinit");
    return reinit === undefined ? [] : [reinit];
  }
  if (byValue.some(({ type }) => type === "reinit")) return [];
  return pending.filter((candidate) => chosen.has(candidate));
}

/**
 * Leaves out what does not fit after all, such as an Add of a client that is in the group already: whoever proposes that must not
 * keep others from committing. `fits` judges a list; halves are tried so that one bad proposal among many costs little.
 */
export async function dropUnfit(
  candidates: readonly PendingProposal[],
  fits: (chosen: readonly PendingProposal[]) => Promise<boolean>,
): Promise<PendingProposal[]> {
  const extend = async (chosen: PendingProposal[], more: readonly PendingProposal[]): Promise<PendingProposal[]> => {
    const all = [...chosen, ...more];
    if (more.length === 0 || (await fits(all))) return all;
    if (more.length === 1) return chosen;
    const middle = more.length >> 1;
    return extend(await extend(chosen, more.slice(0, middle)), more.slice(middle));
  };
  return extend([], candidates);
}

/** Two proposals with the same key cannot be in one list. */
function conflictKey(proposal: Proposal): string {
  switch (proposal.type) {
    case "remove":
      return `leaf ${proposal.removed}`;
    case "add":
      return `client ${hex(proposal.keyPackage.leafNode.signatureKey)}`;
    case "psk":
      return `psk ${hex(encode(writePskId, proposal.id))}`;
    case "groupContextExtensions":
      return "extensions";
    case "update":
    case "reinit":
    case "externalInit":
      return proposal.type;
  }
}
