/** Messages of a group: those that this device seals, and what those of others bring. */
import { createMessage, members, MlsError, processMessage, type CommitSummary } from "@tacit/mls";
import { authentication, leafIdentity, type LeafIdentity } from "./authenticate.ts";
import type { CryptoContext } from "../cryptoContext.ts";
import { plainData, type GroupData } from "./groupData.ts";
import { dataIn, groupDataOf, identityAt, type Group } from "./group.ts";

/** Seals application data with a key that is used once. */
export async function encrypt(
  group: Group,
  plaintext: Uint8Array,
  padding: number,
): Promise<{ readonly group: Group; readonly message: Uint8Array; readonly consumed: readonly Uint8Array[] }> {
  const { state, message, consumed } = await createMessage(group, plaintext, { padding });
  return { group: state, message, consumed };
}

interface Common {
  readonly group: Group;
  readonly from: LeafIdentity;
  /** Wipe when `group` is stored. */
  readonly consumed: readonly Uint8Array[];
}
export type Processed =
  | (Common & { readonly kind: "message"; readonly plaintext: Uint8Array })
  | (Common & { readonly kind: "proposal" })
  | (Common & {
      readonly kind: "commit";
      /** Whether it does nothing else than Tacit's groups do. */
      readonly isPlain: boolean;
      /** Every device of the group after it. */
      readonly after: readonly LeafIdentity[];
      readonly dataAfter: GroupData;
      /** Devices that it adds, among them those that are put in anew. */
      readonly addedDevices: readonly LeafIdentity[];
      /** Accounts whose own proposal to leave it covers. */
      readonly leaving: readonly string[];
      /** This device's leaf was removed: `group` is still the one before. */
      readonly removed: boolean;
    });

/** @throws MlsError; `everyone` says whether all members would find the same. */
export async function receive(context: CryptoContext, group: Group, message: Uint8Array): Promise<Processed> {
  // What this device said and does not know of: its store is an older copy of itself.
  const options = { authentication: authentication(context), ownMessages: "opened" } as const;
  const processed = await processMessage(group, message, options);
  const { state, consumed } = processed;
  switch (processed.kind) {
    case "application": {
      const from = leafIdentity(processed.credential);
      return { kind: "message", group: state, from, consumed, plaintext: processed.plaintext };
    }
    case "proposal":
      return { kind: "proposal", group: state, from: senderIn(group, processed.sender), consumed };
    case "commit": {
      // The sender as the epoch before knew it: its own commit may have replaced its leaf.
      const from = senderIn(group, processed.summary.sender);
      const { summary, removed } = processed;
      const dataAfter = dataAfterCommit(group, summary);
      return {
        kind: "commit",
        group: state,
        from,
        consumed,
        isPlain: dataAfter !== undefined && isPlain(summary),
        after: identitiesAfter(group, summary),
        dataAfter: dataAfter ?? plainData,
        addedDevices: summary.added.map(({ leafNode }) => leafIdentity(leafNode.credential)),
        leaving: leavingIn(group, summary),
        removed,
      };
    }
  }
}

const plainProposals: readonly string[] = ["add", "remove", "update", "groupContextExtensions"];

function isPlain({ proposals, reinit }: CommitSummary): boolean {
  return proposals.every(({ proposal }) => plainProposals.includes(proposal.type)) && reinit === undefined;
}

/** From the proposals, not from the group after them, which a device that is removed never gets. */
function dataAfterCommit(before: Group, { proposals }: CommitSummary): GroupData | undefined {
  for (const { proposal } of proposals) {
    if (proposal.type === "groupContextExtensions") return dataIn(proposal.extensions);
  }
  return groupDataOf(before);
}

function leavingIn(before: Group, { proposals }: CommitSummary): readonly string[] {
  return proposals.flatMap(({ proposal, sender, byReference }) =>
    byReference && proposal.type === "remove" && sender.type === "member" && sender.leafIndex === proposal.removed
      ? [identityAt(before, proposal.removed).account]
      : [],
  );
}

/** From what the commit says, not from the tree after it, which a device that it removes never gets. */
function identitiesAfter(before: Group, { added, removed, updated }: CommitSummary): readonly LeafIdentity[] {
  const leaves = new Map(members(before).map(({ leafIndex, leafNode }) => [leafIndex, leafNode]));
  for (const { leafIndex } of removed) leaves.delete(leafIndex);
  for (const { leafIndex, leafNode } of [...updated, ...added]) leaves.set(leafIndex, leafNode);
  return [...leaves.values()].map(({ credential }) => leafIdentity(credential));
}

function senderIn(group: Group, sender: { readonly type: string; readonly leafIndex?: number }): LeafIdentity {
  if (sender.type !== "member" || sender.leafIndex === undefined) {
    throw new MlsError("content_not_allowed", "Tacit's groups hear members alone", { everyone: true });
  }
  return identityAt(group, sender.leafIndex);
}
