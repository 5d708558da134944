/**
 * Reading a commit: it is applied or void, for all members alike, because it is judged by the entry, by the log before it, and by the group.
 * The header (kind, group, epoch, turn, roster) is clear text, the engine says which of its refusals `everyone` meets, and what it changes is
 * judged by memberChange.ts, also on the device that made it and on those that it removes.
 */
import { MlsError } from "@tacit/mls";
import { isDirect, type Entry } from "@tacit/protocol";
import { ended, isLocal, placeOf, stuck, voided, type Applied, type ReadEntry } from "./applied.ts";
import { decodeCommitData, sameSet, type CommitData } from "./commitData.ts";
import {
  listedIn,
  merged,
  noted,
  notedAll,
  silent,
  withGroup,
  type ConversationState,
  type PendingCommit,
  type RecentEntry,
  type SessionContext,
} from "../conversation.ts";
import { dataNotices } from "./dataNotices.ts";
import { doubting, isStrange, namesGroup } from "../repair/doubt.ts";
import { plainData, type GroupData } from "../group/groupData.ts";
import { accountsIn, epochOf, groupDataOf, identities, isGroupOf, leaveProposals, type Group } from "../group/group.ts";
import { handshakeHeader, isOfEpoch, type HandshakeHeader } from "../group/handshakeHeader.ts";
import { receive } from "../group/groupMessages.ts";
import { unservedAmong } from "../group/unserved.ts";
import { secretsOnlyIn } from "../group/storedGroup.ts";
import type { LeafIdentity } from "../group/authenticate.ts";
import { mayAdminister, memberChange, type MemberChange } from "../group/memberChange.ts";
import { secretsIn, secretsOfPending } from "../remains.ts";
import { isTooLarge } from "../payloadSize.ts";
import { withCommitTime } from "../renewal.ts";
import type { TimelineNotice } from "../timeline.ts";
import { logDiffers } from "./logChain.ts";
import { withOthers } from "./unheard.ts";

type CommitEntry = Extract<Entry, { kind: "commit" }>;

const rememberedReadmissions = 64;
const rememberedExpelled = 1_000;

