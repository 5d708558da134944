/** Proposals from outside a group: RFC 9420, section 12.1.8. They are public messages. */
import type { CipherSuite } from "./cipherSuite.ts";
import { framedContentTbs, signContent, type FramedContent } from "./framing.ts";
import type { KeyPackage } from "./keyPackage.ts";
import { encodeMlsMessage } from "./mlsMessage.ts";
import type { Proposal } from "./proposal.ts";
import { checkSenderMayPropose } from "./proposalList.ts";
import type { Sender } from "./sender.ts";

interface Target {
  readonly suite: CipherSuite;
  readonly groupId: Uint8Array;
  readonly epoch: bigint;
  readonly signaturePrivateKey: Uint8Array;
  readonly authenticatedData?: Uint8Array;
}

async function propose(target: Target, proposal: Proposal, sender: Sender): Promise<Uint8Array> {
  checkSenderMayPropose(sender, proposal);
  const framed: FramedContent = {
    groupId: target.groupId,
    epoch: target.epoch,
    sender,
    authenticatedData: target.authenticatedData ?? new Uint8Array(0),
    content: { contentType: "proposal", proposal },
  };
  const tbs = framedContentTbs("publicMessage", framed, new Uint8Array(0));
  const signature = await signContent(target.suite, target.signaturePrivateKey, tbs);
  return encodeMlsMessage({ wireFormat: "publicMessage", publicMessage: { framed, auth: { signature } } });
}

export interface ExternalProposalOptions extends Target {
  /** The sender's place in the group's external_senders extension. */
  readonly senderIndex: number;
  readonly proposal: Proposal;
}

/** By a sender that the group's external_senders extension names. @returns an MLSMessage */
export function createExternalProposal(options: ExternalProposalOptions): Promise<Uint8Array> {
  return propose(options, options.proposal, { type: "external", senderIndex: options.senderIndex });
}

export interface NewMemberProposalOptions extends Target {
  /** The asker's own. */
  readonly keyPackage: KeyPackage;
}

/** Asks to be added. @returns an MLSMessage */
export function createNewMemberProposal(options: NewMemberProposalOptions): Promise<Uint8Array> {
  return propose(options, { type: "add", keyPackage: options.keyPackage }, { type: "newMemberProposal" });
}
