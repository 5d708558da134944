/** Entries that are passed over. */
import type { Entry } from "@tacit/protocol";
import { stuck } from "./applied.ts";
import { merged, noted, withRecent, type ConversationState, type Step } from "../conversation.ts";

/** One that made the reading fail in a way that nobody foresaw: it must not keep what comes behind it from being read. */
export function passOver(state: ConversationState, { kind, seq, at }: Entry): Step {
  const place = { seq, storedAt: at };
  if (kind === "commit") return stuck(state, place);
  const passed = { ...state, cursor: seq, chain: undefined, joinedAt: undefined };
  return noted(passed, { kind: "unreadable", reason: "cannot_follow", retryable: false }, place);
}

/** The last ones of the log, up to `head`, that expired before this device read them. */
export function passExpired(
  state: ConversationState,
  head: { readonly seq: number; readonly turn: number },
  now: number,
): Step | undefined {
  if (state.phase !== "open" || (head.seq <= state.cursor && head.turn <= state.turn)) return undefined;
  const after = state.joinedAt ?? state.cursor;
  // A log that is empty has no head any more.
  const place = { seq: Math.max(head.seq, after), storedAt: now };
  // Others may name an entry in the gap as the last that they saw.
  const remembered = withRecent(state, { seq: place.seq, hash: "", chain: undefined, afterGap: true });
  const passed = { ...remembered, cursor: place.seq, chain: undefined, joinedAt: undefined, epochIncomplete: true };
  const missed = noted(passed, { kind: "missing", after, before: place.seq + 1 }, place);
  return head.turn === state.turn ? missed : merged(missed, stuck(missed.state, place));
}