export async function applyCommit(
  context: SessionContext,
  state: ConversationState,
  { payload }: ReadEntry,
  entry: CommitEntry,
  recent: RecentEntry,
): Promise<Applied> {
  const { pending, group } = state;
  // By what it is: the entry's id is the relay's to write.
  const own = pending?.hash === recent.hash ? pending : undefined;
  if (own === undefined && (group === undefined || state.phase === "opening")) {
    const waiting = { ...state, pending: undefined, group: undefined, phase: "awaitingWelcome" as const };
    return { state: waiting, items: [], consumed: secretsIn(state) };
  }
  // The relay numbers the turns without a gap; this one it made up.
  if (entry.turn !== state.turn) {
    const seen = namesGroup(payload, "commit", state.log) ? doubting(context, state, entry.at) : state;
    return voided(seen, entry);
  }

  // An own commit that is not this one, or is void, never happens: it names this turn, which is over.
  const following = { ...state, turn: entry.turn + 1, pending: undefined };
  const lost = secretsOfPending(state);
  const at = placeOf(entry);
  // No member reads it, so it changes nothing for any.
  if (isTooLarge(entry.payload)) return { ...voided(withoutEffect(following, entry), entry), consumed: lost };
  const bytes = own?.commit ?? payload;
  if (bytes === undefined) return { ...stuck(following, at), consumed: lost };
  const header = handshakeHeader(bytes, "commit");
  const data = header && commitDataOf(header, entry);
  const epoch = group === undefined ? 0n : epochOf(group);
  // Those who were in before go on where this device came in: its Welcome came with a void commit.
  if (state.provisional && header !== undefined && data !== undefined && header.epoch + 1n === epoch) {
    return { ...stuck(following, at), consumed: lost };
  }
  const found =
    header === undefined || data === undefined || !isGroupOf(header.groupId, state.log)
      ? "void"
      : isOfEpoch(header, state.log, epoch)
        ? await changeOf(context, state, bytes, own)
        : "strange";
  if (found === "cannotFollow") return { ...stuck(following, at), consumed: lost };
  const change = typeof found === "string" || data === undefined ? undefined : judged(state, found, entry, data);
  // Made before somebody asked to leave: its maker does it again, with that.
  if (change === "overtaken") {
    const droppedBy = undefined;
    return { ...silent({ ...withoutEffect(following, entry), droppedBy }), consumed: lost, verdict: "void" };
  }
  if (typeof found === "string" || change === undefined || data === undefined) {
    const seen = found === "strange" && own === undefined ? doubting(context, following, entry.at) : following;
    // Who wanted to create it with this has nothing to go on with.
    const stopped =
      group === undefined ? ended(following, { kind: "cannotFollow" }, at) : voided(withoutEffect(seen, entry), entry);
    return { ...stopped, consumed: lost };
  }

  const consumed = own === undefined ? [...found.consumed, ...lost] : found.consumed;
  const notices = noticesOf(state, found, change, { own, data });
  const readmitted = restoredBy(found).map(({ device }) => ({ device, at: entry.at, by: found.from }));
  const readmissions =
    readmitted.length === 0
      ? state.readmissions
      : [...state.readmissions, ...readmitted].slice(-rememberedReadmissions);
  const settled = {
    ...following,
    commitTimes: withCommitTime(state.commitTimes, entry.at, context.renewals),
    expelled: expelledAfter(state, found),
    readmissions,
    unlisted: data.unlisted ?? [],
    suspended: data.suspended ?? [],
    strangers: data.strangers ?? [],
    justDropped: [],
    droppedBy: undefined,
  };
  if (found.removed) return { ...removal(context, settled, found, notices, at), consumed, verdict: "applied" };
  const followed: ConversationState = {
    ...withGroup(own === undefined || own.welcomes.length > 0 ? withOthers(settled) : settled, found.group),
    phase: "open",
    anchors: [],
    epochIncomplete: false,
    provisional: false,
    leaving: undefined,
    repair: undefined,
    ...(own === undefined ? {} : { renewedAt: entry.at, intents: withoutDone(state, own) }),
  };
  const warned =
    own === undefined && logDiffers(state, data.log, recent)
      ? noted(followed, { kind: "logMismatch", with: found.from }, at)
      : silent(followed);
  return { ...merged(warned, notedAll(warned.state, notices, at)), consumed, verdict: "applied" };
}

/** A renewal is done with the first own commit; everything else is looked at again until the group is as wanted. */
function withoutDone({ intents }: ConversationState, own: PendingCommit): ConversationState["intents"] {
  return intents.filter(({ kind, id }) => !(kind === "rotate" || id === own.intent) || isOpenEnded(kind));
}

/** Large ones take several commits. */
function isOpenEnded(kind: ConversationState["intents"][number]["kind"]): boolean {
  return kind === "invite" || kind === "remove" || kind === "devices" || kind === "leave";
}

/** Out of the group, or put in anew: then the Welcome is on its way. */
function removal(
  { account, device }: SessionContext,
  state: ConversationState,
  { after }: FoundCommit,
  notices: readonly TimelineNotice[],
  at: { readonly seq: number; readonly storedAt: number },
) {
  const isPutInAnew = after.some((leaf) => leaf.account === account && leaf.device === device);
  if (isPutInAnew) return silent({ ...state, phase: "awaitingWelcome" as const });
  return notedAll({ ...state, phase: "ended" as const, leaving: undefined, anchors: [] }, notices, at);
}

/** What the commit says of its place, where that is its place. */
export function commitDataOf(header: HandshakeHeader, entry: CommitEntry): CommitData | undefined {
  const data = decodeCommitData(header.authenticatedData);
  if (data === undefined || data.turn !== entry.turn) return undefined;
  return sameSet(data.add, entry.roster.add) && sameSet(data.remove, entry.roster.remove) ? data : undefined;
}

/** A void commit changes nothing in the group, but the relay went by its roster; that of a direct conversation never changes. */
function withoutEffect(state: ConversationState, { roster, account }: CommitEntry): ConversationState {
  if (isDirect(state.log)) return state;
  const members = new Set(state.roster);
  const listed = rosterAfter(state, roster);
  const unlisted = state.roster.filter((each) => !listed.has(each));
  const isChanged = roster.add.length + roster.remove.length > 0;
  return {
    ...state,
    unlisted,
    suspended: state.suspended.filter((each) => unlisted.includes(each)),
    strangers: [...listed].filter((each) => !members.has(each)).sort(),
    justDropped: roster.remove.filter((each) => members.has(each)).sort(),
    droppedBy: isChanged ? account : undefined,
  };
}

