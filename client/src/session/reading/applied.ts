/** What applying an entry has in common, whatever its kind. */
import { MlsError } from "@tacit/mls";
import { decodeBase64Url, encodeBase64Url, type Entry } from "@tacit/protocol";
import { noted, type ConversationState, type RecentEntry, type SessionContext, type Step } from "../conversation.ts";
import { sha256 } from "../cryptoContext.ts";
import type { Verdict } from "./logChain.ts";
import { secretsOfPending } from "../remains.ts";
import { newRepair } from "../repair/repair.ts";
import { notBefore } from "../repair/repairPauses.ts";
import type { TimelineNotice, UnreadableReason } from "../timeline.ts";

/** An entry, with its payload fetched; without where a blob is gone or is not what it was named after. */
export interface ReadEntry {
  readonly entry: Entry;
  readonly payload: Uint8Array | undefined;
}

/** A step, and what the chain and the memory of recent entries keep of it. */
export type Applied = Step & {
  /** Of a proposal or commit; without one, this device cannot tell, and its chain is unknown until the next commit. */
  readonly verdict?: Verdict;
  readonly message?: RecentEntry["message"];
  /** The chain up to the entry before, as the sender has it. */
  readonly chainBefore?: Uint8Array;
};

/** Where an entry stands, for the timeline. */
export function placeOf({ seq, at }: Entry): { readonly seq: number; readonly storedAt: number } {
  return { seq, storedAt: at };
}

export function payloadHash(context: SessionContext, { payload }: Entry): string {
  if ("blob" in payload) return payload.blob.hash;
  return encodeBase64Url(sha256(context.provider, decodeBase64Url(payload.inline)));
}

export function voided(state: ConversationState, entry: Extract<Entry, { account: string }>): Applied {
  return { ...noted(state, { kind: "void", by: entry.account }, placeOf(entry)), verdict: "void" };
}

export function unreadable(state: ConversationState, entry: Entry, reason: UnreadableReason): Step {
  return noted(state, { kind: "unreadable", reason, retryable: false }, placeOf(entry));
}

export function ended(
  state: ConversationState,
  notice: TimelineNotice,
  at: { readonly seq: number; readonly storedAt: number },
): Step {
  const step = noted({ ...state, phase: "ended", pending: undefined, leaving: undefined, anchors: [] }, notice, at);
  return { ...step, consumed: secretsOfPending(state) };
}

/**
 * This device cannot go on by itself. What it wants to send and to change waits until it is in again. The group is kept until then: it says
 * whose word puts this device in anew.
 */
export function stuck(state: ConversationState, at: { readonly seq: number; readonly storedAt: number }): Step {
  const due = notBefore(state.restored, at.storedAt);
  const repair = state.repair ?? newRepair(state.cursor, due);
  const step = noted({ ...state, phase: "stuck", pending: undefined, repair }, { kind: "cannotFollow" }, at);
  return { ...step, consumed: secretsOfPending(state) };
}

/** What the engine finds because of something that this device may have missed, and others not. */
const missedCodes: readonly string[] = ["unknown_proposal", "generation_consumed", "generation_too_far"];

/** Whether others may find otherwise. @throws what is not the engine's answer: a bug must not pass for one */
export function isLocal(error: unknown, { epochIncomplete }: ConversationState): boolean {
  if (!(error instanceof MlsError)) throw error;
  // Tacit's groups use no PSKs after their first epoch: no member has one.
  if (error.code === "psk_missing") return false;
  return !error.everyone || (epochIncomplete && missedCodes.includes(error.code));
}

/** Only what the engine says of its input is an answer; anything else is a bug and must not pass for one. */
export function unlessBug<T>(error: unknown, value: T): T {
  if (error instanceof MlsError) return value;
  throw error;
}
