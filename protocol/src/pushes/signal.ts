/** A signal of another member's device (see operations/signal.ts). */
import * as v from "valibot";
import { limits } from "../limits.ts";
import { bytes, conversationId } from "../primitives.ts";

export const signalPush = v.object({
  push: v.literal("signal"),
  conversation: conversationId,
  payload: bytes(1, limits.signalPayload),
});