/** Accounts on the relay's roster with `delta`. */
export function rosterAfter(
  state: ConversationState,
  { add, remove }: { readonly add: readonly string[]; readonly remove: readonly string[] },
): ReadonlySet<string> {
  const removed = new Set(remove);
  return new Set([...listedIn(state).filter((account) => !removed.has(account)), ...add]);
}

/**
 * What the commit changes, where it may, and where the relay's roster follows the group: nobody is served who is not in, except who was so
 * before; whoever is in and not served was so before, or is suspended by it for the void commit right before; whom a commit suspended
 * is taken back by those who may invite; and whoever asked to leave is out.
 */
function judged(
  state: ConversationState,
  found: FoundCommit,
  { account, roster, turn }: CommitEntry,
  data: CommitData,
): MemberChange | "overtaken" | undefined {
  const { group } = state;
  if (!found.isPlain || found.from !== account) return undefined;
  const change = memberChange({
    conversation: state.log,
    before: group === undefined ? undefined : { leaves: identities(group), data: groupDataOf(group) ?? plainData },
    after: { leaves: found.after, data: found.dataAfter },
    by: found.from,
    leaving: found.leaving,
  });
  if (change === undefined) return undefined;
  const areIn = accountsIn(found.after);
  const members = new Set(areIn);
  const leavers = group === undefined ? [] : leaveProposals(group).map((proposal) => proposal.account);
  const listed = turn === 0 && group === undefined ? new Set(roster.add) : rosterAfter(state, roster);
  // Who asked to leave and is in all the same: the relay does not serve them.
  const kept = new Set(leavers.filter((each) => members.has(each)));
  const unlisted = areIn.filter((each) => !listed.has(each) && !kept.has(each));
  const strangers = [...listed].filter((each) => !members.has(each));
  const wasUnlisted = new Set(state.unlisted);
  const suspended = unlisted.filter((each) => state.suspended.includes(each) || !wasUnlisted.has(each));
  const takesBack = roster.add.some((each) => state.suspended.includes(each));
  const wasListed = new Set(group === undefined ? [] : listedIn(state));
  const holds =
    roster.remove.every((each) => wasListed.has(each)) &&
    !roster.add.some((each) => wasListed.has(each)) &&
    strangers.every((each) => state.strangers.includes(each)) &&
    unlisted.every((each) => wasUnlisted.has(each) || each === state.droppedBy) &&
    !(takesBack && !mayAdminister(state.data, found.from)) &&
    sameSet(unlisted, data.unlisted ?? []) &&
    sameSet(suspended, data.suspended ?? []) &&
    sameSet(strangers, data.strangers ?? []);
  if (!holds) return undefined;
  return kept.size === 0 ? change : "overtaken";
}

interface FoundCommit {
  readonly group: Group;
  readonly after: readonly LeafIdentity[];
  readonly dataAfter: GroupData;
  /** The account that made it. */
  readonly from: string;
  readonly isPlain: boolean;
  readonly leaving: readonly string[];
  readonly addedDevices: readonly Pick<LeafIdentity, "account" | "device">[];
  /** Every device before it. */
  readonly before: readonly LeafIdentity[];
  readonly removed: boolean;
  readonly consumed: readonly Uint8Array[];
}

