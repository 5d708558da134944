/** Rings the others with something that is never stored: typing, presence. Sealed by the client, like everything. */
import * as v from "valibot";
import { limits } from "../limits.ts";
import { bytes, conversationId } from "../primitives.ts";

export const signal = {
  request: v.strictObject({ conversation: conversationId, payload: bytes(1, limits.signalPayload) }),
  answer: v.object({}),
};
