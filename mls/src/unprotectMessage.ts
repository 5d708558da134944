/** From a received message to authenticated content: RFC 9420, sections 6.1 to 6.3. */
import type { CipherSuite } from "./cipherSuite.ts";
import { equalBytes, samePublicBytes } from "./equalBytes.ts";
import { externalSendersOf } from "./externalSenders.ts";
import { invalid, local } from "./failure.ts";
import {
  framedContentTbs,
  verifyContent,
  type AuthenticatedContent,
  type ContentAuth,
  type FramedContent,
  type MessageWireFormat,
} from "./framing.ts";
import { encodeGroupContext, type GroupContext } from "./groupContext.ts";
import type { GroupState } from "./groupState.ts";
import type { MlsMessage } from "./mlsMessage.ts";
import { openPrivateMessage, type PrivateMessage } from "./privateMessage.ts";
import { checkSenderMayPropose } from "./proposalList.ts";
import { membershipTag, type PublicMessage } from "./publicMessage.ts";
import { requireLeaf, type RatchetTree } from "./ratchetTree.ts";

export interface Unprotected {
  /** With the sender's ratchet moved on. */
  readonly state: GroupState;
  readonly content: AuthenticatedContent;
  /** The epoch's tree and context, as they were when the message was made. */
  readonly tree: RatchetTree;
  /** Of a private message. */
  readonly generation: number | undefined;
  readonly consumed: readonly Uint8Array[];
}

/** The keys and the tree of one epoch that is still known. */
interface EpochView {
  readonly groupContext: GroupContext;
  readonly tree: RatchetTree;
  /** -1: the current one. */
  readonly past: number;
}

function viewOf(state: GroupState, groupId: Uint8Array, epochNumber: bigint): EpochView {
  const { groupContext, tree, pastEpochs } = state.epoch;
  if (!samePublicBytes(groupId, groupContext.groupId)) throw invalid("wrong_group", "the message is for another group");
  if (epochNumber === groupContext.epoch) return { groupContext, tree, past: -1 };
  if (epochNumber > groupContext.epoch) {
    throw local("future_epoch", "the message is from an epoch that this member has not reached");
  }
  const past = pastEpochs.findIndex((each) => each.groupContext.epoch === epochNumber);
  const found = pastEpochs[past];
  if (found === undefined) throw invalid("past_epoch", "the message is from an epoch that is over");
  return { groupContext: found.groupContext, tree: found.tree, past };
}

/** `opensOwn`: application messages of this member as well, where their keys are not used up. */
export async function unprotect(state: GroupState, message: MlsMessage, opensOwn = false): Promise<Unprotected> {
  if (message.wireFormat === "privateMessage") return unprotectPrivate(state, message.privateMessage, opensOwn);
  if (message.wireFormat === "publicMessage") return unprotectPublic(state, message.publicMessage);
  throw invalid("unexpected_message", "the message is not for members of a group");
}

async function unprotectPrivate(state: GroupState, message: PrivateMessage, opensOwn: boolean): Promise<Unprotected> {
  const { suite, epoch, ratchets } = state;
  const view = viewOf(state, message.groupId, message.epoch);
  if (view.past >= 0 && message.contentType !== "application") {
    throw invalid("past_epoch", "only application messages are read from an epoch that is over");
  }
  const senderDataSecret = epoch.pastEpochs[view.past]?.senderDataSecret ?? epoch.secrets.senderDataSecret;
  const secretTree = ratchets.past[view.past] ?? ratchets.current;
  const opened = openPrivateMessage(
    suite,
    { senderDataSecret, secretTree, config: epoch.config },
    message,
    (leafIndex) => {
      requireLeaf(view.tree, leafIndex);
      const isOpened = opensOwn && message.contentType === "application";
      if (leafIndex === epoch.ownLeafIndex && view.past < 0 && !isOpened) {
        throw invalid("own_message", "the message claims to be this member's own");
      }
    },
  );
  // Where it does not hold, nothing is wiped: a key that was kept for a message still to come is in the state given, which stays as it was.
  await verifySignature(suite, "privateMessage", opened.framed, opened.auth, view);
  const next =
    view.past < 0
      ? { ...ratchets, current: opened.secretTree }
      : { ...ratchets, past: ratchets.past.map((tree, index) => (index === view.past ? opened.secretTree : tree)) };
  return {
    state: { ...state, ratchets: next },
    content: { wireFormat: "privateMessage", framed: opened.framed, auth: opened.auth },
    tree: view.tree,
    generation: opened.generation,
    consumed: opened.consumed,
  };
}

async function unprotectPublic(state: GroupState, message: PublicMessage): Promise<Unprotected> {
  const { suite, epoch } = state;
  const { framed, auth } = message;
  if (framed.content.contentType === "application") {
    throw invalid("content_not_allowed", "application data must not be sent as a public message");
  }
  const view = viewOf(state, framed.groupId, framed.epoch);
  if (view.past >= 0) throw invalid("past_epoch", "the message is from an epoch that is over");
  if (framed.sender.type === "member") {
    const tbs = framedContentTbs("publicMessage", framed, encodeGroupContext(view.groupContext));
    const expected = membershipTag(suite, epoch.secrets.membershipKey, tbs, auth);
    if (message.membershipTag === undefined || !equalBytes(message.membershipTag, expected)) {
      throw invalid("membership_tag_invalid", "the message's membership tag is invalid");
    }
    requireLeaf(view.tree, framed.sender.leafIndex);
    if (framed.sender.leafIndex === epoch.ownLeafIndex) {
      throw invalid("own_message", "the message claims to be this member's own");
    }
  }
  await verifySignature(suite, "publicMessage", framed, auth, view);
  return {
    state,
    content: { wireFormat: "publicMessage", framed, auth },
    tree: view.tree,
    generation: undefined,
    consumed: [],
  };
}

async function verifySignature(
  suite: CipherSuite,
  wireFormat: MessageWireFormat,
  framed: FramedContent,
  auth: ContentAuth,
  view: EpochView,
): Promise<void> {
  const key = signatureKeyOf(framed, view);
  const tbs = framedContentTbs(wireFormat, framed, encodeGroupContext(view.groupContext));
  if (!(await verifyContent(suite, key, tbs, auth.signature))) {
    throw invalid("signature_invalid", "the message's signature is invalid");
  }
}

/** Section 6.1: whose key it is depends on the kind of sender, and so does what it may send. */
function signatureKeyOf(framed: FramedContent, view: EpochView): Uint8Array {
  const { sender, content } = framed;
  switch (sender.type) {
    case "member":
      if (content.contentType === "proposal") checkSenderMayPropose(sender, content.proposal);
      return requireLeaf(view.tree, sender.leafIndex).signatureKey;
    case "external": {
      if (content.contentType !== "proposal") throw contentNotAllowed();
      checkSenderMayPropose(sender, content.proposal);
      const external = externalSendersOf(view.groupContext.extensions)[sender.senderIndex];
      if (external === undefined) throw invalid("unknown_sender", "the group has no such external sender");
      return external.signatureKey;
    }
    case "newMemberProposal":
      if (content.contentType !== "proposal" || content.proposal.type !== "add") throw contentNotAllowed();
      return content.proposal.keyPackage.leafNode.signatureKey;
    case "newMemberCommit":
      if (content.contentType !== "commit") throw contentNotAllowed();
      if (content.commit.path === undefined) {
        throw invalid("path_missing", "an external commit has no path");
      }
      return content.commit.path.leafNode.signatureKey;
  }
}

function contentNotAllowed(): Error {
  return invalid("content_not_allowed", "this kind of sender may not send this content");
}
