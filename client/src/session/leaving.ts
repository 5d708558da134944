/** Leaving: RFC 9420 lets nobody commit their own removal, so a member proposes it, and any other commits it. */
import { encodeBase64Url } from "@tacit/protocol";
import type { ConversationState, SessionContext, Step } from "./conversation.ts";
import { randomId, sha256 } from "./cryptoContext.ts";
import { proposeLeaving } from "./group/groupCommit.ts";

/** The proposal, durable until the log shows it or its turn is over. */
export async function leavePending(context: SessionContext, state: ConversationState): Promise<Step> {
  if (state.group === undefined) throw new Error("only an open conversation is left");
  const { group, proposal, consumed } = await proposeLeaving(context, state.group, new Uint8Array(0));
  const leaving = {
    entry: randomId(context.provider),
    proposal,
    hash: encodeBase64Url(sha256(context.provider, proposal)),
    turn: state.turn,
  };
  return { state: { ...state, group, leaving }, items: [], consumed };
}
