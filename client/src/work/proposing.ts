import { sendable } from "../payloads.ts";
import { LostAnswer, Refused } from "../relaySocket.ts";
import { silent } from "../session/conversation.ts";
import type { Work } from "./work.ts";

/** Brings the own proposal to leave to the log. @throws Refused, LostAnswer */
export async function proposeToLeave({ deps, steps, reading, retry }: Work): Promise<void> {
  const { log, leaving, turn } = steps.now;
  if (leaving === undefined) return;
  if (leaving.turn !== turn) {
    // A commit came in between: the epoch of the proposal is over.
    return steps.take((state) => silent({ ...state, leaving: undefined }));
  }
  reading.owe();
  const payload = await sendable({ ...deps, provider: deps.context().provider }, leaving.proposal);
  try {
    const request = { conversation: log, turn, entry: leaving.entry, payload, leave: true };
    await deps.connection.request("propose", request);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    const { code } = error.refusal;
    if (code !== "stale" && code !== "not_a_member") throw error;
    return retry.again(error);
  }
  await reading.read();
  if (steps.now.leaving === leaving) retry.again(new LostAnswer("the log does not show the proposal"));
}
