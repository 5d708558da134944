/** Somebody asks to be put in anew. Another device may be faster; this one looks again when it is its turn. */
import type { ConversationBook } from "../conversation/conversationBook.ts";
import type { ConversationDeps } from "../conversation/conversationDeps.ts";
import { uniformOf } from "../session/backoff.ts";
import { isToBeReadmitted, openRepairRequest } from "../session/repair/repairRequest.ts";

/** Longest that whoever asks waits for this device: milliseconds. */
const readmissionDelay = { own: 1_000, others: 5_000 };

export async function answerRepair(
  deps: Pick<ConversationDeps, "clock" | "connection" | "context">,
  { book, report }: { readonly book: ConversationBook; readonly report: (error: unknown) => void },
  payload: Uint8Array,
): Promise<void> {
  const { clock, connection } = deps;
  const { provider, ...self } = deps.context();
  const request = await openRepairRequest(provider, payload);
  if (request === undefined) return;
  // Who was out when the others went on has that as a conversation of its own.
  const logs = [request.conversation, ...(request.successor === undefined ? [] : [request.successor])];
  const known = logs.flatMap((log) => book.inLog(log) ?? []);
  const conversation = known.find(({ snapshot }) => snapshot.phase === "open") ?? known[0];
  if (conversation === undefined) return;
  // How it read what this device has not read cannot be judged yet. One that looks for its own Welcome waits for the inbox, not this for it.
  const { phase, cursor } = conversation.snapshot;
  if (phase === "open" && (request.log?.seq ?? 0) > cursor) await conversation.catchUp();
  const isNeeded = (): boolean => isToBeReadmitted(conversation.snapshot, request, self, connection.now());
  if (!isNeeded()) return;
  const { account, device } = request.certificate;
  const isOwn = account === self.account;
  const delay = (isOwn ? readmissionDelay.own : readmissionDelay.others) * uniformOf(provider.random);
  clock.after(delay, () => {
    if (!isNeeded()) return;
    conversation.intend({ kind: "readmit", account, device, since: request.at, claimed: [] }).catch(report);
  });
}
