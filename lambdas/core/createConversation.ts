/** `createConversation`: a first commit, on a conversation that does not exist yet. */
import { directConversationName, isDirect, type Request } from "@tacit/protocol";
import type { Conversation, StoredEntry } from "../ports.ts";
import { afterLanding } from "./afterLanding.ts";
import type { Caller } from "./caller.ts";
import { untilLanded } from "./conflicts.ts";
import type { Done } from "./done.ts";
import { digest } from "./digest.ts";
import { lifeOf } from "./expiry.ts";
import { ringEntries } from "./fanOut.ts";
import { keepBlobs } from "./keepBlobs.ts";
import { landedAt } from "./landing.ts";
import { countMessages, requireUnblocked } from "./messageRate.ts";
import { ceilingStep } from "./placeEntry.ts";
import type { Relay } from "./relay.ts";
import { notAMember, Refused } from "./refused.ts";
import { requireOnce } from "./roster.ts";
import {
  notClaimed,
  requireDistinctWelcomes,
  requireWelcomed,
  stageWrite,
  welcomedDevices,
  welcomeWrites,
} from "./welcomes.ts";

type Creation = Request<"createConversation">;

export async function createConversation(
  relay: Relay,
  caller: Caller,
  request: Creation,
): Promise<Done<"createConversation">> {
  requireUnblocked(relay, caller);
  requireDistinctWelcomes(request.welcomes);
  requireName(relay, caller, request);
  await requirePredecessor(relay, caller, request);
  const existing = await relay.conversations.get(request.conversation);
  if (existing !== undefined) return { answer: await answerExisting(relay, caller, request, existing) };
  const others = request.roster.filter((account) => account !== caller.account);
  const welcomed = await welcomedDevices(relay, caller, request);
  await requireWelcomed(relay, others, welcomed);
  await keepBlobs(relay, [request.payload, ...request.welcomes.map(({ payload }) => payload)], request.blobs);

  const entry = firstEntry(relay, caller, request);
  const next: Conversation = {
    turn: 1,
    ceiling: ceilingStep,
    roster: request.roster,
    dropped: new Map(),
    lastCommit: { id: entry.id, seq: entry.seq, at: entry.at, by: caller.account },
    generation: request.generation,
    predecessor: request.predecessor,
  };
  const { conversation } = request;
  const welcomes = welcomeWrites(relay, caller, request.welcomes);
  const stage = stageWrite(relay, caller, request);
  return untilLanded(relay, async () => {
    const outcome = await relay.landing.land({ conversation, entry, expected: undefined, next, welcomes, stage });
    if (outcome.kind === "landed") {
      const closes = await afterLanding(relay, caller, "createConversation", [
        ringEntries(relay, caller, conversation, request.roster, [entry], { welcomed }),
        countMessages(relay, caller, 1),
      ]);
      return { answer: landedAt(entry), closes };
    }
    const found = await relay.conversations.get(conversation);
    if (found !== undefined) return { answer: await answerExisting(relay, caller, request, found) };
    if (outcome.kind === "notClaimed" || outcome.kind === "notStaged") throw notClaimed();
    return undefined;
  });
}

function firstEntry(relay: Relay, { account }: Caller, { entry: id, payload, roster }: Creation): StoredEntry {
  const life = lifeOf(relay, undefined);
  return {
    kind: "commit",
    id,
    payload,
    account,
    roster: { add: [...roster], remove: [] },
    turn: 0,
    seq: 1,
    prev: 0,
    ...life,
  };
}

/** @throws Refused `invalid_roster`, or `malformed` for a successor of nothing */
function requireName(
  relay: Relay,
  { account }: Caller,
  { conversation, roster, generation, predecessor }: Creation,
): void {
  requireOnce(roster);
  if (!roster.includes(account)) throw new Refused("invalid_roster", "roster: without the caller");
  if ((generation === 0) !== (predecessor === undefined)) {
    throw new Refused("malformed", "generation: counts predecessors");
  }
  if (!isDirect(conversation)) return;
  const [first, second] = roster;
  if (roster.length !== 2 || first === undefined || second === undefined) {
    throw new Refused("invalid_roster", "roster: a direct conversation has two accounts");
  }
  // Whoever could choose the name could put another conversation in the place where the two would meet.
  if (conversation !== `d-${digest(relay, directConversationName([first, second], generation))}`) {
    throw new Refused("invalid_roster", "conversation: not the name of these two");
  }
}

/**
 * A successor takes accounts along, it brings none in. Whom a commit dropped counts too, by whatever right: a void commit
 * must not end a conversation, and the members follow only those who are in their epoch. Whoever left may be taken along, and opens
 * none: whether they left is in a proposal that the relay cannot read, and where it was garbage, members who may not remove
 * them could go nowhere without them. Who did leave does not follow. One may have many successors,
 * for the same reason: a bad one must not be in the way of a good one. They are counted like messages.
 */
async function requirePredecessor(relay: Relay, { account }: Caller, request: Creation): Promise<void> {
  const { conversation, roster, generation, predecessor: name } = request;
  if (name === undefined) return;
  const predecessor = await relay.conversations.get(name);
  if (predecessor === undefined) throw notAMember();
  const { dropped } = predecessor;
  const wereIn = new Set([...predecessor.roster, ...dropped.keys()]);
  if (!wereIn.has(account) || dropped.get(account)?.left === true) throw notAMember();
  if (isDirect(name) !== isDirect(conversation) || predecessor.generation + 1 !== generation) {
    throw new Refused("malformed", "predecessor: not the generation before");
  }
  if (roster.some((member) => !wereIn.has(member))) {
    throw new Refused("invalid_roster", "roster: not on the predecessor's");
  }
}

/**
 * A repetition of the request that created it is told the same again, also where the entry has expired, as long as no commit came after it.
 *
 * @throws Refused `conversation_exists`, with the head for those who are on the roster
 */
async function answerExisting(
  relay: Relay,
  { account }: Caller,
  { conversation: name, entry }: Creation,
  { roster, turn, lastCommit }: Conversation,
): Promise<Done<"createConversation">["answer"]> {
  const exists = (more: { head?: { seq: number; turn: number } }) =>
    new Refused("conversation_exists", "there is such a conversation", more);
  if (!roster.includes(account)) throw exists({});
  if (turn === 1 && lastCommit.id === entry) return { id: entry, seq: lastCommit.seq, turn: 0, at: lastCommit.at };
  const { entries } = await relay.log.page(name, 0, 1);
  const [first] = entries;
  if (first?.id === entry && first.seq === 1) return landedAt(first);
  const newest = await relay.log.newest(name);
  throw exists({ head: { seq: newest?.seq ?? 0, turn } });
}
