/** Sending a proposal by itself: RFC 9420, section 12.1. */
import type { AuthenticationService } from "./authentication.ts";
import type { Capabilities } from "./capabilities.ts";
import type { KeyPair } from "./cipherSuite.ts";
import type { Credential } from "./credential.ts";
import type { Extension } from "./extension.ts";
import { framedContentTbs, proposalRef, signContent } from "./framing.ts";
import { encodeGroupContext } from "./groupContext.ts";
import type { GroupState, PendingProposal } from "./groupState.ts";
import { signLeafNode, type LeafNode } from "./leafNode.ts";
import type { LifetimePolicy } from "./lifetime.ts";
import type { Proposal } from "./proposal.ts";
import { validateProposal } from "./proposalList.ts";
import { frameOwn, protect, requireOpen, type FramingOptions } from "./protectMessage.ts";
import { requireLeaf } from "./ratchetTree.ts";
import type { CreatedMessage } from "./createMessage.ts";

/** What a member changes about its own leaf, besides the encryption key that always changes. */
export interface LeafChange {
  readonly credential?: Credential;
  readonly signatureKeyPair?: KeyPair;
  readonly capabilities?: Capabilities;
  readonly extensions?: readonly Extension[];
}

/** `update` makes a new leaf for the sender. */
export type ProposalInput =
  | Exclude<Proposal, { readonly type: "update" | "externalInit" }>
  | { readonly type: "update"; readonly leaf?: LeafChange };

export interface CreateProposalOptions extends FramingOptions {
  readonly authentication: AuthenticationService;
  /** Default true. */
  readonly privateMessage?: boolean;
  readonly lifetime?: LifetimePolicy;
}

export interface CreatedProposal extends CreatedMessage {
  /** ProposalRef. */
  readonly ref: Uint8Array;
}

/** The leaf with what `change` replaces, not yet signed. */
export function changedLeaf(
  leaf: LeafNode,
  change: LeafChange = {},
): Pick<LeafNode, "signatureKey" | "credential" | "capabilities" | "extensions"> {
  return {
    signatureKey: change.signatureKeyPair?.publicKey ?? leaf.signatureKey,
    credential: change.credential ?? leaf.credential,
    capabilities: change.capabilities ?? leaf.capabilities,
    extensions: change.extensions ?? leaf.extensions,
  };
}

async function ownUpdate(
  state: GroupState,
  change: LeafChange | undefined,
): Promise<Pick<PendingProposal, "proposal" | "ownUpdate">> {
  const { suite, epoch } = state;
  const leafIndex = epoch.ownLeafIndex;
  const encryption = await suite.generateKeyPair();
  const signaturePrivateKey = change?.signatureKeyPair?.privateKey.slice() ?? epoch.signaturePrivateKey;
  const leafNode = await signLeafNode(
    suite,
    {
      ...changedLeaf(requireLeaf(epoch.tree, leafIndex), change),
      source: "update",
      encryptionKey: encryption.publicKey,
    },
    { groupId: epoch.groupContext.groupId, leafIndex },
    signaturePrivateKey,
  );
  return {
    proposal: { type: "update", leafNode },
    ownUpdate: { encryptionPrivateKey: encryption.privateKey, signaturePrivateKey },
  };
}

/** The proposal waits in the state, as it does with everyone who receives it. */
export async function createProposal(
  state: GroupState,
  input: ProposalInput,
  options: CreateProposalOptions,
): Promise<CreatedProposal> {
  requireOpen(state);
  const { suite, epoch } = state;
  const made = input.type === "update" ? await ownUpdate(state, input.leaf) : { proposal: input };
  const sender = { type: "member", leafIndex: epoch.ownLeafIndex } as const;
  const { groupContext, tree } = epoch;
  const { authentication, lifetime } = options;
  await validateProposal({ suite, groupContext, tree, authentication, lifetime }, made.proposal, sender);
  const wireFormat = options.privateMessage === false ? "publicMessage" : "privateMessage";
  const framed = frameOwn(state, { contentType: "proposal", proposal: made.proposal }, options.authenticatedData);
  const tbs = framedContentTbs(wireFormat, framed, encodeGroupContext(groupContext));
  const auth = { signature: await signContent(suite, epoch.signaturePrivateKey, tbs) };
  const ref = proposalRef(suite, { wireFormat, framed, auth });
  const sent = protect(state, wireFormat, framed, auth, options.padding);
  const proposals = [...epoch.proposals, { ...made, ref, sender }];
  return { ...sent, state: { ...sent.state, epoch: { ...sent.state.epoch, proposals } }, ref };
}