/** What the commit makes of the group; an own one was computed when it was made. */
async function changeOf(
  context: SessionContext,
  state: ConversationState,
  commit: Uint8Array,
  own: PendingCommit | undefined,
): Promise<FoundCommit | "void" | "strange" | "cannotFollow"> {
  const { group } = state;
  const before = group === undefined ? [] : identities(group);
  if (own !== undefined) {
    const { next, welcomes, leaving } = own;
    const welcomed = new Set(welcomes.map(({ device }) => device));
    const after = identities(next);
    return {
      group: next,
      after,
      dataAfter: groupDataOf(next) ?? plainData,
      from: context.account,
      isPlain: groupDataOf(next) !== undefined,
      leaving,
      addedDevices: after.filter(({ device }) => welcomed.has(device)),
      before,
      removed: false,
      // After a restart: the secrets of the epoch that ends.
      consumed: own.consumedByNext ?? (group === undefined ? [] : secretsOnlyIn(group, next)),
    };
  }
  if (group === undefined) return "cannotFollow";
  try {
    const processed = await receive(context, group, commit);
    return processed.kind === "commit" ? { ...processed, from: processed.from.account, before } : "void";
  } catch (error) {
    // An own commit that this device does not know of: the others may have taken it.
    if (error instanceof MlsError && error.code === "own_message") return "cannotFollow";
    if (isLocal(error, state)) return "cannotFollow";
    return isStrange(error) ? "strange" : "void";
  }
}

function noticesOf(
  state: ConversationState,
  found: FoundCommit,
  change: MemberChange,
  { own, data }: { readonly own: PendingCommit | undefined; readonly data: CommitData },
): readonly TimelineNotice[] {
  const { from: by, dataAfter } = found;
  if (own?.kind === "create") {
    const isSuccessor = dataAfter.predecessor !== undefined;
    return [
      isSuccessor ? { kind: "rejoined", by, after: state.repair?.after ?? 0, successor: true } : { kind: "opened", by },
    ];
  }
  const { added, left, devicesChanged } = change;
  const removed = change.removed.filter((account) => !left.includes(account));
  const restored = restoredBy(found);
  const suspended = (data.suspended ?? []).filter((account) => !state.suspended.includes(account));
  const notices: TimelineNotice[] = [
    ...(left.length === 0 ? [] : [{ kind: "left" as const, accounts: left }]),
    ...(added.length + removed.length === 0 ? [] : [{ kind: "membersChanged" as const, added, removed, by }]),
    ...dataNotices(change, dataAfter, by),
    ...(devicesChanged.length === 0 ? [] : [{ kind: "devicesChanged" as const, accounts: devicesChanged, by }]),
    ...restored.map(({ account, device }) => ({ kind: "deviceRestored" as const, account, device, by })),
    ...suspended.map((account) => ({ kind: "suspended" as const, account, by })),
  ];
  return notices.length > 0 ? notices : [{ kind: "keysChanged", by }];
}

/** Devices that were in before, and were put in anew. */
function restoredBy({ before, addedDevices }: FoundCommit): FoundCommit["addedDevices"] {
  if (addedDevices.length === 0) return [];
  const were = new Set(before.map(({ account, device }) => `${account} ${device}`));
  return addedDevices.filter(({ account, device }) => were.has(`${account} ${device}`));
}

/** An account that comes in again comes with the devices that it had. */
function expelledAfter({ expelled }: ConversationState, { before, after }: FoundCommit): readonly string[] {
  const areIn = new Set(after.map(({ device }) => device));
  const stayed = new Set(after.map(({ account }) => account));
  const gone = before.filter(({ device, account }) => !areIn.has(device) && stayed.has(account));
  if (gone.length === 0 && !expelled.some((device) => areIn.has(device))) return expelled;
  return [...expelled.filter((device) => !areIn.has(device)), ...gone.map(({ device }) => device)].slice(
    -rememberedExpelled,
  );
}

/**
 * The Welcome brought what this commit did; that the commit is where the relay says it is has to be seen. A header that does not fit
 * means a false place, or a commit that is void for the members: there is no way in from here but to be put in anew.
 */
export function applyJoining(state: ConversationState, { entry, payload }: ReadEntry): Applied {
  const header = payload && handshakeHeader(payload, "commit");
  const data = header && entry.kind === "commit" ? commitDataOf(header, entry) : undefined;
  const holds =
    entry.kind === "commit" &&
    entry.turn + 1 === state.turn &&
    state.group !== undefined &&
    header !== undefined &&
    header.epoch + 1n === epochOf(state.group) &&
    isGroupOf(header.groupId, state.log) &&
    data !== undefined;
  if (!holds) return stuck({ ...state, joinedAt: undefined }, placeOf(entry));
  return { ...silent({ ...state, ...unservedAmong(state.roster, data) }), verdict: "applied" };
}
