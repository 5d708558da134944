/** `append`: messages, in order. */
import type { Answer, Request } from "@tacit/protocol";
import { afterLanding } from "./afterLanding.ts";
import { appendEntry } from "./appendEntry.ts";
import type { Caller } from "./caller.ts";
import { ringEntries } from "./fanOut.ts";
import { headFor } from "./head.ts";
import { keepBlobs } from "./keepBlobs.ts";
import { landedAt, requireDistinct } from "./landing.ts";
import type { Done } from "./done.ts";
import { countMessages, requireUnblocked } from "./messageRate.ts";
import { requireTurn } from "./placing.ts";
import type { Relay } from "./relay.ts";
import { Refused } from "./refused.ts";
import type { StoredEntry } from "../ports.ts";

export async function append(relay: Relay, caller: Caller, request: Request<"append">): Promise<Done<"append">> {
  requireUnblocked(relay, caller);
  requireDistinct(request.entries.map(({ id }) => id));
  const { conversation, turn } = request;
  const wanted = { conversation, account: caller.account, turn };
  const accepted: StoredEntry[] = [];
  let head = await headFor(relay, conversation, caller.account);
  requireTurn(head, turn);
  for (const { id, payload, blobs } of request.entries) {
    try {
      await keepBlobs(relay, [payload], blobs ?? []);
      const landed = await appendEntry(relay, wanted, { kind: "message", id, payload }, head);
      accepted.push(landed.entry);
      head = landed.head;
    } catch (error) {
      // What landed, landed: the answer tells how far it went, and the client finds out why when it sends the rest.
      if (!(error instanceof Refused) || accepted.length === 0) throw error;
      break;
    }
  }
  const answer: Answer<"append"> = { accepted: accepted.map(landedAt) };
  const closes = await afterLanding(relay, caller, "append", [
    ringEntries(relay, caller, conversation, head.conversation.roster, accepted),
    countMessages(relay, caller, accepted.length),
  ]);
  return { answer, closes };
}
