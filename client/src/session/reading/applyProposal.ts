/** Reading a proposal. The ones that count are those by which a member asks to be removed. */
import { isDirect, type Entry } from "@tacit/protocol";
import { ended, isLocal, placeOf, stuck, unreadable, voided, type Applied, type ReadEntry } from "./applied.ts";
import type { ConversationState, RecentEntry, SessionContext } from "../conversation.ts";
import { doubting, isStrange, namesGroup } from "../repair/doubt.ts";
import { epochOf, selfRemovals } from "../group/group.ts";
import { handshakeHeader, isOfEpoch } from "../group/handshakeHeader.ts";
import { receive, type Processed } from "../group/groupMessages.ts";

type ProposalEntry = Extract<Entry, { kind: "proposal" }>;

export async function applyProposal(
  context: SessionContext,
  before: ConversationState,
  { payload }: ReadEntry,
  entry: ProposalEntry,
  recent: RecentEntry,
): Promise<Applied> {
  const isOwn = entry.account === context.account && !isDirect(before.log);
  if (before.leaving?.hash === recent.hash) return left(context, before, entry);
  // Nothing else counts, and what nobody opens, nobody misses: the sender's ratchet stands alike for all.
  if (entry.leave !== true) return voided(before, entry);
  if (payload === undefined || before.group === undefined) {
    // Whether the account left is in the proposal; whether the relay says so is nothing.
    if (isOwn) return stuck(before, placeOf(entry));
    return unreadable({ ...offRoster(before, entry), epochIncomplete: true }, entry, "cannot_follow");
  }
  const header = handshakeHeader(payload, "proposal");
  if (header === undefined || !isOfEpoch(header, before.log, epochOf(before.group))) {
    const seen = namesGroup(payload, "proposal", before.log) ? doubting(context, before, entry.at) : before;
    return voided(offRoster(seen, entry), entry);
  }
  let processed: Processed;
  try {
    processed = await receive(context, before.group, payload);
  } catch (error) {
    const state = offRoster(isStrange(error) ? doubting(context, before, entry.at) : before, entry);
    if (isLocal(error, before) && isOwn) return stuck(state, placeOf(entry));
    if (isLocal(error, before)) return unreadable({ ...state, epochIncomplete: true }, entry, "cannot_follow");
    return voided(state, entry);
  }
  if (processed.kind !== "proposal" || processed.from.account !== entry.account) {
    return voided(offRoster(before, entry), entry);
  }
  const { group, consumed } = processed;
  const asksToLeave = selfRemovals(group).length > selfRemovals(before.group).length;
  if (asksToLeave && isOwn) return { ...left(context, before, entry), consumed };
  return { state: { ...offRoster(before, entry), group }, items: [], consumed, verdict: "applied" };
}

/** The relay serves this account no more, because one of its devices asked for that. */
function left({ account }: SessionContext, state: ConversationState, entry: ProposalEntry): Applied {
  return { ...ended(state, { kind: "left", accounts: [account] }, placeOf(entry)), verdict: "applied" };
}

/** The relay does not serve it any more: whether it asked for that shows in the proposal, and the next commit takes out who did. */
function offRoster(state: ConversationState, { account }: ProposalEntry): ConversationState {
  if (isDirect(state.log)) return state;
  // Brought in by a void commit: there is nobody to take off any more.
  if (state.strangers.includes(account)) {
    return { ...state, strangers: state.strangers.filter((each) => each !== account) };
  }
  if (state.unlisted.includes(account) || !state.roster.includes(account)) return state;
  return { ...state, unlisted: [...state.unlisted, account].sort() };
}
