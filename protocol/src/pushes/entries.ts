/** A doorbell: entries landed. Without them, or with a gap before them, the client reads. */
import * as v from "valibot";
import { entry } from "../entry.ts";
import { conversationId, seq } from "../primitives.ts";

export const entriesPush = v.object({
  push: v.literal("entries"),
  conversation: conversationId,
  /** The newest of them. */
  seq,
  /** Left out where they are large. */
  entries: v.optional(v.array(entry)),
});
