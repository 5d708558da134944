/** Framing of what this member sends: RFC 9420, sections 6.1 to 6.3. */
import type { CipherSuite } from "./cipherSuite.ts";
import { misuse } from "./failure.ts";
import {
  framedContentTbs,
  type Content,
  type ContentAuth,
  type FramedContent,
  type MessageWireFormat,
} from "./framing.ts";
import { encodeGroupContext } from "./groupContext.ts";
import type { GroupState } from "./groupState.ts";
import { encodeMlsMessage } from "./mlsMessage.ts";
import { sealPrivateMessage } from "./privateMessage.ts";
import { membershipTag } from "./publicMessage.ts";

export interface FramingOptions {
  readonly authenticatedData?: Uint8Array | undefined;
  /** Zero bytes added inside a PrivateMessage. */
  readonly padding?: number | undefined;
}

export function frameOwn(
  state: GroupState,
  content: Content,
  authenticatedData: Uint8Array | undefined,
): FramedContent {
  const { groupContext, ownLeafIndex } = state.epoch;
  return {
    groupId: groupContext.groupId,
    epoch: groupContext.epoch,
    sender: { type: "member", leafIndex: ownLeafIndex },
    authenticatedData: authenticatedData ?? new Uint8Array(0),
    content,
  };
}

/** Section 12.4.2: a reinitialised group is for reading alone. */
export function requireOpen(state: GroupState): void {
  if (state.epoch.reinit !== undefined) throw misuse("the group was reinitialised; nothing more can be sent in it");
}

export interface Protected {
  readonly state: GroupState;
  readonly message: Uint8Array;
  readonly consumed: readonly Uint8Array[];
}

export function protect(
  state: GroupState,
  wireFormat: MessageWireFormat,
  framed: FramedContent,
  auth: ContentAuth,
  padding = 0,
): Protected {
  const { suite, epoch, ratchets } = state;
  if (wireFormat === "publicMessage") {
    const message = protectPublic(suite, state, framed, auth);
    return { state, message, consumed: [] };
  }
  const sealed = sealPrivateMessage(
    suite,
    { senderDataSecret: epoch.secrets.senderDataSecret, secretTree: ratchets.current, config: epoch.config },
    framed,
    auth,
    padding,
  );
  return {
    state: { ...state, ratchets: { ...ratchets, current: sealed.secretTree } },
    message: encodeMlsMessage({ wireFormat: "privateMessage", privateMessage: sealed.message }),
    consumed: sealed.consumed,
  };
}

function protectPublic(suite: CipherSuite, state: GroupState, framed: FramedContent, auth: ContentAuth): Uint8Array {
  const tbs = framedContentTbs("publicMessage", framed, encodeGroupContext(state.epoch.groupContext));
  const tag = membershipTag(suite, state.epoch.secrets.membershipKey, tbs, auth);
  return encodeMlsMessage({ wireFormat: "publicMessage", publicMessage: { framed, auth, membershipTag: tag } });
}
