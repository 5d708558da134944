/** Sends something to one device: to another device of the own account, or of an account on a shared roster. Sealed or signed by the client. */
import * as v from "valibot";
import { limits } from "../limits.ts";
import { accountId, blobReference, bytes, conversationId, deviceId, entryId } from "../primitives.ts";

export const sendInbox = {
  request: v.strictObject({
    account: accountId,
    device: deviceId,
    /** Where the account is another: a conversation whose roster has both. */
    conversation: v.optional(conversationId),
    /** Names it. Chosen by the sender: a repetition overwrites. */
    message: entryId,
    payload: v.union([
      v.strictObject({ inline: bytes(1, limits.inboxPayload) }),
      v.strictObject({ blob: blobReference }),
    ]),
  }),
  answer: v.object({}),
};
