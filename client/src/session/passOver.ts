/** An entry that made the reading fail in a way that nobody foresaw: it must not keep what comes behind it from being read. */
import type { Entry } from "@tacit/protocol";
import { stuck } from "./applied.ts";
import { noted, type ConversationState, type Step } from "./conversation.ts";

export function passOver(state: ConversationState, { kind, seq, at }: Entry): Step {
  const place = { seq, storedAt: at };
  if (kind === "commit") return stuck(state, place);
  const passed = { ...state, cursor: seq, chain: undefined, joinedAt: undefined };
  return noted(passed, { kind: "unreadable", reason: "cannot_follow", retryable: false }, place);
}
