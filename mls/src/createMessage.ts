/** Application messages: RFC 9420, section 15. */
import { framedContentTbs, signContent } from "./framing.ts";
import { encodeGroupContext } from "./groupContext.ts";
import type { GroupState } from "./groupState.ts";
import { frameOwn, protect, requireOpen, type FramingOptions } from "./protectMessage.ts";

export interface CreatedMessage {
  /** Store it before the message is sent. */
  readonly state: GroupState;
  readonly message: Uint8Array;
  /** Wipe when `state` is stored. */
  readonly consumed: readonly Uint8Array[];
}

/** Seals application data as a PrivateMessage. */
export async function createMessage(
  state: GroupState,
  plaintext: Uint8Array,
  options: FramingOptions = {},
): Promise<CreatedMessage> {
  requireOpen(state);
  const framed = frameOwn(state, { contentType: "application", applicationData: plaintext }, options.authenticatedData);
  const tbs = framedContentTbs("privateMessage", framed, encodeGroupContext(state.epoch.groupContext));
  const signature = await signContent(state.suite, state.epoch.signaturePrivateKey, tbs);
  return protect(state, "privateMessage", framed, { signature }, options.padding);
}
