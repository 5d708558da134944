/** What is addressed to the caller's device. It stays until acknowledged. */
import * as v from "valibot";
import { accountId, conversationId, deviceId, hash, payload, seq, time, turn } from "../primitives.ts";
import { claimId } from "./claimKeyPackages.ts";

export const inboxItem = v.variant("kind", [
  v.object({
    kind: v.literal("welcome"),
    id: claimId,
    conversation: conversationId,
    /** Where the commit that sent it stands, and the turn after it; the joiner reads on from there. */
    seq,
    turn,
    /** The key package that it answers. */
    keyPackage: hash,
    payload,
    at: time,
  }),
  v.object({
    kind: v.literal("message"),
    id: claimId,
    /** Who sent it, as the relay knows: whether that is true shows inside. */
    account: accountId,
    device: deviceId,
    payload,
    at: time,
  }),
]);
export type InboxItem = v.InferOutput<typeof inboxItem>;

export const readInbox = {
  request: v.strictObject({ after: v.optional(claimId) }),
  answer: v.object({ items: v.array(inboxItem), next: v.optional(claimId) }),
};
