/** Receiving a message: RFC 9420, sections 6, 12 and 15. The state given stays valid, so a result can be judged before it is taken. */
import type { AuthenticationService } from "./authentication.ts";
import type { CommitSummary } from "./commitSummary.ts";
import type { Credential } from "./credential.ts";
import { samePublicBytes } from "./equalBytes.ts";
import { invalid } from "./failure.ts";
import { proposalRef } from "./framing.ts";
import type { GroupState } from "./groupState.ts";
import type { LifetimePolicy } from "./lifetime.ts";
import { decodeMlsMessage } from "./mlsMessage.ts";
import { processCommit } from "./processCommit.ts";
import type { Proposal } from "./proposal.ts";
import { validateProposal } from "./proposalList.ts";
import type { PskLookup } from "./psk.ts";
import { requireLeaf } from "./ratchetTree.ts";
import type { Sender } from "./sender.ts";
import { unprotect, type Unprotected } from "./unprotectMessage.ts";

export interface ProcessMessageOptions {
  readonly authentication: AuthenticationService;
  readonly psks?: PskLookup | undefined;
  /** Only if given are the lifetimes of those added checked; clocks differ between members. */
  readonly lifetime?: LifetimePolicy | undefined;
  /**
   * Application messages in this member's own name: `opened` where its ratchet has not passed their keys, which it then does, and where its own
   * signature holds. So a member whose state is an older copy of itself learns which of its keys were used. Default: `refused`.
   */
  readonly ownMessages?: "refused" | "opened" | undefined;
}

interface Processed {
  readonly state: GroupState;
  /** Wipe when `state` is stored. */
  readonly consumed: readonly Uint8Array[];
  readonly authenticatedData: Uint8Array;
  /** In which the message was sent. */
  readonly epoch: bigint;
}
export interface ProcessedApplication extends Processed {
  readonly kind: "application";
  readonly plaintext: Uint8Array;
  readonly senderLeaf: number;
  readonly credential: Credential;
  readonly generation: number;
}
export interface ProcessedProposal extends Processed {
  readonly kind: "proposal";
  readonly ref: Uint8Array;
  readonly proposal: Proposal;
  readonly sender: Sender;
}
export interface ProcessedCommit extends Processed {
  readonly kind: "commit";
  readonly summary: CommitSummary;
  /** This member was removed: `state` is still the old epoch, good for late messages alone. */
  readonly removed: boolean;
}
export type ProcessedMessage = ProcessedApplication | ProcessedProposal | ProcessedCommit;

/** More proposals than this in one epoch are refused: a peer must not fill a client's memory. */
export const maximumPendingProposals = 4096;

/**
 * Own messages cannot be processed (code `own_message`), but for what `ownMessages` opens: take `next` of createCommit, and keep an own
 * plaintext yourself.
 * @throws MlsError; the state given is as good as before.
 */
export async function processMessage(
  state: GroupState,
  message: Uint8Array,
  options: ProcessMessageOptions,
): Promise<ProcessedMessage> {
  const unprotected = await unprotect(state, decodeMlsMessage(message), options.ownMessages === "opened");
  const { framed } = unprotected.content;
  const common = { authenticatedData: framed.authenticatedData, epoch: framed.epoch };
  switch (framed.content.contentType) {
    case "application":
      return { ...common, ...receiveApplication(unprotected, framed.content.applicationData) };
    case "proposal":
      return { ...common, ...(await receiveProposal(unprotected, framed.content.proposal, options)) };
    case "commit": {
      if (unprotected.state.epoch.reinit !== undefined) throw reinitialized();
      const { commit } = framed.content;
      const content = { ...unprotected.content, framed: { ...framed, content: framed.content } };
      const outcome = await processCommit(unprotected.state, content, commit, options);
      return { kind: "commit", ...common, ...outcome, consumed: [...unprotected.consumed, ...outcome.consumed] };
    }
  }
}

function reinitialized(): Error {
  return invalid("group_reinitialized", "the group was reinitialised");
}

function receiveApplication(
  unprotected: Unprotected,
  plaintext: Uint8Array,
): Omit<ProcessedApplication, "authenticatedData" | "epoch"> {
  const { sender } = unprotected.content.framed;
  if (sender.type !== "member" || unprotected.generation === undefined) {
    throw invalid("content_not_allowed", "application data comes from members alone");
  }
  return {
    kind: "application",
    state: unprotected.state,
    consumed: unprotected.consumed,
    plaintext,
    senderLeaf: sender.leafIndex,
    credential: requireLeaf(unprotected.tree, sender.leafIndex).credential,
    generation: unprotected.generation,
  };
}

async function receiveProposal(
  unprotected: Unprotected,
  proposal: Proposal,
  options: ProcessMessageOptions,
): Promise<Omit<ProcessedProposal, "authenticatedData" | "epoch">> {
  const { state, content, consumed } = unprotected;
  const { suite, epoch } = state;
  const { sender } = content.framed;
  if (epoch.reinit !== undefined) throw reinitialized();
  const { groupContext, tree } = epoch;
  const { authentication, lifetime } = options;
  await validateProposal({ suite, groupContext, tree, authentication, lifetime }, proposal, sender);
  const ref = proposalRef(suite, content);
  const known = epoch.proposals.some((pending) => samePublicBytes(pending.ref, ref));
  if (!known && epoch.proposals.length >= maximumPendingProposals) {
    throw invalid("too_many_proposals", "the epoch has too many proposals");
  }
  const proposals = known ? epoch.proposals : [...epoch.proposals, { ref, proposal, sender }];
  return { kind: "proposal", state: { ...state, epoch: { ...epoch, proposals } }, consumed, ref, proposal, sender };
}
