import type { Answer } from "@tacit/protocol";
import { sendable } from "../../payloads.ts";
import { Refused } from "../../connection/relaySocket.ts";
import { ended } from "../../session/reading/applied.ts";
import { silent } from "../../session/conversation.ts";
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
  let landed: Answer<"propose">;
  try {
    const request = { conversation: log, turn, entry: leaving.entry, payload, leave: true };
    landed = await deps.connection.request("propose", request);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    const { code } = error.refusal;
    if (code !== "stale" && code !== "not_a_member") throw error;
    return retry.again(error);
  }
  await reading.read();
  if (steps.now.leaving !== leaving) return;
  // It landed before, and expired before it was read: the answer is all there is.
  const at = { seq: landed.seq, storedAt: landed.at };
  const left = { kind: "left", accounts: [deps.context().account] } as const;
  await steps.take((state) => (state.leaving === leaving ? ended(state, left, at) : undefined));
}
