/** Lays Welcomes of a commit that is still to come into their places, unseen: for more than a commit carries itself. */
import * as v from "valibot";
import { limits } from "../limits.ts";
import { conversationId, entryId } from "../primitives.ts";
import { welcome } from "./landing.ts";

export const stageWelcomes = {
  request: v.strictObject({
    conversation: conversationId,
    /** The id of the commit's entry, which then says `staged`. */
    entry: entryId,
    welcomes: v.pipe(v.array(welcome), v.minLength(1), v.maxLength(limits.welcomes)),
  }),
  answer: v.object({}),
};
