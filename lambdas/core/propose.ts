/** `propose`: an MLS proposal. With `leave` the caller's account is off the roster with it. */
import { isDirect, type Request } from "@tacit/protocol";
import { afterLanding } from "./afterLanding.ts";
import { appendEntry } from "./appendEntry.ts";
import type { Caller } from "./caller.ts";
import { untilLanded } from "./conflicts.ts";
import type { Done } from "./done.ts";
import { lifeOf } from "./expiry.ts";
import { ringEntries } from "./fanOut.ts";
import { headFor, type Head } from "./head.ts";
import { keepBlobs } from "./keepBlobs.ts";
import { keptLeave } from "./keptLeaves.ts";
import { landedAt } from "./landing.ts";
import { countMessages, requireUnblocked } from "./messageRate.ts";
import { findPlace, requireTurn } from "./placing.ts";
import type { Relay } from "./relay.ts";
import { Refused } from "./refused.ts";
import { afterLeaving } from "./roster.ts";
import type { StoredEntry } from "../ports.ts";

export async function propose(relay: Relay, caller: Caller, request: Request<"propose">): Promise<Done<"propose">> {
  requireUnblocked(relay, caller);
  const repeated = request.leave ? await formerLeave(relay, caller, request) : undefined;
  if (repeated !== undefined) return { answer: landedAt(repeated) };
  const { conversation, turn, payload, leave } = request;
  const head = await headFor(relay, conversation, caller.account);
  requireTurn(head, turn);
  // The other side could not take part in a successor that this account is not on.
  if (leave && isDirect(conversation)) throw new Refused("invalid_roster", "nobody leaves a direct conversation");
  // It is shown for longer than blobs are kept.
  if (leave && !("inline" in payload)) throw new Refused("malformed", "payload: a request to leave is not a blob");
  await keepBlobs(relay, [payload], []);
  const { entry, roster } = await (leave ? land : post)(relay, caller, request, head);
  const closes = await afterLanding(relay, caller, "propose", [
    ringEntries(relay, caller, conversation, roster, [entry]),
    countMessages(relay, caller, 1),
  ]);
  return { answer: landedAt(entry), closes };
}

/** `roster`: as it was where the entry landed, not earlier: it may have changed since the first reading. */
type Landed = { readonly entry: StoredEntry; readonly roster: readonly string[] };

async function post(
  relay: Relay,
  { account }: Caller,
  { conversation, turn, entry: id, payload }: Request<"propose">,
  known: Head,
): Promise<Landed> {
  const draft = { kind: "proposal", id, payload, account } as const;
  const { entry, head } = await appendEntry(relay, { conversation, account, turn }, draft, known);
  return { entry, roster: head.conversation.roster };
}

/** The proposal, a copy that outlasts it, and the roster without the account, together: what comes after it is not for the account any more. */
async function land(
  relay: Relay,
  { account }: Caller,
  { conversation, turn, entry: id, payload }: Request<"propose">,
  known: Head,
): Promise<Landed> {
  let fresh: Head | undefined = known;
  return untilLanded(relay, async () => {
    const placing = await findPlace(relay, { conversation, account, turn }, fresh);
    fresh = undefined;
    if (placing === undefined) return undefined;
    const { head, place } = placing;
    const life = lifeOf(relay, head.entry);
    const { seq, prev } = place;
    const entry = { kind: "proposal", id, payload, account, leave: true, turn, seq, prev, ...life } as const;
    const next = afterLeaving(head.conversation, account, place);
    const copy = keptLeave(conversation, entry);
    const write = { conversation, entry, expected: head.conversation, next, welcomes: [], copy };
    const { kind } = await relay.landing.land(write);
    return kind === "landed" ? { entry, roster: head.conversation.roster } : undefined;
  });
}

/** Where the account left, if this is a repetition of that request, or nobody can read any more by what it left. */
async function formerLeave(
  relay: Relay,
  { account }: Caller,
  request: Request<"propose">,
): Promise<Pick<StoredEntry, "id" | "seq" | "turn" | "at"> | undefined> {
  const conversation = await relay.conversations.get(request.conversation);
  const dropped = conversation?.dropped.get(account);
  if (dropped === undefined) return undefined;
  const { entries } = await relay.log.page(request.conversation, dropped.seq - 1, 1);
  const entry = entries.find(({ seq }) => seq === dropped.seq);
  if (entry?.id === request.entry) return entry;
  const now = relay.clock.now();
  const isUnread = entry === undefined || entry.expires <= now;
  return dropped.left === true && isUnread
    ? { id: request.entry, seq: dropped.seq, turn: dropped.turn, at: now }
    : undefined;
}
