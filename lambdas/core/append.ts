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

/** Blobs are looked for and copied one entry after the other, and the function has its time: the rest comes again. */
const blobsPerRequest = 10;

export async function append(relay: Relay, caller: Caller, request: Request<"append">): Promise<Done<"append">> {
  requireUnblocked(relay, caller);
  requireDistinct(request.entries.map(({ id }) => id));
  const { conversation, turn } = request;
  const wanted = { conversation, account: caller.account, turn };
  const accepted: StoredEntry[] = [];
  let head = await headFor(relay, conversation, caller.account);
  requireTurn(head, turn);
  let references = 0;
  let before: StoredEntry | undefined;
  for (const { id, payload, blobs = [] } of request.entries) {
    references += blobs.length + ("blob" in payload ? 1 : 0);
    if (accepted.length > 0 && references > blobsPerRequest) break;
    try {
      await keepBlobs(relay, [payload], blobs);
      const landed = await appendEntry(relay, wanted, { kind: "message", id, payload }, head);
      if (accepted.length === 0) before = landed.before;
      accepted.push(landed.entry);
      head = landed.head;
    } catch (error) {
      // What landed, landed: the answer tells how far it went, and the client finds out why when it sends the rest.
      if (accepted.length === 0) throw error;
      if (!(error instanceof Refused))
        relay.reports.unexpected(error, { operation: "append", requestId: caller.requestId });
      break;
    }
  }
  const answer: Answer<"append"> = { accepted: accepted.map(landedAt) };
  const closes = await afterLanding(relay, caller, "append", [
    ringEntries(relay, caller, conversation, head.conversation.roster, accepted, { before }),
    countMessages(relay, caller, accepted.length),
  ]);
  return { answer, closes };
}
