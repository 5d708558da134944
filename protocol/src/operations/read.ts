/** Entries after a cursor, in order. Expired ones are left out. */
import * as v from "valibot";
import { entry } from "../entry.ts";
import { limits } from "../limits.ts";
import { conversationId, seq, turn } from "../primitives.ts";

export const read = {
  request: v.strictObject({
    conversation: conversationId,
    after: seq,
    limit: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(limits.pageEntries))),
  }),
  answer: v.object({
    entries: v.array(entry),
    /** Set when there is more: the `after` of the next page, also where a page holds expired entries alone. */
    next: v.optional(seq),
    /** The newest entry when the page was read, as far as the caller may read; `seq` 0 where none is left. */
    head: v.object({ seq, turn }),
  }),
};
