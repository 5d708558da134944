import type { ErrorCode } from "@tacit/protocol";
import { Refused } from "../../connection/relaySocket.ts";

/** Refusals of the request itself: repeating it would bring the same answer. */
const finalCodes: ReadonlySet<string> = new Set<ErrorCode>([
  "malformed",
  "limit_exceeded",
  "frame_too_large",
  "unknown_account",
]);

export function isFinal(error: unknown): error is Refused {
  return error instanceof Refused && finalCodes.has(error.refusal.code);
}
