/** An MLS proposal. With `leave`, the caller's account is off the roster at once. */
import * as v from "valibot";
import { conversationId, entryId, payload, turn } from "../primitives.ts";
import { landed } from "./landing.ts";

export const propose = {
  request: v.strictObject({ conversation: conversationId, turn, entry: entryId, payload, leave: v.boolean() }),
  answer: landed,
};
