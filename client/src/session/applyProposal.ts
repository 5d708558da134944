/** Reading a proposal. The ones that count are those by which a member asks to be removed. */
import type { Entry } from "@tacit/protocol";
import { ended, isLocal, placeOf, unreadable, voided, type Applied, type ReadEntry } from "./applied.ts";
import type { ConversationState, RecentEntry, SessionContext } from "./conversation.ts";
import { epochOf, handshakeHeader, isOfEpoch, receive, type Processed } from "./groupEngine.ts";

type ProposalEntry = Extract<Entry, { kind: "proposal" }>;

export async function applyProposal(
  context: SessionContext,
  before: ConversationState,
  { payload }: ReadEntry,
  entry: ProposalEntry,
  recent: RecentEntry,
): Promise<Applied> {
  if (before.leaving?.hash === recent.hash || (entry.leave === true && entry.account === context.account)) {
    // The relay serves this account no more.
    const left = ended(before, { kind: "left", accounts: [context.account] }, placeOf(entry));
    return { ...left, verdict: "applied" };
  }
  if (payload === undefined || before.group === undefined) {
    return unreadable({ ...offRoster(before, entry), epochIncomplete: true }, entry, "cannot_follow");
  }
  const header = handshakeHeader(payload, "proposal");
  if (header === undefined || !isOfEpoch(header, before.log, epochOf(before.group))) {
    return voided(offRoster(before, entry), entry);
  }
  let processed: Processed;
  try {
    processed = await receive(context, before.group, payload);
  } catch (error) {
    const state = offRoster(before, entry);
    if (isLocal(error, before)) return unreadable({ ...state, epochIncomplete: true }, entry, "cannot_follow");
    return voided(state, entry);
  }
  if (processed.kind !== "proposal" || processed.from.account !== entry.account) {
    return voided(offRoster(before, entry), entry);
  }
  const { group, consumed } = processed;
  return { state: { ...offRoster(before, entry), group }, items: [], consumed, verdict: "applied" };
}

/** The relay does not serve it any more: whether it asked for that shows in the proposal, and the next commit takes out who did. */
function offRoster(state: ConversationState, { leave, account }: ProposalEntry): ConversationState {
  if (leave !== true || state.unlisted.includes(account) || !state.roster.includes(account)) return state;
  return { ...state, unlisted: [...state.unlisted, account].sort() };
}
