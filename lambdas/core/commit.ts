/** `commit`: ends the turn, changes the roster, sends Welcomes; all of it or nothing. */
import type { Request } from "@tacit/protocol";
import { afterLanding } from "./afterLanding.ts";
import type { Caller } from "./caller.ts";
import { untilLanded } from "./conflicts.ts";
import type { Done } from "./done.ts";
import { lifeOf } from "./expiry.ts";
import { ringEntries } from "./fanOut.ts";
import { headFor, type Head } from "./head.ts";
import { keepBlobs } from "./keepBlobs.ts";
import { landedAt } from "./landing.ts";
import { countMessages, requireUnblocked } from "./messageRate.ts";
import { findPlace, requireTurn } from "./placing.ts";
import type { Relay } from "./relay.ts";
import { afterCommit, isJustDropped, mayCommit, requireLeavesRead, requireRosterChange } from "./roster.ts";
import {
  notClaimed,
  requireDistinctWelcomes,
  requireWelcomed,
  stageWrite,
  welcomedDevices,
  welcomeWrites,
} from "./welcomes.ts";
import type { StoredEntry } from "../ports.ts";

export async function commit(relay: Relay, caller: Caller, request: Request<"commit">): Promise<Done<"commit">> {
  requireUnblocked(relay, caller);
  requireDistinctWelcomes(request.welcomes);
  const head = await headFor(relay, request.conversation, caller.account, mayCommit);
  const before = repetition(head, request);
  if (before !== undefined) return { answer: before };
  requireTurn(head, request.turn);
  requireRosterChange(request.conversation, head.conversation, caller.account, request);
  const strangers = request.add.filter((account) => !isJustDropped(head.conversation, account));
  const welcomed = await welcomedDevices(relay, caller, request);
  await requireWelcomed(relay, strangers, welcomed);
  await keepBlobs(relay, [request.payload, ...request.welcomes.map(({ payload }) => payload)], request.blobs);
  const landed = await land(relay, caller, request, head);
  if (landed.entry === undefined) return { answer: landed.answer };

  // Those who are in, those who were, and those who come in.
  const accounts = [...landed.roster, ...request.add];
  const closes = await afterLanding(relay, caller, "commit", [
    ringEntries(relay, caller, request.conversation, accounts, [landed.entry], { welcomed, before: landed.before }),
    countMessages(relay, caller, 1),
  ]);
  return { answer: landed.answer, closes };
}

type Landed = {
  readonly answer: Done<"commit">["answer"];
  /** Undefined for a repetition: it rang when it landed. */
  readonly entry: StoredEntry | undefined;
  readonly before: StoredEntry | undefined;
  readonly roster: readonly string[];
};

async function land(relay: Relay, caller: Caller, request: Request<"commit">, known: Head): Promise<Landed> {
  const { conversation: name, turn, entry: id, payload, add, remove } = request;
  const { account } = caller;
  let fresh: Head | undefined = known;
  return untilLanded(relay, async () => {
    const current = fresh ?? (await headFor(relay, name, account, mayCommit));
    fresh = undefined;
    const before = repetition(current, request);
    if (before !== undefined) return { answer: before, entry: undefined, before: undefined, roster: [] };
    const placing = await findPlace(relay, { conversation: name, account, turn, admits: mayCommit }, current);
    if (placing === undefined) return undefined;
    const { head, place } = placing;
    requireRosterChange(name, head.conversation, account, request);
    await requireLeavesRead(relay, name, head, request.after);
    const life = lifeOf(relay, head.entry);
    const roster = { add, remove };
    const { seq, prev } = place;
    const entry = { kind: "commit", id, payload, account, roster, turn, seq, prev, ...life } as const;
    const next = afterCommit(head.conversation, account, request, entry, place);
    const welcomes = welcomeWrites(relay, caller, request.welcomes);
    const outcome = await relay.landing.land({
      conversation: name,
      entry,
      expected: head.conversation,
      next,
      welcomes,
      stage: stageWrite(relay, caller, request),
    });
    if (outcome.kind === "notClaimed" || outcome.kind === "notStaged") throw notClaimed();
    if (outcome.kind === "conflict") return undefined;
    return { answer: landedAt(entry), entry, before: head.entry, roster: head.conversation.roster };
  });
}

/** A repetition of the commit that ended the turn before is told what the first was, or would have been, told. */
function repetition(
  { conversation }: Head,
  { entry, turn }: Pick<Request<"commit">, "entry" | "turn">,
): Done<"commit">["answer"] | undefined {
  const { lastCommit } = conversation;
  if (lastCommit.id !== entry || conversation.turn !== turn + 1) return undefined;
  return { id: entry, seq: lastCommit.seq, turn, at: lastCommit.at };
}
