import type { ConversationDeps } from "../conversationDeps.ts";
import type { ConversationSteps } from "../conversationSteps.ts";
import { TacitError } from "../errors.ts";
import { silent } from "../session/conversation.ts";
import type { Waiters } from "./waiters.ts";

/** Milliseconds until this device asks to be put in, after it was left out. */
const firstPause = 1_000;

/** The Welcome landed together with the commit, so it is in the inbox, or this device was left out. */
export async function findWelcome(deps: ConversationDeps, steps: ConversationSteps, waiters: Waiters): Promise<void> {
  // What is read there may wait for this conversation to be read on, once it is in again.
  await Promise.race([deps.readInbox(), waiters.welcomed()]);
  if (steps.now.phase !== "awaitingWelcome") return;
  waiters.rejectOpening(new TacitError("cannot_follow", "the conversation was created without this device"));
  const due = deps.connection.now() + firstPause;
  await steps.take((state) =>
    state.phase === "awaitingWelcome" && state.repair === undefined
      ? silent({ ...state, repair: { attempts: 0, due, after: state.cursor } })
      : undefined,
  );
}
