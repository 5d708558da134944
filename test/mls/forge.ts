/**
 * A malicious member: makes commits and messages with valid signatures, tags and encryption around contents that break the
 * rules. It shares the engine's arithmetic and none of its checks.
 */
import type { GroupState, Proposal, Sender } from "@tacit/mls";
import type { Commit } from "../../mls/src/commit.ts";
import type { UnsignedLeafNode, LeafNode } from "../../mls/src/leafNode.ts";
import { signLeafNode } from "../../mls/src/leafNode.ts";
import {
  framedContentTbs,
  signContent,
  type Content,
  type ContentAuth,
  type FramedContent,
  type MessageWireFormat,
} from "../../mls/src/framing.ts";
import { encodeGroupContext } from "../../mls/src/groupContext.ts";
import { encodeMlsMessage } from "../../mls/src/mlsMessage.ts";
import { deriveNextEpoch } from "../../mls/src/nextEpoch.ts";
import { sealPrivateMessage } from "../../mls/src/privateMessage.ts";
import { derivePskSecret, type Psk } from "../../mls/src/psk.ts";
import { membershipTag } from "../../mls/src/publicMessage.ts";
import {
  addLeaf,
  draftOf,
  freeLeaf,
  replaceLeaf,
  requireLeaf,
  touch,
  truncate,
  type RatchetTree,
  type TreeDraft,
} from "../../mls/src/ratchetTree.ts";
import { rootHash } from "../../mls/src/treeHash.ts";
import { encryptOwnPath, updateOwnPath } from "../../mls/src/treeKem.ts";
import type { UpdatePath } from "../../mls/src/updatePath.ts";

export interface ForgedList {
  readonly proposal: Proposal;
  readonly sender?: Sender;
  /** By reference. */
  readonly ref?: Uint8Array;
}

export interface Forgery {
  readonly list?: readonly ForgedList[];
  /** Default true. */
  readonly path?: boolean;
  /** Changes the committer's new leaf before it is signed. */
  readonly leaf?: (leaf: UnsignedLeafNode) => UnsignedLeafNode;
  /** Signs the new leaf for this leaf index. */
  readonly leafIndex?: number;
  /** Encrypts these in the place of the path's secrets. */
  readonly pathSecrets?: (secrets: readonly Uint8Array[]) => readonly Uint8Array[];
  /** Encrypts the path under a context with the extensions as they were. */
  readonly oldExtensions?: boolean;
  /** Changes the signed leaf. */
  readonly signedLeaf?: (leaf: LeafNode) => LeafNode;
  /** Changes the path after it is complete. */
  readonly updatePath?: (path: UpdatePath) => UpdatePath;
  readonly commit?: (commit: Commit) => Commit;
  readonly framed?: (framed: FramedContent) => FramedContent;
  readonly auth?: (auth: ContentAuth) => ContentAuth;
  readonly psks?: readonly Psk[];
  readonly wireFormat?: MessageWireFormat;
  /** What is signed as wire format, if not the one that is used. */
  readonly signedAs?: MessageWireFormat;
  readonly signaturePrivateKey?: Uint8Array;
  /** Encrypts as if the group had not gained or lost anybody. */
  readonly includeNewLeaves?: boolean;
}

/** Applies proposals as section 12.3 has it, without any check. */
function applyUnchecked(tree: RatchetTree, list: readonly ForgedList[]): { draft: TreeDraft; added: Set<number> } {
  const draft = draftOf(tree);
  const added = new Set<number>();
  for (const { proposal, sender } of list) {
    if (proposal.type === "update" && sender?.type === "member") {
      replaceLeaf(draft, sender.leafIndex, proposal.leafNode);
    }
  }
  for (const { proposal } of list) {
    if (proposal.type !== "remove" || draft.leaves[proposal.removed] === undefined) continue;
    replaceLeaf(draft, proposal.removed, undefined);
    truncate(draft);
  }
  for (const { proposal } of list) {
    if (proposal.type !== "add") continue;
    const index = freeLeaf(draft);
    addLeaf(draft, index, proposal.keyPackage.leafNode);
    added.add(index);
  }
  return { draft, added };
}

