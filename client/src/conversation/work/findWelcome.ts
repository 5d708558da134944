import { TacitError } from "../../errors.ts";
import { silent } from "../../session/conversation.ts";
import { newRepair } from "../../session/repair/repair.ts";
import type { Work } from "./work.ts";

/** Milliseconds until this device asks to be put in, after it was left out. */
const firstPause = 1_000;

/** The Welcome landed together with the commit, so it is in the inbox, or this device was left out. */
export async function findWelcome(work: Pick<Work, "deps" | "steps" | "waiters" | "reading">): Promise<void> {
  const { deps, steps, waiters, reading } = work;
  if (steps.now.phase !== "awaitingWelcome") return;
  // What is read there may wait for this conversation to be read: that has been, and goes on once the device is in again.
  reading.settle();
  await Promise.race([deps.readInbox(), waiters.welcomed()]);
  if (steps.now.phase !== "awaitingWelcome") return;
  waiters.rejectOpening(new TacitError("cannot_follow", "the conversation was created without this device"));
  const due = deps.connection.now() + firstPause;
  await steps.take((state) =>
    state.phase === "awaitingWelcome" && state.repair === undefined
      ? silent({ ...state, repair: newRepair(state.cursor, due) })
      : undefined,
  );
}
