/** A first commit, on a conversation that does not exist yet. */
import * as v from "valibot";
import { conversationId } from "../primitives.ts";
import { accounts, landed, landing } from "./landing.ts";

export const createConversation = {
  request: v.strictObject({
    ...landing,
    /** Accounts on the roster, the caller's own among them. */
    roster: v.pipe(accounts, v.minLength(1)),
    /** 0, or how often this conversation was succeeded. */
    generation: v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(1_000)),
    /** The conversation that this one succeeds. */
    predecessor: v.optional(conversationId),
  }),
  answer: landed,
};
