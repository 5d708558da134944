/**
 * Reading one entry of the log. The log decides: what is in it happened, in its order, whatever answers said.
 *
 * A proposal or a commit is applied or void, and the verdict goes into the log's chain (logChain.ts). It is the same for all members
 * because it is a function of the entry, of the log before it, and of the group: the header (kind, group, epoch, turn, roster) is
 * clear text, the engine says which of its refusals `everyone` meets, and what it changes is judged by memberChange.ts, also on the
 * device that made it and on those that it removes. What only one device may lack (a blob, a path secret, an entry that expired)
 * makes no verdict: that device cannot follow, and says so. A member who was shown a false entry has a verdict of its own, and the
 * chain tells the others.
 */
import { decodeBase64Url, encodeBase64Url } from "@tacit/protocol";
import { payloadHash, placeOf, stuck, type Applied, type ReadEntry } from "./applied.ts";
import { applyCommit, applyJoining } from "./applyCommit.ts";
import { applyMessage } from "./applyMessage.ts";
import { applyProposal } from "./applyProposal.ts";
import {
  merged,
  noted,
  silent,
  withRecent,
  type ConversationState,
  type RecentEntry,
  type SessionContext,
  type Step,
} from "../conversation.ts";
import { extendChain } from "./logChain.ts";

/** Entries come in order; one that was read before is passed over. */
export async function applyEntry(context: SessionContext, state: ConversationState, read: ReadEntry): Promise<Step> {
  const { entry } = read;
  if (entry.seq <= state.cursor || !isReading(state)) return silent(state);
  if (state.joinedAt !== undefined && entry.seq < state.joinedAt) return silent(state);
  // The creation expired: whose it was is what the relay answers to the own one, or a Welcome brings.
  if (state.phase === "opening" && (entry.kind !== "commit" || entry.turn > 0)) {
    return silent(state.pending === undefined ? { ...state, phase: "awaitingWelcome" } : state);
  }

  const hash = payloadHash(context, entry);
  // What the Welcome brought counts as read.
  const isNext = entry.seq === state.joinedAt || entry.prev === (state.joinedAt ?? state.cursor);
  const at = placeOf(entry);
  const arrived = isNext
    ? silent(state)
    : noted(
        { ...state, epochIncomplete: true },
        { kind: "missing", after: state.joinedAt ?? state.cursor, before: entry.seq },
        at,
      );
  const recent = { seq: entry.seq, hash, chain: undefined, afterGap: !isNext };
  // A commit that fell to expiry took the epoch with it.
  const lostTurn = !isNext && entry.turn !== state.turn && state.phase === "open";
  const applied: Applied = lostTurn ? stuck(arrived.state, at) : await applyKind(context, arrived.state, read, recent);
  const { verdict, message, chainBefore, ...step } = applied;
  // Where the creation turns out to be somebody else's, the log is read from the Welcome on.
  if (step.state.phase === "awaitingWelcome" && state.phase === "opening") return merged(arrived, step);

  // After a gap, the first sender who saw what this device did not says how the chain goes on: so a relay that feigns an expiry
  // does not end the comparison.
  const before = (isNext ? state.chain : undefined) ?? chainBefore;
  const judged = entry.kind === "message" ? "applied" : verdict;
  const chain = judged && extendChain(context.provider, before, entry, decodeBase64Url(hash), judged);
  const remembered = withRecent(step.state, {
    ...recent,
    chain: chain && encodeBase64Url(chain),
    ...(message === undefined ? {} : { message }),
  });
  return merged(arrived, { ...step, state: { ...remembered, cursor: entry.seq, chain, joinedAt: undefined } });
}

/** What has ended reads nothing; what waits for a Welcome or is stuck goes on reading behind the Welcome. */
function isReading({ phase }: ConversationState): boolean {
  return phase === "opening" || phase === "open";
}

function applyKind(
  context: SessionContext,
  state: ConversationState,
  read: ReadEntry,
  recent: RecentEntry,
): Applied | Promise<Applied> {
  if (state.joinedAt !== undefined) {
    if (read.entry.seq === state.joinedAt) return applyJoining(state, read);
    // It expired: everything between is lost to this device, and a later commit would be too.
    if (read.entry.turn !== state.turn) return stuck({ ...state, joinedAt: undefined }, placeOf(read.entry));
  }
  switch (read.entry.kind) {
    case "message":
      return applyMessage(context, state, read, recent);
    case "proposal":
      return applyProposal(context, state, read, read.entry, recent);
    case "commit":
      return applyCommit(context, state, read, read.entry, recent);
  }
}