export async function forgeCommit(state: GroupState, forgery: Forgery = {}): Promise<Uint8Array> {
  const { suite, epoch } = state;
  const { groupContext, ownLeafIndex } = epoch;
  const list = forgery.list ?? [];
  const { draft, added } = applyUnchecked(epoch.tree, list);
  const extensions = list.reduce(
    (current, { proposal }) => (proposal.type === "groupContextExtensions" ? proposal.extensions : current),
    groupContext.extensions,
  );
  let commitSecret: Uint8Array = new Uint8Array(suite.hashLength);
  let path: UpdatePath | undefined;
  const provisionalOf = () => ({
    ...groupContext,
    epoch: groupContext.epoch + 1n,
    treeHash: rootHash(suite, draft),
    extensions,
  });
  if (forgery.path !== false) {
    const current = draft.leaves[ownLeafIndex] ?? requireLeaf(epoch.tree, ownLeafIndex);
    while (draft.leaves.length <= ownLeafIndex) freeLeaf(draft, draft.leaves.length);
    const own = await updateOwnPath(
      suite,
      draft,
      ownLeafIndex,
      current,
      groupContext.groupId,
      epoch.signaturePrivateKey,
    );
    const { signature: _dropped, ...unsigned } = own.leafNode;
    const changed = forgery.leaf?.(unsigned) ?? unsigned;
    const position = { groupId: groupContext.groupId, leafIndex: forgery.leafIndex ?? ownLeafIndex };
    const signed = await signLeafNode(suite, changed, position, epoch.signaturePrivateKey);
    const leafNode = forgery.signedLeaf?.(signed) ?? signed;
    draft.leaves[ownLeafIndex] = leafNode;
    touch(draft, 2 * ownLeafIndex);
    const excluded = forgery.includeNewLeaves === true ? new Set<number>() : added;
    const context = provisionalOf();
    path = await encryptOwnPath(
      suite,
      draft,
      { ...own, leafNode, pathSecrets: forgery.pathSecrets?.(own.pathSecrets) ?? own.pathSecrets },
      excluded,
      encodeGroupContext(
        forgery.oldExtensions === true ? { ...context, extensions: groupContext.extensions } : context,
      ),
    );
    path = forgery.updatePath?.(path) ?? path;
    commitSecret = own.commitSecret;
  }
  const proposals = list.map(({ proposal, ref }) =>
    ref === undefined ? ({ type: "proposal", proposal } as const) : ({ type: "reference", reference: ref } as const),
  );
  const honest: Commit = path === undefined ? { proposals } : { proposals, path };
  const content = { contentType: "commit", commit: forgery.commit?.(honest) ?? honest } as const;
  return send(state, content, forgery, (framed, signature) => {
    const { confirmationTag } = deriveNextEpoch(suite, {
      provisional: provisionalOf(),
      interimTranscriptHash: epoch.interimTranscriptHash,
      initSecret: epoch.secrets.initSecret,
      commitSecret,
      pskSecret: derivePskSecret(suite, forgery.psks ?? []),
      commit: { wireFormat: forgery.wireFormat ?? "privateMessage", framed, signature },
    });
    return { signature, confirmationTag };
  });
}

/** Any content, framed as this member's unless `framed` says otherwise. */
export async function send(
  state: GroupState,
  content: Content,
  forgery: Pick<Forgery, "framed" | "auth" | "wireFormat" | "signedAs" | "signaturePrivateKey"> = {},
  complete: (framed: FramedContent, signature: Uint8Array) => ContentAuth = (_framed, signature) => ({ signature }),
): Promise<Uint8Array> {
  const { suite, epoch, ratchets } = state;
  const wireFormat = forgery.wireFormat ?? "privateMessage";
  const honest: FramedContent = {
    groupId: epoch.groupContext.groupId,
    epoch: epoch.groupContext.epoch,
    sender: { type: "member", leafIndex: epoch.ownLeafIndex },
    authenticatedData: new Uint8Array(0),
    content,
  };
  const framed = forgery.framed?.(honest) ?? honest;
  const context = encodeGroupContext(epoch.groupContext);
  const tbs = framedContentTbs(forgery.signedAs ?? wireFormat, framed, context);
  const signature = await signContent(suite, forgery.signaturePrivateKey ?? epoch.signaturePrivateKey, tbs);
  const complete_ = complete(framed, signature);
  const auth = forgery.auth?.(complete_) ?? complete_;
  if (wireFormat === "publicMessage") {
    const actual = framedContentTbs("publicMessage", framed, context);
    const tag = membershipTag(suite, epoch.secrets.membershipKey, actual, auth);
    const publicMessage = framed.sender.type === "member" ? { framed, auth, membershipTag: tag } : { framed, auth };
    return encodeMlsMessage({ wireFormat, publicMessage });
  }
  const { message } = sealPrivateMessage(
    suite,
    { senderDataSecret: epoch.secrets.senderDataSecret, secretTree: ratchets.current, config: epoch.config },
    framed,
    auth,
    0,
  );
  return encodeMlsMessage({ wireFormat, privateMessage: message });
}
