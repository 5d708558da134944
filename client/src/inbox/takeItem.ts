/** What lies in the inbox: Welcomes, what the account's devices tell each other, and requests to be put in anew. */
import type { InboxItem } from "@tacit/protocol";
import { answerRepair } from "./answerRepair.ts";
import type { ConversationBook } from "../conversation/conversationBook.ts";
import type { ConversationDeps } from "../conversation/conversationDeps.ts";
import type { Housekeeping } from "../housekeeping.ts";
import type { LiveConversation } from "../conversation/liveConversation.ts";
import type { OwnAccount } from "../account/ownAccount.ts";
import { received } from "../payloads.ts";
import { takeWelcome } from "./takeWelcome.ts";

export interface ItemDeps {
  readonly conversationDeps: Omit<ConversationDeps, "moved" | "abandoned">;
  readonly book: ConversationBook;
  readonly house: Housekeeping;
  readonly own: OwnAccount;
  /** A conversation that somebody else opened. */
  readonly arrived: (conversation: LiveConversation) => void;
  readonly report: (error: unknown) => void;
}

/** @throws TacitError `cannot_follow` where a Welcome is of no use; LostAnswer, Refused */
export async function takeItem(
  { conversationDeps, book, house, own, arrived, report }: ItemDeps,
  item: InboxItem,
): Promise<void> {
  const { peers, context } = conversationDeps;
  if (item.kind === "welcome") {
    house.countWelcome();
    const isShunned = (account: string): boolean => peers.isShunned(account);
    return takeWelcome({ ...conversationDeps, book, isShunned, arrived }, item);
  }
  const payload = await received({ ...conversationDeps, provider: context().provider }, item.payload);
  if (payload === undefined || (await own.receive(item, payload))) return;
  await answerRepair(conversationDeps, { book, report }, payload);
}
