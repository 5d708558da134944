/** Appends messages to a log, in order. */
import * as v from "valibot";
import { limits } from "../limits.ts";
import { blobReference, conversationId, entryId, payload, turn } from "../primitives.ts";
import { landed } from "./landing.ts";

export const append = {
  request: v.strictObject({
    conversation: conversationId,
    /** The turn that the sender has considered. */
    turn,
    entries: v.pipe(
      v.array(
        v.strictObject({
          id: entryId,
          payload,
          /** Further blobs that the message refers to (attachments), which are to be kept. */
          blobs: v.optional(v.pipe(v.array(blobReference), v.maxLength(limits.blobs))),
        }),
      ),
      v.minLength(1),
      v.maxLength(limits.appendEntries),
    ),
  }),
  /** The first of the entries, in order: where fewer than asked, the rest was not accepted and can be sent again. */
  answer: v.object({ accepted: v.array(landed) }),
};
